"""Lines of NDJSON as events: CloudEvents 1.0 in JSON format, one a line.

::

    {"specversion": "1.0", "id": "a1", "source": "/gateway", "type": "api.request", "subject": "acme",
     "time": "2026-01-31T09:30:00Z", "data": {"value": 12.5, "region": "eu"}, "tier": "gold"}

becomes the event (source, id, type, subject, time, value 12.5, properties {"region": "eu", "tier": "gold"}).

What is billed is never guessed and never rounded. A number is read as the decimal that was written, not through a
float; one that the book cannot hold exactly is refused. An event without a value counts one; an event with a value
that is none is refused. What is refused becomes a dead letter, which names the field, the value and the place, and
the other lines go on as if nothing had happened.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pyarrow as pa

from collector.readings import DeadLetter
from meterbook.wire.instants import SECOND_US, parse
from meterbook.wire.sections import EVENTS
from meterbook.wire.series import canonical_json

#: Most characters of a line that a dead letter keeps.
DOCUMENT_LENGTH_MAX = 4096

#: What DECIMAL(38,9) holds: 29 digits before the point, 9 after.
_INTEGER_DIGITS_MAX = 29
_FRACTION_DIGITS_MAX = 9
#: Years 1 to 9999 in UTC, since an offset can carry a time out of them.
_TIME_MIN_US = -62_135_596_800 * SECOND_US
_TIME_MAX_US = 253_402_300_800 * SECOND_US - 1

#: A number as a text may have it.
NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,6})?")
#: Attributes that CloudEvents itself defines; any other one is an extension.
DEFINED = frozenset(
    {"specversion", "id", "source", "type", "subject", "time", "data", "data_base64", "datacontenttype", "dataschema"}
)


class BadEvent(ValueError):
    """A line that is no event. The message is one sentence that names the field and the value."""


@dataclass(frozen=True)
class Event:
    """One event. ``properties`` is canonical JSON, text to text."""

    source: str
    id: str
    type: str
    subject: str
    time_us: int
    value: Decimal
    properties: str


@dataclass
class EventLog:
    """Collects what lines say: events for the table, and dead letters for what is none."""

    source: str
    parse: Callable[[bytes], Event]
    events: list[Event] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)

    def add(self, line: bytes, place: str) -> None:
        """Read one line; white space alone is skipped. ``place`` finds it again: ``/var/log/usage.log:1024``."""
        if not line.strip():
            return
        try:
            self.events.append(self.parse(line))
        except BadEvent as error:
            self.refuse(line, place, str(error))

    def refuse(self, line: bytes, place: str, reason: str) -> None:
        """Keep a line as a dead letter."""
        # Four bytes are the most that a character takes, so this cuts characters and not the work.
        document = line[: DOCUMENT_LENGTH_MAX * 4].decode("utf-8", "replace")[:DOCUMENT_LENGTH_MAX]
        self.letters.append(DeadLetter(self.source, place, reason, document))

    def table(self) -> pa.Table:
        """The events in the order of their lines, with the schema ``EVENTS``: read from ``source``, tenant empty."""
        events = self.events
        times = pa.array([event.time_us for event in events], pa.int64()).cast(EVENTS.field("time").type)
        return pa.table(
            [
                [self.source] * len(events),
                [event.source for event in events],
                [event.id for event in events],
                [event.type for event in events],
                [event.subject for event in events],
                [""] * len(events),
                times,
                pa.array([event.value for event in events], EVENTS.field("value").type),
                [event.properties for event in events],
            ],
            schema=EVENTS,
        )


def parse_event(line: bytes, value_field: str = "value") -> Event:
    """The event on a line. Raises BadEvent."""
    document = document_on(line)
    version = document.get("specversion", "1.0")
    if version != "1.0":
        raise BadEvent(f"specversion {shown(version)} is not 1.0")
    if "data_base64" in document:
        raise BadEvent("data_base64 is binary: its value cannot be read, send data as an object")
    data = document.get("data")
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise BadEvent(f"data {shown(data)} is not an object")
    return encodable(
        Event(
            source=_text(document, "source"),
            id=_text(document, "id"),
            type=_text(document, "type"),
            subject=_text(document, "subject") if document.get("subject") is not None else "",
            time_us=_time_us(_text(document, "time")),
            value=exact(data[value_field], value_field) if value_field in data else Decimal(1),
            properties=canonical_json(dict(_properties(document, data, value_field))),
        )
    )


def encodable(event: Event) -> Event:
    """The event, if all its texts can be UTF-8. Raises BadEvent."""
    try:
        "".join((event.source, event.id, event.type, event.subject, event.properties)).encode()
    except UnicodeEncodeError as error:
        raise BadEvent(f"half a surrogate pair stands in the text: {shown(error.object[error.start])}") from None
    return event


def exact(raw: object, name: str) -> Decimal:
    """A JSON number or a text of one as the decimal it is. Raises BadEvent where the book cannot hold it exactly."""
    if isinstance(raw, str) and NUMBER.fullmatch(raw):
        raw = Decimal(raw)
    if not isinstance(raw, Decimal):
        raise BadEvent(f"{name} {shown(raw)} is not a number")
    if not raw:
        return Decimal(0)
    sign, digits, exponent = raw.as_tuple()
    assert isinstance(exponent, int)
    if raw.adjusted() >= _INTEGER_DIGITS_MAX:
        raise BadEvent(f"{name} {shown(raw)} has more than {_INTEGER_DIGITS_MAX} digits before the point")
    kept = len(digits)
    while exponent < -_FRACTION_DIGITS_MAX and kept and digits[kept - 1] == 0:
        kept, exponent = kept - 1, exponent + 1
    if exponent < -_FRACTION_DIGITS_MAX:
        raise BadEvent(f"{name} {shown(raw)} has more than {_FRACTION_DIGITS_MAX} digits after the point")
    number = Decimal((sign, digits[:kept], exponent))
    return number if exponent <= 0 else Decimal(int(number))


def document_on(line: bytes) -> dict[str, Any]:
    """The JSON object on a line, with every number as the decimal that was written. Raises BadEvent."""
    try:
        document = json.loads(
            line.decode("utf-8-sig"), parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse_constant
        )
    except BadEvent:
        raise
    except UnicodeDecodeError as error:
        raise BadEvent(f"the line is not UTF-8 at its byte {error.start}") from None
    except (ValueError, ArithmeticError, RecursionError) as error:
        # ArithmeticError: an exponent beyond what decimals can have. RecursionError: brackets without end.
        raise BadEvent(
            f"the line is not JSON that can be read ({shortened(str(error) or type(error).__name__)})"
        ) from None
    if not isinstance(document, dict):
        raise BadEvent(f"the line is {shown(document)}, not a JSON object")
    return document


def _refuse_constant(constant: str) -> object:
    raise BadEvent(f"{constant} is no JSON number")


def _text(document: Mapping[str, Any], name: str) -> str:
    if name not in document:
        raise BadEvent(f"{name} is missing")
    text = document[name]
    if not isinstance(text, str) or not text:
        raise BadEvent(f"{name} {shown(text)} is not a text with characters in it")
    return text


def _time_us(text: str) -> int:
    try:
        instant_us = parse(text)
    except (ValueError, OverflowError) as error:
        raise BadEvent(f"time {shortened(str(error))}") from None
    if not _TIME_MIN_US <= instant_us <= _TIME_MAX_US:
        raise BadEvent(f"time {shown(text)} is outside the years 1 to 9999 in UTC")
    return instant_us


def _properties(document: Mapping[str, Any], data: Mapping[str, Any], value_field: str) -> Iterator[tuple[str, str]]:
    """Members of data but the value, then extensions; an extension whose name data has, too, gets ``ce_`` before it."""
    for name, member in data.items():
        if name != value_field and member is not None:
            yield name, member if isinstance(member, str) else json_text(member)
    for name, member in document.items():
        if name not in DEFINED and member is not None:
            yield f"ce_{name}" if name in data else name, member if isinstance(member, str) else json_text(member)


def json_text(member: object) -> str:
    """Canonical JSON in which numbers are as they were written, which ``json`` cannot do for decimals."""
    match member:
        case dict():
            pairs = (f"{json.dumps(name, ensure_ascii=False)}:{json_text(member[name])}" for name in sorted(member))
            return "{" + ",".join(pairs) + "}"
        case list():
            return "[" + ",".join(map(json_text, member)) + "]"
        case Decimal():
            return str(member)
        case _:
            return json.dumps(member, ensure_ascii=False)


def shown(raw: object) -> str:
    """A value as JSON for a sentence, cut."""
    if isinstance(raw, Decimal) and len(raw.as_tuple().digits) > 100:
        return "of many digits"
    return shortened(
        json_text(raw) if not isinstance(raw, dict | list) else "an object" if isinstance(raw, dict) else "a list"
    )


def shortened(text: str) -> str:
    """A text for a sentence, cut, in which half a surrogate pair is shown as its number."""
    safe = text.encode("utf-8", "backslashreplace").decode()
    return safe if len(safe) <= 100 else safe[:100] + "..."
