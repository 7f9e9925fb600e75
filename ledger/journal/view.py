"""The book as it stood at one position: every question that the rest of the ledger asks of the tables.

A view never sees a row of a later position, so the same question to a view of the same position has the same answer
for ever. That is also why a view asks the tables only once for what many meters need to know: every query costs
milliseconds before it has read a row. Answers are Arrow tables with times in UTC microseconds; no meaning is added here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from ledger.journal.eventquestions import EventQuestions
from ledger.journal.intervals import joined
from ledger.journal.reader import Reader
from ledger.journal.record import Head
from ledger.journal.remembered import Remembered
from ledger.journal.screening import KnownSeries
from meterbook.wire.instants import EARLIEST_US, LATEST_US

#: Names that a statement holds at most.
_NAMED_MAX = 100
#: Positions of which all metering runs are remembered.
_RUNS_MAX = 4
#: What ``View.observation`` tells, of nothing.
_OBSERVED = pa.schema(
    [
        ("source", pa.utf8()),
        ("agent", pa.utf8()),
        ("first_us", pa.int64()),
        ("last_us", pa.int64()),
        ("last_interval_us", pa.int64()),
    ]
).empty_table()


@dataclass(frozen=True)
class View(EventQuestions):
    """The book at ``position``; ``time_us`` is when that position was committed (0 for an empty book)."""

    tables: Reader = field(compare=False, repr=False)
    position: int
    time_us: int
    #: What views of the same journal have found.
    remembered: Remembered = field(default_factory=Remembered, compare=False, repr=False)
    _answers: dict[tuple[object, ...], pa.Table] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def at(cls, tables: Reader, position: int, remembered: Remembered | None = None) -> View:
        """The view of a position. Raises LookupError where the tables do not hold it (yet)."""
        remembered = Remembered() if remembered is None else remembered
        if position == 0:
            return cls(tables, 0, 0, remembered)
        asked = "SELECT epoch_us(time) AS time_us FROM records WHERE position = ?"

        def committed() -> pa.Table:
            found = tables.query(asked, [position])
            if not found.num_rows:
                # Not remembered: what is not there may come.
                raise LookupError(f"position {position} is not in the tables")
            return found

        (row,) = remembered.answer((asked, position), committed).to_pylist()
        return cls(tables, position, row["time_us"], remembered)

    def then(self, position: int) -> View:
        """The same book at another position. Raises LookupError."""
        return View.at(self.tables, position, self.remembered)

    def defined_until(self, metric: str) -> int:
        """The position of the last definition of a series of a metric; 0 where there is none."""
        return (
            self._one(
                "SELECT max(position) AS value FROM series WHERE metric = ? AND position <= ?", [metric, self.position]
            )
            or 0
        )

    def series(self, metric: str) -> pa.Table:
        """Definitions of the series of a metric, by series and then by the time since which they hold."""
        return self._ask(
            "SELECT series_id, source, kind, labels, attributes, epoch_us(start) AS start_us, tenant,"
            " epoch_us(since) AS since_us, position FROM series WHERE metric = ? AND position <= ?"
            " ORDER BY series_id, since, position, tenant",
            [metric, self.position],
        )

    def known_series(self) -> KnownSeries:
        """What every series is, as far as samples are judged by it."""
        return KnownSeries.of(
            self._ask(
                "SELECT series_id, identity, kind FROM series WHERE position <= ? ORDER BY position", [self.position]
            )
        )

    def coverage(self, start_us: int, end_us: int) -> pa.Table:
        """Coverage records that meet [start, end): source, agent, start_us, end_us, status, reason; by source and time."""
        return self._ask(
            'SELECT source, agent, epoch_us(start) AS start_us, epoch_us("end") AS end_us, status, reason'
            " FROM coverage JOIN batches USING (position)"
            ' WHERE position <= $1 AND start < make_timestamp($3) AND "end" > make_timestamp($2)'
            ' ORDER BY source, start, "end", status, reason, agent',
            [self.position, start_us, end_us],
        )

    def complete(self, start_us: int, end_us: int) -> pa.Table:
        """The time wholly observed, as intervals that meet [start, end): source, start_us, end_us; by source and time."""
        sql = (
            'SELECT source, epoch_us(start) AS start_us, epoch_us("end") AS end_us FROM coverage'
            " WHERE status = 'complete' AND position <= $1 AND start < make_timestamp($3) AND \"end\" > make_timestamp($2)"
        )
        asked = [self.position, start_us, end_us]
        return self._found((sql, *asked), lambda: joined(self.tables.stream(sql, asked)))

    def observation(self) -> pa.Table:
        """Per source: agent, when it was first and last accounted for (first_us, last_us), and last_interval_us; by source."""
        return self.remembered.of("observation", self.position, self._observation)

    def _observation(self) -> pa.Table:
        since, known = self.remembered.upto("observation", self.position) or (0, _OBSERVED)
        # Only what came since is read: there are many accounts of few sources.
        return self.tables.query(
            'WITH fresh AS (SELECT source, agent, epoch_us(start) AS first_us, epoch_us("end") AS last_us,'
            '  epoch_us("end") - epoch_us(start) AS last_interval_us FROM coverage JOIN batches USING (position)'
            "  WHERE position > $1 AND position <= $2 UNION ALL SELECT * FROM known)"
            " SELECT source, arg_max(agent, (last_us, agent)) AS agent, min(first_us) AS first_us, max(last_us) AS last_us,"
            " max((last_us, last_interval_us))[2] AS last_interval_us FROM fresh GROUP BY source ORDER BY source",
            [since, self.position],
            {"known": known},
        )

    def hours_booked(self, meters: Collection[str], after: int) -> pa.Table:
        """The hours of which entries of the meters were booked beyond a position: hour_us, ascending."""
        return self.tables.query(
            "SELECT DISTINCT epoch_us(hour) // 3600000000 * 3600000000 AS hour_us FROM entries"
            " WHERE position > $1 AND position <= $2 AND list_contains($3, meter) ORDER BY hour_us",
            [after, self.position, list(meters)],
        )

    def fresh_coverage(self, after: int) -> pa.Table:
        """Per source with coverage of a position beyond ``after``: where the earliest that is complete begins
        (complete_us, null for none), the last end of a complete one before that one's (before_us), and watched_us.
        """
        return self._ask(
            "WITH fresh AS (SELECT source, min(start) FILTER (status = 'complete') AS complete_from,"
            "  min(\"end\") FILTER (status = 'complete') AS complete_to"
            "  FROM coverage WHERE position <= $1 AND position > $2 GROUP BY source)"
            " SELECT source, epoch_us(any_value(complete_from)) AS complete_us, epoch_us(min(start)) AS watched_us,"
            '  epoch_us(max("end") FILTER (status = \'complete\' AND "end" < complete_to)) AS before_us'
            " FROM coverage JOIN fresh USING (source) WHERE position <= $1 GROUP BY source ORDER BY source",
            [self.position, after],
        )

    def polls(self) -> pa.Table:
        """Ends of the intervals wholly observed: source, end_us; by source and time."""
        return self._ask(
            'SELECT DISTINCT source, epoch_us("end") AS end_us FROM coverage'
            " WHERE status = 'complete' AND position <= ? ORDER BY source, end_us",
            [self.position],
        )

    def polls_within(self, spans: Sequence[tuple[str, int, int]]) -> pa.Table:
        """The same of some sources, each from a time on and before another one (source, low_us, high_us)."""
        columns = list(zip(*spans, strict=True))
        wanted = pa.table({"source": columns[0], "low_us": columns[1], "high_us": columns[2]})
        return self.tables.query(
            'SELECT DISTINCT source, epoch_us("end") AS end_us FROM coverage JOIN wanted USING (source)'
            ' WHERE status = \'complete\' AND position <= $1 AND "end" >= make_timestamp($2) AND "end" < make_timestamp($3)'
            '  AND epoch_us("end") >= low_us AND epoch_us("end") < high_us ORDER BY source, end_us',
            [self.position, max(min(columns[1]), EARLIEST_US), min(max(columns[2]), LATEST_US)],
            {"wanted": wanted},
        )

    def definitions(self, after: int = 0) -> pa.Table:
        """Every version of every definition, of positions beyond ``after``, in the order in which they were written."""
        return self._ask(
            "SELECT * FROM definitions WHERE position <= ? AND position > ? ORDER BY position, kind, name, version",
            [self.position, after],
        )

    def versions_of(self, kind: str) -> pa.Table:
        """Every version of the definitions of a kind, in the order in which they were written."""
        return self._ask(
            "SELECT * FROM definitions WHERE kind = ? AND position <= ? ORDER BY position, name, version",
            [kind, self.position],
        )

    def runs(self, meter: str) -> pa.Table:
        """Metering runs of a meter, oldest first: version, start_us, end_us, at_position, position."""
        every = self.remembered.of("runs", self.position, self._runs, most=_RUNS_MAX)
        return every.filter(pc.equal(every["meter"], meter)).drop_columns("meter")

    def _runs(self) -> pa.Table:
        """Those of all meters: whoever asks for one asks for dozens, and for each of them again whenever the book has moved."""
        since, known = self.remembered.upto("runs", self.position) or (0, None)
        fresh = self.tables.query(
            'SELECT meter, version, epoch_us(start) AS start_us, epoch_us("end") AS end_us, at_position, position'
            " FROM runs WHERE position > ? AND position <= ? ORDER BY position",
            [since, self.position],
        )
        if known is None or not known.num_rows:
            return fresh
        return pa.concat_tables([known, fresh]).combine_chunks() if fresh.num_rows else known

    def first_booked(self, meter: str, start_us: int, end_us: int) -> int | None:
        """The first hour in [start, end) that a meter has entries for."""
        return self._one(
            "SELECT epoch_us(min(hour)) AS value FROM entries"
            " WHERE meter = ? AND position <= ? AND hour >= make_timestamp(?) AND hour < make_timestamp(?)",
            [meter, self.position, start_us, min(end_us, LATEST_US)],
        )

    def booked(
        self, meter: str, start_us: int, end_us: int, tenants: Collection[str] = (), *, together: bool = False
    ) -> pa.Table:
        """Sums of a meter's entries of the hours in [start, end), by tenant, dimensions and hour, or of all these hours ``together``.

        Empty ``tenants`` mean all. With ``together`` hour_us is ``start_us``.
        """
        return self.tables.query(
            "SELECT tenant, dimensions, CASE WHEN $6 THEN $3 ELSE epoch_us(hour) END AS hour_us, sum(quantity) AS quantity,"
            " sum(estimated) AS estimated, sum(observed_us)::BIGINT AS observed_us, sum(expected_us)::BIGINT AS expected_us"
            " FROM entries WHERE meter = $1 AND position <= $2 AND hour >= make_timestamp($3) AND hour < make_timestamp($4)"
            " AND (len($5::VARCHAR[]) = 0 OR list_contains($5::VARCHAR[], tenant)) GROUP BY ALL ORDER BY tenant, dimensions, hour_us",
            [meter, self.position, start_us, min(end_us, LATEST_US), sorted(tenants), together],
        )

    def booked_together(
        self, start_us: int, end_us: int, meters: Collection[str], tenants: Collection[str] = ()
    ) -> pa.Table:
        """Sums of the entries of the hours in [start, end), by meter, tenant and dimensions; empty ``tenants`` mean all.

        Columns besides: how many entries they are (``entries``), and their ``first`` and ``last`` position.
        """
        few = ", ".join("?" * len(tenants))
        # Names in the statement let whole groups of rows be passed over; of thousands that would take longer than reading all.
        wanted = f" AND tenant IN ({few})" if 0 < len(tenants) <= _NAMED_MAX else ""
        return self.tables.query(
            "SELECT meter, tenant, dimensions, sum(quantity) AS quantity, sum(estimated) AS estimated,"  # noqa: S608 - marks, not values
            " sum(observed_us)::BIGINT AS observed_us, sum(expected_us)::BIGINT AS expected_us,"
            " count(*) AS entries, min(position) AS first, max(position) AS last"
            " FROM entries WHERE position <= ? AND hour >= make_timestamp(?) AND hour < make_timestamp(?)"
            f" AND list_contains(?::VARCHAR[], meter){wanted} GROUP BY ALL",
            [self.position, start_us, min(end_us, LATEST_US), sorted(meters), *(sorted(tenants) if wanted else [])],
        )

    def chains(self) -> pa.Table:
        """Per agent and epoch: the last sequence and its hash, samples and events in all, and last_us."""
        return self.tables.query(
            "SELECT agent, epoch, max(sequence) AS sequence, arg_max(hash, sequence) AS hash,"
            " sum(samples)::BIGINT AS samples, sum(events)::BIGINT AS events, epoch_us(max(time)) AS last_us"
            " FROM batches WHERE position <= ? GROUP BY agent, epoch ORDER BY agent, epoch",
            [self.position],
        )

    def heads(self) -> dict[str, Head]:
        """The last record of every chain."""
        found = self.tables.query(
            "SELECT chain, max(sequence) AS sequence, arg_max(hash, sequence) AS hash,"
            " arg_max(position, sequence) AS position FROM records WHERE position <= ? GROUP BY chain",
            [self.position],
        )
        return {
            row["chain"]: Head(row["sequence"], bytes.fromhex(row["hash"]), row["position"])
            for row in found.to_pylist()
        }

    def acts(self, after: int = 0, kinds: Collection[str] = ()) -> pa.Table:
        """What operators did, of positions beyond ``after``: kind, name, document, author, position; oldest first.

        Empty ``kinds`` mean all.
        """
        return self.tables.query(
            "SELECT kind, name, document, author, position FROM acts WHERE position <= $1 AND position > $2"
            " AND (len($3::VARCHAR[]) = 0 OR list_contains($3::VARCHAR[], kind)) ORDER BY position",
            [self.position, after, sorted(kinds)],
        )

    def invoices(
        self,
        *,
        tenants: Collection[str] = (),
        subscriptions: Collection[str] = (),
        ids: Collection[str] = (),
        series: Collection[str] = (),
        corrects: Collection[str] = (),
        after: int = 0,
        documents: bool = True,
    ) -> pa.Table:
        """Finalized invoices and credit notes of positions beyond ``after``, oldest first: kind, series, number, id, tenant, subscription,
        start_us, end_us, at_position, currency, total, corrects, author, caller, finalized_us, document, position.

        Of each collection an empty one means all. Without ``documents`` that column is neither read nor there, which makes many cheap.
        """
        wanted = {"tenant": tenants, "subscription": subscriptions, "id": ids, "series": series, "corrects": corrects}
        chosen = {name: sorted(values) for name, values in wanted.items() if values}
        only = "".join(f" AND {_among(name, place, chosen[name])}" for place, name in enumerate(chosen, 3))
        return self.tables.query(
            "SELECT kind, series, number, id, tenant, subscription, epoch_us(start) AS start_us,"  # noqa: S608
            ' epoch_us("end") AS end_us, at_position, currency, total, corrects, author, caller,'
            f" epoch_us(finalized) AS finalized_us, {'document, ' * documents}position"
            f" FROM invoices WHERE position <= $1 AND position > $2{only} ORDER BY position",
            [self.position, after, *chosen.values()],
        )

    def newest_invoice(self) -> int:
        """The position of the last invoice or credit note that was finalized; 0 where there is none."""
        return self._one("SELECT max(position) AS value FROM invoices WHERE position <= ?", [self.position]) or 0

    def batch(self, agent: str, epoch: int, sequence: int) -> tuple[str, int] | None:
        """Hash, hexadecimal, and position of one accepted batch."""
        found = self.tables.query(
            "SELECT hash, position FROM batches WHERE agent = ? AND epoch = ? AND sequence = ? AND position <= ?",
            [agent, epoch, sequence, self.position],
        ).to_pylist()
        return (found[0]["hash"], found[0]["position"]) if found else None

    def dead_letters(self, limit: int) -> pa.Table:
        """The newest dead letters first, with the agent that sent them."""
        return self.tables.query(
            "SELECT position, agent, source, place, reason, document FROM dead_letters JOIN batches USING (position)"
            " WHERE position <= ? ORDER BY position DESC, source, place, reason, document LIMIT ?",
            [self.position, limit],
        )

    def tenants(self) -> list[str]:
        """Every tenant that a series or an event was ever given to, sorted."""
        found = self.tables.query(
            "SELECT tenant FROM series WHERE position <= $1 UNION SELECT tenant FROM events WHERE position <= $1"
            " UNION SELECT tenant FROM entries WHERE position <= $1"
            " UNION SELECT tenant FROM amendments WHERE position <= $1 ORDER BY tenant",
            [self.position],
        )
        return list(found["tenant"].to_pylist())

    def stray(self, table: str) -> int:
        """Rows that no record can have given: of a position that the log does not have, or not yet to the tables."""
        return (
            self._one(
                f"SELECT count(*) AS value FROM {table}"  # noqa: S608
                " WHERE position IS NULL OR position < 1 OR position > (SELECT max(watermark.position) FROM watermark)",
                [],
            )
            or 0
        )

    def count(self, table: str) -> int:
        """Rows of a table."""
        return self._one(f"SELECT count(*) AS value FROM {table} WHERE position <= ?", [self.position]) or 0  # noqa: S608

    def rows(self, table: str, first: int, last: int) -> pa.Table:
        """All rows of a table that came from the records of positions ``first`` to ``last``."""
        return self.tables.query(f"SELECT * FROM {table} WHERE position BETWEEN ? AND ?", [first, last])  # noqa: S608

    def beginning(self) -> int | None:
        """Time of the earliest sample, event or coverage in the book."""
        return self._one(
            "SELECT least((SELECT epoch_us(min(time)) FROM samples WHERE position <= $1),"
            " (SELECT epoch_us(min(time)) FROM events WHERE position <= $1),"
            " (SELECT epoch_us(min(time)) FROM amendments WHERE position <= $1),"
            " (SELECT epoch_us(min(start)) FROM coverage WHERE position <= $1)) AS value",
            [self.position],
        )

    def _ask(self, sql: str, parameters: Sequence[object]) -> pa.Table:
        """The answer of a statement, remembered; for what is small and asked for again."""
        return self._found((sql, *parameters), lambda: self.tables.query(sql, parameters))

    def _found(self, question: tuple[object, ...], answer: Callable[[], pa.Table]) -> pa.Table:
        """An answer that is remembered."""
        if question not in self._answers:
            # Two statements of the same parameters may mean different things at different positions.
            self._answers[question] = self.remembered.answer((self.position, *question), answer)
        return self._answers[question]

    def _one(self, sql: str, parameters: list[object]) -> int | None:
        (row,) = self._ask(sql, parameters).to_pylist()
        value = row["value"]
        return None if value is None else int(value)


def _among(name: str, place: int, values: Collection[str]) -> str:
    # A list is looked through for every row: of thousands of names a table is made.
    if len(values) > _NAMED_MAX:
        return f"{name} IN (SELECT unnest(${place}::VARCHAR[]))"
    return f"list_contains(${place}::VARCHAR[], {name})"
