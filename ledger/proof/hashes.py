"""The hashes of the tree, from the tables: leaves follow from the rows of ``records``, inner ones stand in ``tiles``.

A proof reads a few tiles of 256 hashes, each by its range of positions, which the files are sorted by. The tables are derived
and may be wrong, so nothing here is believed: who makes a proof checks that it leads to the log's root.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from ledger.journal.reader import Reader
from ledger.journal.record import Kind
from ledger.proof.errors import TablesDiffer
from meterbook.proof.leaf import leaf_data
from meterbook.proof.merkle import leaf_hash
from meterbook.proof.tiles import MissingHashes


class TableHashes:
    """A ``meterbook.proof.tiles.HashReader``; ``reader`` are the tables, or a snapshot of them.

    Remembers when the records were committed whose leaves it gave. Raises TablesUnavailable.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._times: dict[int, int] = {}

    def __call__(self, level: int, start: int, end: int) -> Sequence[bytes]:
        """Hashes ``start`` to ``end`` (exclusive) of a level."""
        with differing():
            return self._leaves(start, end) if level == 0 else self._tiles(level, start, end)

    def time_us(self, position: int) -> int:
        """When the record at a position was committed."""
        if position not in self._times:
            self(0, position - 1, position)
        if position not in self._times:
            raise TablesDiffer(f"the tables do not have position {position}; make them anew from the log")
        return self._times[position]

    def _leaves(self, start: int, end: int) -> list[bytes]:
        rows = self._reader.query(
            "SELECT kind, chain, sequence, hash, epoch_us(time) AS time_us, position FROM records"
            " WHERE position BETWEEN ? AND ? ORDER BY position",
            [start + 1, end],
        ).to_pylist()
        self._times.update((row["position"], row["time_us"]) for row in rows)
        return [_leaf(row) for row in rows]

    def _tiles(self, level: int, start: int, end: int) -> list[bytes]:
        found = self._reader.query(
            "SELECT hash FROM tiles WHERE level = ? AND position BETWEEN ? AND ? ORDER BY tile",
            [level, (start + 1) << level, end << level],
        )
        return [bytes.fromhex(each) for each in found["hash"].to_pylist()]


def leaves_at(reader: Reader, positions: Sequence[int]) -> dict[int, bytes]:
    """The hashes of the leaves at some positions. Raises TablesDiffer, TablesUnavailable."""
    with differing():
        rows = reader.query(
            "SELECT kind, chain, sequence, hash, epoch_us(time) AS time_us, position FROM records SEMI JOIN wanted USING (position)",
            given={"wanted": pa.table({"position": pa.array(positions, pa.int64())})},
        ).to_pylist()
        return {row["position"]: _leaf(row) for row in rows}


def _leaf(row: Mapping[str, Any]) -> bytes:
    kind, digest = Kind[row["kind"].upper()], bytes.fromhex(row["hash"])
    return leaf_hash(leaf_data(kind, row["time_us"], row["chain"], row["sequence"], digest))


@contextmanager
def differing() -> Iterator[None]:
    """Whatever does not fit in what was read becomes TablesDiffer."""
    try:
        yield
    except (MissingHashes, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TablesDiffer(
            f"the tables do not have the tree that the log has ({error}); see what 'meterbook verify' finds, and make "
            "them anew from the log"
        ) from error
