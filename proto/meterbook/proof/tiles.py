"""Where the hashes of a proof come from: tiles of 256 hashes, read whole, of which most proofs need fewer than ten.

Kept are the hash of every leaf and those of the complete subtrees of 2**8, 2**16, 2**24, ... leaves, each row in order
(C2SP tlog-tiles; ``Frontier.grown`` names what to keep). The seven levels between two rows are computed from a tile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .merkle import TILE_LEVELS, NodeSource, node_hash

#: ``hashes(level, start, end)``: the hashes of the complete subtrees ``start`` to ``end`` (exclusive), in order. Levels
#: are 0, 8, 16, ...; no answer is longer than 256.
HashReader = Callable[[int, int, int], Sequence[bytes]]

_WIDTH = 1 << TILE_LEVELS


class MissingHashes(LookupError):
    """The store has fewer hashes than a tree of that size has: it is behind, or damaged."""


class Tiles:
    """A ``NodeSource`` for the tree of ``size`` leaves. It reads each tile once: make one per proof, or per few.

    The size bounds what is read, so proofs can be made for a tree that is still growing.
    """

    def __init__(self, size: int, hashes: HashReader) -> None:
        self._size = size
        self._hashes = hashes
        self._tiles: dict[tuple[int, int], list[list[bytes]]] = {}

    def __call__(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree. Raises :class:`MissingHashes` where the reader does not have it."""
        if (index + 1) << level > self._size:
            raise ValueError(f"a tree of {self._size} leaves has no complete subtree {index} of 2**{level} leaves")
        height = level % TILE_LEVELS
        tile = index >> (TILE_LEVELS - height)
        return self._rows(level - height, tile)[height][index - (tile << (TILE_LEVELS - height))]

    def _rows(self, level: int, tile: int) -> list[list[bytes]]:
        """All complete rows within a tile, the lowest first."""
        if (level, tile) not in self._tiles:
            start, end = tile * _WIDTH, min((tile + 1) * _WIDTH, self._size >> level)
            row = list(self._hashes(level, start, end))
            if len(row) != end - start:
                raise MissingHashes(
                    f"hashes {start} to {end} of level {level}: the store has {len(row)} of {end - start}"
                )
            self._tiles[level, tile] = _folded_rows(row, TILE_LEVELS)
        return self._tiles[level, tile]


def nodes_of(leaf_hashes: Sequence[bytes]) -> NodeSource:
    """A ``NodeSource`` over leaves that are all in memory."""
    rows = _folded_rows(list(leaf_hashes), len(leaf_hashes).bit_length())
    return lambda level, index: rows[level][index]


def _folded_rows(row: list[bytes], count: int) -> list[list[bytes]]:
    """``row`` and those above it, ``count`` in all."""
    rows = [row]
    while len(rows) < count:
        below = rows[-1]
        rows.append([node_hash(left, right) for left, right in zip(below[::2], below[1::2], strict=False)])
    return rows
