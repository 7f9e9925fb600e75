"""What a view is asked about events: each (source, id) once, as it was accepted first or as an operator has amended it since.

The question itself is written in ``eventsums``. Here it is asked: of a position, with what the questions of one view share.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import pyarrow as pa

from ledger.journal import eventsums
from ledger.journal.reader import Reader
from ledger.journal.remembered import Remembered
from meterbook.wire.instants import HOUR_US

#: Most events of which a hash is looked up at once: they are held in memory.
LOOKED_UP_MAX = 4_000_000
#: Positions of which it is remembered what came several times: there may be millions of each.
_REPEATED_MAX = 4


class EventQuestions:
    """The part of a view that is about events."""

    tables: Reader
    position: int
    remembered: Remembered

    def events(
        self,
        event_type: str,
        names: Sequence[str],
        start_us: int,
        end_us: int,
        *,
        step_us: int = HOUR_US,
        by_value: bool = False,
    ) -> pa.Table:
        """What the events of a type in [start, end) add up to, by the step, with their properties ``names`` (see ``eventsums``)."""
        question, more = eventsums.sql(names, step_us, by_value=by_value, odd=self._oddities(start_us, end_us))
        return self._of_events(question, start_us, end_us, [event_type, *more])

    def event_points(self, event_type: str, names: Sequence[str], start_us: int, end_us: int) -> pa.Table:
        """The events of a type in [start, end), each once: origin, tenant, told (as of ``events``), time_us, value; by time."""
        question, more = eventsums.points(names, odd=self._oddities(start_us, end_us))
        return self._of_events(question, start_us, end_us, [event_type, *more])

    def event_examples(self, event_type: str, names: Sequence[str], start_us: int, end_us: int) -> pa.Table:
        """What the events of a type in [start, end) say, how many say it, and which is the earliest (see ``eventsums``); by time."""
        question, more = eventsums.examples(names, odd=self._oddities(start_us, end_us))
        return self._of_events(question, start_us, end_us, [event_type, *more])

    def event_registers(
        self, event_type: str, names: Sequence[str], of: str, start_us: int, end_us: int, *, step_us: int = HOUR_US
    ) -> pa.Table:
        """Registers that the values of a property met in the events of a type in [start, end), by the step (see ``eventsums``)."""
        question, more = eventsums.registers(names, of, step_us, odd=self._oddities(start_us, end_us))
        return self._of_events(question, start_us, end_us, [event_type, *more])

    def event_steps(self, event_type: str, start_us: int, end_us: int, *, step_us: int = HOUR_US) -> pa.Table:
        """The steps in which there are events of a type in [start, end): step_us."""
        question = eventsums.steps(step_us, odd=self._oddities(start_us, end_us))
        return self._of_events(question, start_us, end_us, [event_type])

    def events_different(
        self,
        event_type: str,
        names: Sequence[str],
        of: str,
        span: tuple[int, int],
        windows: pa.Table,
        *,
        step_us: int = HOUR_US,
    ) -> pa.Table:
        """Who told of a property in the events of a type in a span, and how many different values (see ``eventsums``)."""
        question, more = eventsums.different(names, of, step_us, odd=self._oddities(*span))
        return self._of_events(question, *span, [event_type, *more], windows=windows)

    def events_united(
        self,
        event_type: str,
        names: Sequence[str],
        of: str,
        span: tuple[int, int],
        *,
        step_us: int = HOUR_US,
        **given: pa.Table,
    ) -> pa.Table:
        """How many different values a property has in the events of a type in a span, by keys and windows that are ``given`` (see ``eventsums``)."""
        question, more = eventsums.united(names, of, step_us, odd=self._oddities(*span))
        return self._of_events(question, *span, [event_type, *more], **given)

    def event_batches(
        self, event_type: str, names: Sequence[str], mine: pa.Table, start_us: int, end_us: int
    ) -> pa.Table:
        """In which records events of a type in [start, end) came first: position, rows; of those only that agree with a row of
        ``mine``: origin, tenant, and told as ``events`` gives it for these names.
        """
        question, more = eventsums.batches(names, odd=self._oddities(start_us, end_us))
        return self._of_events(question, start_us, end_us, [event_type, *more], mine=mine)

    def first_event(self, event_type: str, tenant: str, start_us: int, end_us: int) -> int | None:
        """Time of the earliest event of a type and a tenant (empty for any) in [start, end)."""
        question = eventsums.first(odd=self._oddities(start_us, end_us))
        (row,) = self._of_events(question, start_us, end_us, [event_type, tenant]).to_pylist()
        return None if row["value"] is None else int(row["value"])

    def _of_events(self, question: str, start_us: int, end_us: int, more: Sequence[str], **given: pa.Table) -> pa.Table:
        span = [self.position, start_us, end_us]
        many = self._repeated(start_us, end_us)
        amended = {"amended": self.amended()} if self.is_amended else {}
        return self.tables.query(question, [*span, *more], {"many": many, **amended, **given})

    def _oddities(self, start_us: int, end_us: int) -> eventsums.Oddities:
        return eventsums.Oddities(bool(self._repeated(start_us, end_us).num_rows), self.is_amended)

    def _repeated(self, start_us: int, end_us: int) -> pa.Table:
        """Hashes that several events have (see ``eventsums``): those at least of events in [start, end)."""
        if self.remembered.upto("repeated", self.position) is None:
            near = "SELECT count(*) AS value FROM events WHERE position <= ? AND time >= make_timestamp(?) AND time < make_timestamp(?)"
            span: list[object] = [self.position, start_us, end_us]
            if (self._one(near, span) or 0) <= LOOKED_UP_MAX:
                return self._ask(eventsums.REPEATED, span)
        return self.remembered.of("repeated", self.position, self._repeated_ever, most=_REPEATED_MAX)

    def _repeated_ever(self) -> pa.Table:
        known = self.remembered.upto("repeated", self.position)
        if known is None:
            return self.tables.query(eventsums.REPEATED_EVER, [self.position])
        since, before = known
        fresh = "SELECT count(*) AS value FROM events WHERE position > ? AND position <= ?"
        if (self._one(fresh, [since, self.position]) or 0) > LOOKED_UP_MAX:
            return self.tables.query(eventsums.REPEATED_EVER, [self.position])
        return self.tables.query(eventsums.REPEATED_SINCE, [self.position, since], {"before": before})

    def amended(self) -> pa.Table:
        """The newest amendment of every event that has one."""
        return self._ask(
            "SELECT * FROM amendments WHERE position <= ?"
            " QUALIFY row_number() OVER (PARTITION BY source, id ORDER BY position DESC) = 1",
            [self.position],
        )

    @property
    def is_amended(self) -> bool:
        """Whether any event was ever amended."""
        return bool(self.amended().num_rows)

    def fresh_amendments(self, event_type: str, after: int) -> pa.Table:
        """Amendments of a position beyond ``after``, oldest first: source, id, first_us, which is the earlier time of before and after."""
        return self._ask(
            "SELECT source, id, epoch_us(least(time, time_before)) AS first_us FROM amendments"
            " WHERE type = ? AND position <= ? AND position > ? ORDER BY position",
            [event_type, self.position, after],
        )

    def first_fresh_event(self, event_type: str, after: int) -> int | None:
        """Time of the earliest event of a type with a position beyond ``after``."""
        return self._one(
            "SELECT min(epoch_us(time)) AS value FROM events WHERE type = ? AND position <= ? AND position > ?",
            [event_type, self.position, after],
        )

    @abstractmethod
    def _ask(self, sql: str, parameters: Sequence[object]) -> pa.Table:
        """The answer of a statement, remembered."""

    @abstractmethod
    def _one(self, sql: str, parameters: list[object]) -> int | None:
        """The same, where the answer is one number."""
