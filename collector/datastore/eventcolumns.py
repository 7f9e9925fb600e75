"""Whole blocks of CloudEvents lines as columns, where ``cloudevents`` reads one line at a time.

What comes out is what :func:`collector.datastore.cloudevents.parse_event` says of each line, to the last character; a line of which that
is not certain is left to it. So only the plain forms are read here: texts without escapes, times in UTC with whole seconds or up to
six digits behind them, numbers without an exponent. All that a program usually writes is of that kind.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.datastore.cloudevents import DEFINED, Event, parse_event
from collector.datastore.layouts import Group, Hole, Layouts, Places
from meterbook.wire.sections import EVENTS

_TIME = r"^(000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z$"
#: The longest such time with a zero for every digit, and how long one can be.
_TIME_FORM, _TIME_LENGTHS, _ZERO = b"0000-00-00T00:00:00.000000Z", (20, *range(22, 28)), b"0"[0]
#: What DECIMAL(38,9) holds.
_VALUE = r"^-?(0|[1-9][0-9]{0,28})(\.[0-9]{1,9})?$"
#: Decimals that are written as they were read: with more digits behind the point they could get an exponent.
_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]{1,6})?$"

_Rows = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class EventColumns:
    """Events (schema EVENTS) of the lines at ``rows``, ascending; those at ``left`` are to be read one by one."""

    events: pa.Table
    rows: Places
    left: Places


class EventReader:
    """Reads the blocks of one source."""

    def __init__(self, source: str, value_field: str) -> None:
        self.source, self.value_field = source, value_field
        self._layouts = Layouts()

    def parse(self, record: bytes) -> Event:
        """The event on one line. Raises BadEvent."""
        return parse_event(record, self.value_field)

    def read(self, block: bytes, starts: Places, ends: Places) -> EventColumns:
        """The lines of a block as events; ``starts`` and ``ends`` are theirs in it, ascending."""
        groups, left = self._layouts.split(block, starts, ends)
        tables, rows = [EVENTS.empty_table()], [np.empty(0, np.int64)]
        odd = [left]
        for group in groups:
            events, sure = self._events(group)
            tables.append(events)
            rows.append(group.rows[sure])
            odd.append(group.rows[~sure])
        found = np.concatenate(rows)
        table = pa.concat_tables(tables)
        if len(groups) > 1:
            order = np.argsort(found)
            found, table = found[order], table.take(pa.array(order))
        return EventColumns(table, found, np.sort(np.concatenate(odd)))

    def _events(self, group: Group) -> tuple[pa.Table, _Rows]:
        """The events of lines of one layout, and which of the lines they are."""
        plain = _plain(group.layout.document, self.value_field)
        if plain is None:
            return EVENTS.empty_table(), np.zeros(len(group.rows), bool)
        sure = np.ones(len(group.rows), bool)
        for hole in plain.required:
            sure &= _as_rows(pc.greater(pc.binary_length(group.columns[hole.number]), 0))
        if plain.version is not None:
            sure &= _as_rows(pc.equal(group.columns[plain.version.number], "1.0"))
        sure &= _are_times(group.columns[plain.time.number])
        for holes, pattern in ((plain.value, _VALUE), (plain.numbers, _NUMBER)):
            for hole in holes:
                sure &= _as_rows(pc.match_substring_regex(group.columns[hole.number], pattern))
        columns = list(group.columns)
        if not sure.all():
            columns = [column.filter(pa.array(sure)) for column in columns]
        try:
            times = columns[plain.time.number].cast(EVENTS.field("time").type)
            value = columns[plain.value[0].number] if plain.value else pa.array(np.ones(len(times), np.int64))
            values = value.cast(EVENTS.field("value").type)
        except pa.ArrowInvalid:
            # A day that does not exist: who reads line by line will say which.
            return EVENTS.empty_table(), np.zeros(len(group.rows), bool)
        count = len(times)

        def text(hole: Hole | None) -> pa.Array:
            return _repeated("", count) if hole is None else columns[hole.number]

        source, id_, type_ = (columns[hole.number] for hole in plain.named)
        events = pa.table(
            [
                _repeated(self.source, count),
                source,
                id_,
                type_,
                text(plain.subject),
                _repeated("", count),
                times,
                values,
                plain.properties(columns, count),
            ],
            schema=EVENTS,
        )
        return events, sure


@dataclass(frozen=True)
class _Plain:
    """Where the parts of an event are in a layout; ``members`` are its properties, holes or constant texts."""

    named: tuple[Hole, Hole, Hole]
    time: Hole
    subject: Hole | None
    version: Hole | None
    value: list[Hole]
    members: Mapping[str, Hole | str]

    @property
    def required(self) -> list[Hole]:
        """Texts that must not be empty."""
        return [*self.named, *([self.subject] if self.subject is not None else [])]

    @property
    def numbers(self) -> list[Hole]:
        """Properties that are numbers."""
        return [member for member in self.members.values() if isinstance(member, Hole) and not member.is_text]

    def properties(self, columns: list[pa.Array], count: int) -> pa.Array:
        """Canonical JSON of the properties. Texts without escapes are in it as they were written."""
        pieces: list[pa.Array | str] = []
        said = "{"
        for name in sorted(self.members):
            member = self.members[name]
            said += f"{json.dumps(name, ensure_ascii=False)}:"
            if isinstance(member, Hole):
                pieces += [said + '"', columns[member.number]]
                said = '",'
            else:
                said += json.dumps(member, ensure_ascii=False) + ","
        rest = (said.removesuffix(",") if self.members else said) + "}"
        return pc.binary_join_element_wise(*pieces, rest, "") if pieces else _repeated(rest, count)


def _plain(document: Any, value_field: str) -> _Plain | None:
    """How lines of a layout are read; None where one by one."""
    if not isinstance(document, dict) or "data_base64" in document:
        return None
    data = document.get("data")
    data = {} if data is None else data
    named: tuple[Any, ...] = tuple(
        document.get(name) for name in ("source", "id", "type", "time", "subject", "specversion")
    )
    if not isinstance(data, dict) or not all(isinstance(each, Hole) and each.is_text for each in named[:4]):
        return None
    if not all(each is None or (isinstance(each, Hole) and each.is_text) for each in named[4:]):
        return None
    if "specversion" in document and named[5] is None:
        return None
    value = data.get(value_field)
    if value_field in data and not isinstance(value, Hole):
        return None
    members = dict(_members(document, data, value_field))
    if any(not isinstance(member, Hole | str) for member in members.values()):
        return None
    source, id_, type_, time, subject, version = named
    plain = _Plain((source, id_, type_), time, subject, version, [value] if value is not None else [], members)
    # What nobody looks at may be no number at all.
    looked_at = {id(hole) for hole in (*plain.value, *plain.numbers)}
    return plain if all(id(hole) in looked_at for hole in _numbers(document)) else None


def _numbers(document: Any) -> Iterator[Hole]:
    match document:
        case Hole(is_text=False):
            yield document
        case dict():
            for member in document.values():
                yield from _numbers(member)
        case list():
            for member in document:
                yield from _numbers(member)


def _members(document: Mapping[str, Any], data: Mapping[str, Any], value_field: str) -> Iterator[tuple[str, Any]]:
    """As ``cloudevents`` names properties; literals as texts."""
    for name, member in data.items():
        if name != value_field and member is not None:
            yield name, json.dumps(member) if isinstance(member, bool) else member
    for name, member in document.items():
        if name not in DEFINED and member is not None:
            yield f"ce_{name}" if name in data else name, json.dumps(member) if isinstance(member, bool) else member


def _are_times(column: pa.Array) -> _Rows:
    """Which texts are times of the plain form."""
    offsets = np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + len(column) + 1]
    length = int(offsets[1] - offsets[0])
    if length in _TIME_LENGTHS and np.all(np.diff(offsets) == length):
        # As they nearly always are: of one length, and in a year of four digits.
        texts = np.frombuffer(column.buffers()[2], np.uint8)[offsets[0] : offsets[-1]].reshape(-1, length)
        form = np.frombuffer(_TIME_FORM[: length - 1] + b"Z", np.uint8)
        above = texts - form
        if np.all(above <= np.where(form == _ZERO, 9, 0).astype(np.uint8)) and above[:, 0].min() > 0:
            return np.ones(len(column), bool)
    return _as_rows(pc.match_substring_regex(column, _TIME))


def _repeated(text: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.utf8()), count)


def _as_rows(array: pa.Array) -> _Rows:
    rows: _Rows = array.to_numpy(zero_copy_only=False)
    return rows
