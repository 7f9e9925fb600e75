"""Events sent row by row, as the sections of a batch.

For senders without Arrow, spool and chain: the ledger checks each field, and keeps a chain in the sender's name so that
these events are as provable as any other. What the journal would set aside as a dead letter is refused here, where there
is somebody who can be told.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal, InvalidOperation

import pyarrow as pa

from ledger.intake.refusals import Refused
from ledger.journal.screening import FUTURE_US_MAX
from meterbook.intake.v1 import intake_pb2
from meterbook.wire import instants
from meterbook.wire.sections import DOCUMENT_BYTES_MAX, EVENTS, TEXT_BYTES_MAX, VALUE_LIMIT, Sections, sections
from meterbook.wire.series import UNASSIGNED, canonical_json

#: The chain of a sender is kept under this name, which no agent can have, and epoch.
CHAIN_PREFIX, CHAIN_EPOCH = "record/", 1

_SENDER = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}\Z")
_PLACES = 9
_NANO = Decimal(1).scaleb(-_PLACES)
#: Whatever can be metered is written exactly in it, in the form that Arrow reads.
_EXACT = Context(prec=38)
#: What an error shows of somebody else's text. No time and no sensible number is longer.
_SHOWN_CHARS_MAX = 80


def recorded(request: intake_pb2.RecordRequest, rows_max: int) -> Sections:
    """The request's events as sections. Raises Refused naming the event, the field and the value."""
    if not _SENDER.match(request.sender):
        raise _refused(f"sender {request.sender[:80]!r} is not a name of lower-case letters, digits, dots and hyphens")
    if not request.events:
        raise _refused("events is empty: there is nothing to record")
    if len(request.events) > rows_max:
        message = f"{len(request.events)} events are more than rows_max {rows_max}"
        raise Refused(intake_pb2.REFUSAL_CODE_TOO_LARGE, message, "rows_max")
    origin = CHAIN_PREFIX + request.sender
    rows = [_row(event, origin, f"events[{place}]") for place, event in enumerate(request.events)]
    return sections(events=pa.Table.from_pylist(rows, schema=EVENTS))


def _row(event: intake_pb2.Event, origin: str, place: str) -> dict[str, object]:
    for name in ("source", "id", "type"):
        if not getattr(event, name):
            raise _refused(f"{place}.{name} is empty")
    for name in ("source", "id", "type", "subject", "tenant"):
        _check_length(getattr(event, name), TEXT_BYTES_MAX, f"{place}.{name}")
    properties = canonical_json(dict(event.properties))
    _check_length(properties, DOCUMENT_BYTES_MAX, f"{place}.properties as JSON")
    try:
        time_us = instants.parse(event.time[:_SHOWN_CHARS_MAX])
        time = instants.to_datetime(time_us)
    except (ValueError, OverflowError) as error:
        raise _refused(f"{place}.time: {error}") from None
    if time_us < 0:
        raise _refused(f"{place}.time {event.time!r} is before 1970")
    if time_us > instants.now_us() + FUTURE_US_MAX:
        raise _refused(f"{place}.time {event.time!r} is over an hour ahead of the ledger's clock")
    return {
        "origin": origin,
        "source": event.source,
        "id": event.id,
        "type": event.type,
        "subject": event.subject,
        "tenant": event.tenant or UNASSIGNED,
        "time": time,
        "value": _value(event.value or "1", place),
        "properties": properties,
    }


def _value(text: str, place: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise _refused(f"{place}.value {text[:80]!r} is not a decimal number") from None
    if not value.is_finite():
        raise _refused(f"{place}.value {text[:80]!r} is not a finite number")
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    if exponent < -_PLACES:
        raise _refused(f"{place}.value {text[:80]!r} has more than {_PLACES} digits after the point")
    # Neither abs() nor Arrow takes every exponent that a decimal can have.
    if value.copy_abs() >= VALUE_LIMIT:
        raise _refused(f"{place}.value {text[:80]!r} cannot be metered: it is 2^62 or more")
    return value.quantize(_NANO, context=_EXACT)


def _check_length(text: str, bytes_max: int, place: str) -> None:
    size = len(text.encode())
    if size > bytes_max:
        raise _refused(f"{place} has {size} bytes, more than {bytes_max}")


def _refused(message: str) -> Refused:
    return Refused(intake_pb2.REFUSAL_CODE_MALFORMED, message)
