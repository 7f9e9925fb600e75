"""Trees, paths and their verification are RFC 9162's, and nothing but the true path is accepted."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pymerkle
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from meterbook.proof.errors import Malformed, Refuted
from meterbook.proof.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)
from meterbook.proof.tiles import nodes_of
from tests.proof import trees
from tests.proof.trees import REFERENCE_CONSISTENCY, REFERENCE_INCLUSION, REFERENCE_LEAVES, REFERENCE_ROOTS

leaf_lists = st.integers(0, 70).map(lambda size: [b"leaf %d" % number for number in range(size)])


def hashed(leaves: list[bytes]) -> list[bytes]:
    return [leaf_hash(leaf) for leaf in leaves]


def root_of(leaves: list[bytes]) -> bytes:
    return Frontier().appended(hashed(leaves)).root()


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert Frontier().root() == EMPTY_ROOT == hashlib.sha256().digest()


def test_the_published_roots() -> None:
    frontier = Frontier()
    for leaf, root in zip(REFERENCE_LEAVES, REFERENCE_ROOTS, strict=True):
        frontier = frontier.appended([leaf_hash(leaf)])
        assert frontier.root() == root


@pytest.mark.parametrize(("index", "size"), REFERENCE_INCLUSION)
def test_the_published_inclusion_proofs(index: int, size: int) -> None:
    path = trees.hashes(REFERENCE_INCLUSION[index, size])
    leaves = hashed(REFERENCE_LEAVES)
    assert inclusion_path(index, size, nodes_of(leaves)) == path
    verify_inclusion(leaves[index], index, size, path, REFERENCE_ROOTS[size - 1])


@pytest.mark.parametrize(("old", "new"), REFERENCE_CONSISTENCY)
def test_the_published_consistency_proofs(old: int, new: int) -> None:
    path = trees.hashes(REFERENCE_CONSISTENCY[old, new])
    assert consistency_path(old, new, nodes_of(hashed(REFERENCE_LEAVES))) == path
    verify_consistency(old, REFERENCE_ROOTS[old - 1], new, REFERENCE_ROOTS[new - 1], path)


@given(leaf_lists, st.lists(st.integers(0, 70), max_size=4))
def test_a_tree_is_the_same_however_it_grew(leaves: list[bytes], cuts: list[int]) -> None:
    frontier = Frontier()
    for start, end in pairwise([0, *sorted(min(cut, len(leaves)) for cut in cuts), len(leaves)]):
        frontier = frontier.appended(hashed(leaves[start:end]))
    assert frontier == Frontier().appended(hashed(leaves))
    assert frontier.size == len(leaves)
    assert frontier.root() == trees.tree_hash(leaves)
    assert Frontier.from_bytes(frontier.to_bytes()) == frontier


@given(leaf_lists, st.data())
def test_the_edge_of_an_older_tree_can_be_told(leaves: list[bytes], data: st.DataObject) -> None:
    size = data.draw(st.integers(0, len(leaves)))
    assert Frontier.at(size, nodes_of(hashed(leaves))) == Frontier().appended(hashed(leaves[:size]))


@pytest.mark.parametrize("first", [0, 1, 255, 256, 65_535, 65_536])
def test_growing_names_the_subtrees_to_keep(first: int) -> None:
    leaves = [number.to_bytes(32) for number in range(65_536 + 300)]
    frontier, before = Frontier().grown(leaves[:first])
    frontier, after = frontier.grown(leaves[first:])
    kept = {(item.level, item.index): item.hash for item in before + after}
    assert len(kept) == len(before) + len(after)
    assert kept.keys() == {(8, index) for index in range(257)} | {(16, 0)}
    node = nodes_of(leaves)
    assert all(node(level, index) == item for (level, index), item in kept.items())
    assert frontier.root() == Frontier.at(len(leaves), node).root()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(7),
        bytes(40),
        (1).to_bytes(8, "little"),
        (3).to_bytes(8, "little") + bytes(32),
        bytes([1]) + bytes(38),
    ],
)
def test_a_damaged_edge_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed, match="the edge of a tree"):
        Frontier.from_bytes(data)


def test_an_edge_beyond_all_sizes_is_refused() -> None:
    with pytest.raises(Malformed, match="the size of a tree"):
        Frontier.from_bytes((1 << 63).to_bytes(8, "little") + bytes(32))


@given(leaf_lists.filter(bool), st.data())
def test_inclusion_is_as_the_rfc_says(leaves: list[bytes], data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(leaves)))
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_path(index, size, nodes_of(hashed(leaves)))
    assert path == trees.path(index, leaves[:size])
    verify_inclusion(leaf_hash(leaves[index]), index, size, path, trees.tree_hash(leaves[:size]))


@given(leaf_lists.filter(bool), st.data())
def test_consistency_is_as_the_rfc_says(leaves: list[bytes], data: st.DataObject) -> None:
    new = data.draw(st.integers(1, len(leaves)))
    old = data.draw(st.integers(1, new))
    path = consistency_path(old, new, nodes_of(hashed(leaves)))
    assert path == trees.subproof(old, leaves[:new])
    verify_consistency(old, trees.tree_hash(leaves[:old]), new, trees.tree_hash(leaves[:new]), path)


@given(leaf_lists.filter(bool), st.data())
def test_another_library_says_the_same(leaves: list[bytes], data: st.DataObject) -> None:
    other = pymerkle.InmemoryTree()
    for leaf in leaves:
        other.append_entry(leaf)
    size = data.draw(st.integers(1, len(leaves)))
    index = data.draw(st.integers(0, size - 1))
    node = nodes_of(hashed(leaves))
    assert Frontier.at(size, node).root() == other.get_root(size)
    # Its paths begin with the leaf, and its leaves are counted from 1.
    theirs = [bytes.fromhex(item) for item in other.prove_inclusion(index + 1, size).serialize()["path"]]
    assert [leaf_hash(leaves[index]), *inclusion_path(index, size, node)] == theirs
    verify_consistency(
        size, other.get_root(size), len(leaves), other.get_root(), consistency_path(size, len(leaves), node)
    )


@given(leaf_lists.filter(bool), st.data())
def test_no_other_inclusion_proof_is_accepted(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    size, leaf, root = len(leaves), leaf_hash(leaves[index]), root_of(leaves)
    path = inclusion_path(index, size, nodes_of(hashed(leaves)))
    at = data.draw(st.integers(0, 31))
    changed: list[tuple[bytes, int, list[bytes], bytes]] = [
        (flipped(leaf, at), index, path, root),
        (leaf, index, path, flipped(root, at)),
        (leaf, index, [*path, root], root),
        (leaf, index, [leaf, *path], root),
        (leaf, index, path, root[:-1]),
    ]
    changed += [(leaf, index, [*path[:n], flipped(path[n], at), *path[n + 1 :]], root) for n in range(len(path))]
    changed += [(leaf, index, [*path[:n], *path[n + 1 :]], root) for n in range(len(path))]
    changed += [(leaf, index, [*path[:n], path[n] + b"\0", *path[n + 1 :]], root) for n in range(len(path))]
    changed += [(leaf, other, path, root) for other in range(-1, size + 2) if other != index]
    for leaf_, index_, path_, root_ in changed:
        with pytest.raises(Refuted, match=rf"^leaf {index_} in the tree of {size} leaves: "):
            verify_inclusion(leaf_, index_, size, path_, root_)


@given(leaf_lists.filter(lambda leaves: len(leaves) > 1), st.data())
def test_no_other_consistency_proof_is_accepted(leaves: list[bytes], data: st.DataObject) -> None:
    old = data.draw(st.integers(1, len(leaves) - 1))
    new, old_root, new_root = len(leaves), root_of(leaves[:old]), root_of(leaves)
    path = consistency_path(old, new, nodes_of(hashed(leaves)))
    at = data.draw(st.integers(0, 31))
    changed: list[tuple[int, bytes, int, bytes, list[bytes]]] = [
        (old, flipped(old_root, at), new, new_root, path),
        (old, old_root, new, flipped(new_root, at), path),
        (old, new_root, new, old_root, path),
        (new, new_root, old, old_root, path),
        (old, old_root, new, new_root, []),
        (old, old_root, new, new_root, [*path, new_root]),
        (old, old_root, new, new_root, [old_root, *path]),
        (old, old_root[1:], new, new_root, path),
        (0, old_root, new, new_root, []),
        (0, EMPTY_ROOT, new, new_root, path),
        (new, old_root, new, new_root, []),
        (new, new_root, new, new_root, path),
        (-1, old_root, new, new_root, path),
    ]
    for n in range(len(path)):
        changed.append((old, old_root, new, new_root, [*path[:n], flipped(path[n], at), *path[n + 1 :]]))
        changed.append((old, old_root, new, new_root, [*path[:n], *path[n + 1 :]]))
    changed += [(other, old_root, new, new_root, path) for other in range(new + 2) if other != old]
    for old_, old_root_, new_, new_root_, path_ in changed:
        with pytest.raises(Refuted, match=rf"^the tree of {old_} leaves as the beginning of that of {new_}: "):
            verify_consistency(old_, old_root_, new_, new_root_, path_)


@given(leaf_lists.filter(bool), st.data())
def test_a_path_is_refused_for_a_size_that_needs_one_of_another_length(
    leaves: list[bytes], data: st.DataObject
) -> None:
    """Sizes 5 to 8 give leaf 0 the same steps, so a path alone does not tell them apart; the signed checkpoint does."""
    size, other = len(leaves), data.draw(st.integers(1, 80))
    index = data.draw(st.integers(0, min(size, other) - 1))
    assume(len(trees.path(index, [b""] * other)) != len(trees.path(index, [b""] * size)))
    path = inclusion_path(index, size, nodes_of(hashed(leaves)))
    with pytest.raises(Refuted):
        verify_inclusion(leaf_hash(leaves[index]), index, other, path, root_of(leaves))


def test_a_root_is_not_reached_by_going_on_past_it() -> None:
    """The last leaf of a tree stands right at every step, so steps past the root of a smaller tree would fit too."""
    leaves = hashed(REFERENCE_LEAVES)
    path = inclusion_path(7, 8, nodes_of(leaves))
    for index, size in ((0, 1), (1, 2), (3, 4)):
        with pytest.raises(Refuted, match="longer than it can be"):
            verify_inclusion(leaves[7], index, size, path, REFERENCE_ROOTS[7])


def test_bytes_cannot_slip_from_one_hash_to_the_next() -> None:
    leaves = hashed(REFERENCE_LEAVES)
    sibling, *path = inclusion_path(7, 8, nodes_of(leaves))
    with pytest.raises(Refuted, match="a hash has 31 bytes, all must have 32"):
        verify_inclusion(sibling[31:] + leaves[7], 7, 8, [sibling[:31], *path], REFERENCE_ROOTS[7])


def test_a_changed_history_is_inconsistent_at_every_size() -> None:
    leaves = [b"%d" % number for number in range(20)]
    forged = [*leaves[:3], b"forged", *leaves[4:]]
    for old in range(4, 20):
        path = consistency_path(old, 20, nodes_of(hashed(forged)))
        with pytest.raises(Refuted):
            verify_consistency(old, root_of(leaves[:old]), 20, root_of(forged), path)


def test_the_empty_tree_is_the_beginning_of_any() -> None:
    assert consistency_path(0, 3, nodes_of([])) == []
    verify_consistency(0, EMPTY_ROOT, 3, bytes(32), [])
    verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])


def test_a_node_is_no_leaf() -> None:
    left, right = bytes(32), bytes([1]) * 32
    assert leaf_hash(left + right) != node_hash(left, right)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_no_path_is_made_for_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match=f"a tree of {size} leaves has no leaf {index}"):
        inclusion_path(index, size, nodes_of([]))


@pytest.mark.parametrize(("old", "new"), [(4, 3), (-1, 3)])
def test_no_path_is_made_from_a_tree_that_is_not_older(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="cannot be the beginning"):
        consistency_path(old, new, nodes_of([]))
