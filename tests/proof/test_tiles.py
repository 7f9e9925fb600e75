"""Proofs come from a few whole tiles of the rows that the ledger keeps."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbook.proof.merkle import Frontier, consistency_path, inclusion_path, verify_consistency, verify_inclusion
from meterbook.proof.tiles import MissingHashes, Tiles, nodes_of

SIZE = 66_000
LEAVES = [number.to_bytes(32) for number in range(SIZE)]
IN_MEMORY = nodes_of(LEAVES)


class Rows:
    """The rows of a ledger, kept as it would: every leaf, and the subtrees that growing named; counts its reads."""

    def __init__(self) -> None:
        _, completed = Frontier().grown(LEAVES)
        self.rows: dict[int, list[bytes]] = {0: LEAVES}
        for item in completed:
            self.rows.setdefault(item.level, []).append(item.hash)
        self.reads: list[tuple[int, int, int]] = []

    def __call__(self, level: int, start: int, end: int) -> Sequence[bytes]:
        self.reads.append((level, start, end))
        return self.rows[level][start:end]


ROWS = Rows()


@given(st.integers(1, SIZE), st.data())
def test_a_path_from_tiles_is_the_path(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    ROWS.reads.clear()
    path = inclusion_path(index, size, Tiles(size, ROWS))
    assert path == inclusion_path(index, size, IN_MEMORY)
    verify_inclusion(LEAVES[index], index, size, path, Frontier.at(size, IN_MEMORY).root())
    # One tile on the leaf's side and one on the right edge, at each of three levels.
    assert len(ROWS.reads) == len(set(ROWS.reads)) <= 6
    assert all(level % 8 == 0 and start % 256 == 0 and 0 < end - start <= 256 for level, start, end in ROWS.reads)


@given(st.integers(1, SIZE), st.data())
def test_a_consistency_path_from_tiles_is_the_path(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    ROWS.reads.clear()
    tiles = Tiles(new, ROWS)
    path = consistency_path(old, new, tiles)
    assert path == consistency_path(old, new, IN_MEMORY)
    assert len(ROWS.reads) <= 6
    old_root, new_root = Frontier.at(old, tiles).root(), Frontier.at(new, tiles).root()
    verify_consistency(old, old_root, new, new_root, path)


def test_nothing_is_read_of_leaves_that_came_later() -> None:
    ROWS.reads.clear()
    inclusion_path(299, 300, Tiles(300, ROWS))
    assert set(ROWS.reads) == {(0, 256, 300), (8, 0, 1)}


def test_a_store_that_is_behind_is_told_from_a_false_proof() -> None:
    with pytest.raises(MissingHashes, match="hashes 256 to 300 of level 0: the store has 43 of 44"):
        inclusion_path(299, 300, Tiles(300, lambda level, start, end: LEAVES[start : min(end, 299)]))


def test_a_subtree_that_is_not_complete_has_no_hash() -> None:
    with pytest.raises(ValueError, match="no complete subtree 1 of 2\\*\\*3 leaves"):
        Tiles(15, ROWS)(3, 1)
