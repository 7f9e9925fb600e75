"""Merkle trees with SHA-256 as RFC 9162 section 2.1 has them: growing one, and making and checking proofs.

A tree of any size is a row of *complete* subtrees, one for each 1 in the binary form of its size, largest first. Their
hashes are the tree's right edge (:class:`Frontier`): enough to grow the tree and to know its root, for ever. Proofs
need hashes from further left; who makes one gives a function that knows them (:data:`NodeSource`, see ``tiles``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from .encoding import HASH_BYTES, NUMBER_MAX
from .errors import Malformed, Refuted

#: The root of a tree without leaves: the hash of nothing (RFC 9162 section 2.1.1).
EMPTY_ROOT = sha256(b"").digest()
#: Complete subtrees of 256, 65,536, ... leaves are worth keeping: tiles are 2**8 wide (C2SP tlog-tiles).
TILE_LEVELS = 8

#: ``node(level, index)``: the hash of the complete subtree over the 2**level leaves from index * 2**level on.
NodeSource = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf with these data."""
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over two others."""
    return sha256(b"\1" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Subtree:
    """A complete subtree, and where it stands: what ``NodeSource`` answers for (level, index)."""

    level: int
    index: int
    hash: bytes


@dataclass(frozen=True)
class Frontier:
    """The right edge of a tree of ``size`` leaves: the hashes of its complete subtrees, largest first.

    A value: growing gives another one, so a caller whose commit fails keeps what it had. Raises ValueError where
    the hashes are not as many as the size has binary ones.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= NUMBER_MAX:
            raise Malformed(f"the size of a tree is from 0 to {NUMBER_MAX}, not {self.size}")
        if len(self.hashes) != self.size.bit_count() or any(len(item) != HASH_BYTES for item in self.hashes):
            raise Malformed(
                f"the edge of a tree of {self.size} leaves is {self.size.bit_count()} hashes of {HASH_BYTES} bytes,"
                f" not {len(self.hashes)} of {sorted({len(item) for item in self.hashes})}"
            )

    @classmethod
    def at(cls, size: int, node: NodeSource) -> Frontier:
        """The edge that a tree had when it was of ``size`` leaves."""
        return cls(size, tuple(node(level, index) for level, index in _complete(0, size)))

    def appended(self, leaf_hashes: Iterable[bytes]) -> Frontier:
        """The edge after these leaves were appended."""
        return self.grown(leaf_hashes)[0]

    def grown(self, leaf_hashes: Iterable[bytes]) -> tuple[Frontier, list[Subtree]]:
        """The edge after these leaves were appended, and the subtrees of 2**8, 2**16, ... leaves that they completed.

        Works row by row, since hashing a whole row at a time costs half of what hashing leaf by leaf does.
        """
        row = list(leaf_hashes)
        size = self.size + len(row)
        waiting = list(self.hashes)
        edge: list[bytes] = []
        completed: list[Subtree] = []
        level = 0
        while row:
            first = self.size >> level
            if level and level % TILE_LEVELS == 0:
                completed += [Subtree(level, first + offset, item) for offset, item in enumerate(row)]
            if first & 1:
                row.insert(0, waiting.pop())
            if len(row) & 1:
                edge.append(row.pop())
            row = [sha256(b"\1" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=True)]
            level += 1
        return Frontier(size, (*waiting, *reversed(edge))), completed

    def root(self) -> bytes:
        """The root of the tree."""
        return _folded(self.hashes) if self.hashes else EMPTY_ROOT

    def to_bytes(self) -> bytes:
        """The size as uint64 little-endian, then the hashes, largest subtree first."""
        return self.size.to_bytes(8, "little") + b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, data: bytes) -> Frontier:
        """What :meth:`to_bytes` wrote. Raises :class:`Malformed`."""
        if len(data) < 8 or (len(data) - 8) % HASH_BYTES:
            raise Malformed(f"the edge of a tree is 8 bytes and whole hashes of {HASH_BYTES}, not {len(data)} bytes")
        size = int.from_bytes(data[:8], "little")
        return cls(size, tuple(data[at : at + HASH_BYTES] for at in range(8, len(data), HASH_BYTES)))


def inclusion_path(index: int, size: int, node: NodeSource) -> list[bytes]:
    """What proves that leaf ``index`` is in the tree of ``size`` leaves (RFC 9162 section 2.1.3.1), leaf's side first."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = _middle(start, end)
        if index < middle:
            path.append(_subtree_hash(middle, end, node))
            end = middle
        else:
            path.append(_subtree_hash(start, middle, node))
            start = middle
    path.reverse()
    return path


def consistency_path(old_size: int, new_size: int, node: NodeSource) -> list[bytes]:
    """What proves that the first ``old_size`` leaves of a tree of ``new_size`` are the older tree (section 2.1.4.1).

    Empty where the sizes are the same, and where the older tree is empty: anything begins with nothing.
    """
    if not 0 <= old_size <= new_size:
        raise ValueError(f"a tree of {old_size} leaves cannot be the beginning of one of {new_size}")
    if old_size == 0:
        return []
    path: list[bytes] = []
    start, end = 0, new_size
    while end != old_size:
        middle = _middle(start, end)
        if old_size <= middle:
            path.append(_subtree_hash(middle, end, node))
            end = middle
        else:
            path.append(_subtree_hash(start, middle, node))
            start = middle
    if start:
        path.append(_subtree_hash(start, end, node))
    path.reverse()
    return path


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf with hash ``leaf`` is at ``index`` in the tree (RFC 9162 section 2.1.3.2).

    Raises :class:`Refuted`, which says what does not fit.
    """
    claim = f"leaf {index} in the tree of {size} leaves"
    if not 0 <= index < size:
        raise Refuted(f"{claim}: there is no such leaf")
    _check_widths(claim, leaf, root, *path)
    at, last, computed = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise Refuted(f"{claim}: the path of {len(path)} hashes is longer than it can be")
        if at & 1 or at == last:
            computed = node_hash(sibling, computed)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise Refuted(f"{claim}: the path of {len(path)} hashes ends below the root")
    if computed != root:
        raise Refuted(f"{claim}: the path leads to the root {computed.hex()}, not to {root.hex()}")


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """Check that the older tree is the beginning of the newer one (RFC 9162 section 2.1.4.2).

    The RFC leaves out an older tree that is empty; here its root must be that of an empty tree and the path empty.
    Raises :class:`Refuted`, which says what does not fit.
    """
    claim = f"the tree of {old_size} leaves as the beginning of that of {new_size}"
    if not 0 <= old_size <= new_size:
        raise Refuted(f"{claim}: the older tree is not the smaller one")
    _check_widths(claim, old_root, new_root, *path)
    if old_size == new_size and old_root != new_root:
        raise Refuted(f"{claim}: the roots {old_root.hex()} and {new_root.hex()} differ")
    if old_size == 0 and old_root != EMPTY_ROOT:
        raise Refuted(f"{claim}: {old_root.hex()} is not the root of an empty tree")
    if old_size in (0, new_size):
        if path:
            raise Refuted(f"{claim}: the path has {len(path)} hashes where none are needed")
        return
    hashes = [old_root, *path] if old_size.bit_count() == 1 else list(path)
    if not path:
        raise Refuted(f"{claim}: the path is empty")
    at, last = old_size - 1, new_size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise Refuted(f"{claim}: the path of {len(path)} hashes is longer than it can be")
        if at & 1 or at == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise Refuted(f"{claim}: the path of {len(path)} hashes ends below the root")
    if old != old_root:
        raise Refuted(f"{claim}: the path leads to the older root {old.hex()}, not to {old_root.hex()}")
    if new != new_root:
        raise Refuted(f"{claim}: the path leads to the newer root {new.hex()}, not to {new_root.hex()}")


def _check_widths(claim: str, *hashes: bytes) -> None:
    if wrong := {len(item) for item in hashes} - {HASH_BYTES}:
        raise Refuted(f"{claim}: a hash has {min(wrong)} bytes, all must have {HASH_BYTES}")


def _middle(start: int, end: int) -> int:
    """Where the left half of the tree over these leaves ends: after the largest power of two below its size."""
    return start + (1 << (end - start - 1).bit_length() - 1)


def _complete(start: int, end: int) -> list[tuple[int, int]]:
    """(level, index) of the complete subtrees over these leaves, largest first; the first must begin at ``start``."""
    parts = []
    while start < end:
        level = (end - start).bit_length() - 1
        parts.append((level, start >> level))
        start += 1 << level
    return parts


def _subtree_hash(start: int, end: int, node: NodeSource) -> bytes:
    return _folded([node(level, index) for level, index in _complete(start, end)])


def _folded(hashes: Sequence[bytes]) -> bytes:
    """The hash over a row of complete subtrees, largest first."""
    *rest, root = hashes
    for left in reversed(rest):
        root = node_hash(left, root)
    return root
