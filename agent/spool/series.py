"""The series of an agent: which are stored, which the ledger was told of, and which it must be told of next.

Each row of the table is one definition: a series with the tenant it had from ``since`` on, and the epoch in which
the ledger was last told so. A series that changes hands has a row for each time; the one with the largest ``since``
holds. The arrays of ``definitions`` answer for the present epoch without touching the file.

Rows are noted as seen once a day. Those not seen for :data:`KEPT_DAYS` go, so that a cluster with ever new pods
does not fill the disk; a series that returns after that is simply defined again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from agent.spool.definitions import Definitions, Mask
from agent.spool.file import SpoolFile
from agent.tagged import TaggedSeries
from meterbook.wire.sections import SERIES

KEPT_DAYS = 35

#: SQLite takes at most 32,766 parameters in a statement.
_PARAMETERS_MAX = 10_000
_ROWS_AT_ONCE = 5_000
_TIMES = ("start", "since")


class StoredSeries:
    """The table ``series`` and its image in memory. Changes are made in the caller's transaction."""

    def __init__(self, file: SpoolFile) -> None:
        self._file = file
        self._definitions = Definitions()
        self.loaded_day = 0

    def load(self, epoch: int, day: int) -> None:
        """Reads what the ledger was told of in ``epoch``."""
        # The largest since of a series goes with its last tenant: bare columns follow max() in SQLite.
        known = self._file.rows(
            "SELECT series_id, tenant, seen_day, epoch, max(since) FROM series GROUP BY series_id HAVING epoch = ?",
            epoch,
        )
        self._definitions = Definitions(
            [row["series_id"] for row in known], [row["tenant"] for row in known], [row["seen_day"] for row in known]
        )
        self.loaded_day = day

    def forget(self, day: int) -> None:
        """Removes what was not seen for KEPT_DAYS before ``day``; load again afterwards."""
        self._file.write("DELETE FROM series WHERE seen_day < ?", day - KEPT_DAYS)

    def due(self, series: TaggedSeries) -> Mask:
        """Of which series the ledger must be told."""
        return self._definitions.due(series)

    def definitions(self, series: TaggedSeries, due: Mask, samples: pa.Table) -> pa.Table:
        """The definitions to send (schema SERIES), each with its true ``since``. Raises LookupError.

        A series keeps its first ``since`` over epochs; one that changed hands has its new tenant from its first
        sample under it.
        """
        table = series.defined(due)
        stored = {row["series_id"]: row for row in self._stored(table["series_id"].to_pylist())}
        if not stored:
            return table
        ids, first_rows = np.unique(samples["series_id"].to_numpy(), return_index=True)
        times = samples["time"].cast(pa.int64()).to_numpy()[first_rows]
        first_us = dict(zip(ids.tolist(), times.tolist(), strict=True))
        rows = _rows(table)
        for row in rows:
            before = stored.get(row["series_id"])
            if before is not None and before["tenant"] == row["tenant"]:
                row["since"] = before["since"]
            elif before is not None:
                row["since"] = max(first_us.get(row["series_id"], row["since"]), before["since"] + 1)
        return _table(rows)

    def store(self, due: pa.Table, epoch: int, day: int) -> None:
        """Keeps definitions that are sent in ``epoch``."""
        marks = _marks([*SERIES.names, "epoch", "seen_day"])
        for start in range(0, due.num_rows, _ROWS_AT_ONCE):
            # In parts: as Python objects, the series of a large source would double the memory of the agent.
            columns = [column.to_pylist() for column in _plain(due.slice(start, _ROWS_AT_ONCE)).columns]
            rows = [(*row, epoch, day) for row in zip(*columns, strict=True)]
            self._file.write_many(f"INSERT OR REPLACE INTO series VALUES ({marks})", rows)  # noqa: S608 - question marks

    def stale(self, series: TaggedSeries, day: int) -> Mask:
        """Which of the series are not yet noted as seen on ``day``."""
        return self._definitions.stale(series, day)

    def note(self, ids: list[int], day: int) -> None:
        """Writes down that these were seen on ``day``."""
        self._file.write_many("UPDATE series SET seen_day = ? WHERE series_id = ?", [(day, each) for each in ids])

    def learn(self, series: TaggedSeries, which: Mask, day: int) -> None:
        """Once the transaction is durable: these are defined, and were seen on ``day``."""
        self._definitions.learn(series, which, day)

    def move(self, ids: list[int], epoch: int) -> pa.Table:
        """All definitions of the series, in order of id and since; they count as sent in ``epoch`` from now on."""
        rows = self._stored(ids)
        for chunk in _chunks(ids):
            self._file.write(
                f"UPDATE series SET epoch = ? WHERE series_id IN ({_marks(chunk)})",  # noqa: S608 - question marks
                epoch,
                *chunk,
            )
        return _table(rows)

    def _stored(self, ids: list[int]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for chunk in _chunks(sorted(ids)):
            found += self._file.rows(
                f"SELECT * FROM series WHERE series_id IN ({_marks(chunk)}) ORDER BY series_id, since",  # noqa: S608 - question marks
                *chunk,
            )
        return found


def _rows(series: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _plain(series).to_pylist()
    return rows


def _plain(series: pa.Table) -> pa.Table:
    """The table with times as microseconds."""
    for name in _TIMES:
        series = series.set_column(series.schema.get_field_index(name), name, series[name].cast(pa.int64()))
    return series


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    columns = []
    for field in SERIES:
        values = [row[field.name] for row in rows]
        columns.append(
            pa.array(values, pa.int64()).cast(field.type) if field.name in _TIMES else pa.array(values, field.type)
        )
    return pa.table(columns, schema=SERIES)


def _chunks(ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), _PARAMETERS_MAX):
        yield ids[start : start + _PARAMETERS_MAX]


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
