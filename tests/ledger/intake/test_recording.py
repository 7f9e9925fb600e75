"""Events sent row by row become a section, or a refusal that names the event, the field and the value."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.intake.recording import recorded
from ledger.intake.refusals import Refused
from ledger.journal.derive import TABLES
from ledger.journal.screening import KnownSeries, screen
from meterbook.intake.v1 import intake_pb2
from meterbook.wire import instants
from meterbook.wire.sections import EVENTS
from tests.ledger.batches import DAY

ROWS_MAX = 100
GOOD = {"source": "till", "id": "1", "type": "sale", "time": "2026-01-31T10:30:00+01:00"}


def request(*changes: dict[str, Any], sender: str = "till-7") -> intake_pb2.RecordRequest:
    return intake_pb2.RecordRequest(sender=sender, events=[intake_pb2.Event(**GOOD | change) for change in changes])


def refusal(what: intake_pb2.RecordRequest) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        recorded(what, ROWS_MAX)
    return caught.value.code, caught.value.message


def test_an_event_with_nothing_but_what_it_needs() -> None:
    found = recorded(request({}), ROWS_MAX)
    assert found.rows == 1
    assert found.events.schema.equals(EVENTS)
    (row,) = found.events.to_pylist()
    assert row == {
        "origin": "record/till-7",
        "source": "till",
        "id": "1",
        "type": "sale",
        "subject": "",
        "tenant": "@unassigned",
        "time": instants.to_datetime(DAY),
        "value": Decimal(1),
        "properties": "{}",
    }


def test_an_event_with_everything() -> None:
    change = {"subject": "cart", "tenant": "acme", "value": "-12.5", "properties": {"b": "ü", "a": '"'}}
    (row,) = recorded(request(change), ROWS_MAX).events.to_pylist()
    assert (row["subject"], row["tenant"], row["value"]) == ("cart", "acme", Decimal("-12.5"))
    assert row["properties"] == '{"a":"\\"","b":"ü"}'


@pytest.mark.parametrize(
    "text", ["0", "-0", "0E+999999999", "1E+3", "1e-9", "0.000000001", "4611686018427387903.999999999"]
)
def test_values_that_can_be_metered(text: str) -> None:
    assert recorded(request({"value": text}), ROWS_MAX).events["value"].to_pylist() == [Decimal(text)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": ""}, "events[1].source is empty"),
        ({"id": ""}, "events[1].id is empty"),
        ({"type": ""}, "events[1].type is empty"),
        ({"time": ""}, "events[1].time: '' is not an RFC 3339 time"),
        ({"time": "yesterday"}, "events[1].time: 'yesterday' is not an RFC 3339 time"),
        ({"time": "2026-01-31T10:30:00"}, "events[1].time: '2026-01-31T10:30:00' has no offset"),
        ({"time": "2026-02-30T10:30:00Z"}, "events[1].time: '2026-02-30T10:30:00Z' is not a time"),
        ({"time": "0001-01-01T00:00:00+01:00"}, "events[1].time: '0001-01-01T00:00:00+01:00' is outside"),
        ({"time": "9999-12-31T23:59:59Z"}, "events[1].time '9999-12-31T23:59:59Z' is over an hour ahead"),
        ({"value": "many"}, "events[1].value 'many' is not a decimal number"),
        ({"value": "1,5"}, "events[1].value '1,5' is not a decimal number"),
        ({"value": "NaN"}, "events[1].value 'NaN' is not a finite number"),
        ({"value": "-Infinity"}, "events[1].value '-Infinity' is not a finite number"),
        ({"value": "0.0000000001"}, "events[1].value '0.0000000001' has more than 9 digits after the point"),
        ({"value": "1E-999999"}, "events[1].value '1E-999999' has more than 9 digits after the point"),
        ({"value": "4611686018427387904"}, "events[1].value '4611686018427387904' cannot be metered"),
        ({"value": "-1E+999999"}, "events[1].value '-1E+999999' cannot be metered"),
        ({"value": "-1E+999999999999999999"}, "events[1].value '-1E+999999999999999999' cannot be metered"),
        ({"value": "1E+99999999999999999999"}, "events[1].value '1E+99999999999999999999' is not a"),
        ({"time": "2" * 100_000}, f"events[1].time: '{'2' * 80}' is not an RFC 3339 time"),
        ({"subject": "\u00fc" * 2_049}, "events[1].subject has 4098 bytes, more than 4096"),
        ({"id": "x" * 4_097}, "events[1].id has 4097 bytes, more than 4096"),
        ({"properties": {"a": "x" * 65_536}}, "events[1].properties as JSON has 65544 bytes, more than 65536"),
        ({"value": "9" * 100_000}, f"events[1].value '{'9' * 80}' cannot be metered"),
    ],
)
def test_a_field_that_cannot_be_used(change: dict[str, Any], message: str) -> None:
    code, found = refusal(request({}, change))
    assert code == intake_pb2.REFUSAL_CODE_MALFORMED
    assert found.startswith(message)
    assert len(found) < 300


@pytest.mark.parametrize("sender", ["", "Till", "till 7", "-till", "record/till", "t" * 64, "till\n"])
def test_a_sender_without_a_name(sender: str) -> None:
    code, message = refusal(request({}, sender=sender))
    assert (code, message[: 8 + len(sender)]) == (
        intake_pb2.REFUSAL_CODE_MALFORMED,
        f"sender {sender!r}"[: 8 + len(sender)],
    )


def test_no_events_and_too_many() -> None:
    assert refusal(request()) == (intake_pb2.REFUSAL_CODE_MALFORMED, "events is empty: there is nothing to record")
    assert recorded(request(*[{}] * ROWS_MAX), ROWS_MAX).rows == ROWS_MAX
    assert refusal(request(*[{}] * (ROWS_MAX + 1))) == (
        intake_pb2.REFUSAL_CODE_TOO_LARGE,
        "101 events are more than rows_max 100",
    )
    with pytest.raises(Refused) as refused:
        recorded(request(*[{}] * (ROWS_MAX + 1)), ROWS_MAX)
    assert refused.value.limit == "rows_max"


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
EVENT = st.fixed_dictionaries(
    {
        "source": TEXTS.filter(bool),
        "id": TEXTS.filter(bool),
        "type": TEXTS.filter(bool),
        "subject": TEXTS,
        "tenant": TEXTS,
        "value": st.decimals(-(2**62), 2**62, places=9).map(str) | TEXTS,
        "properties": st.dictionaries(TEXTS, TEXTS, max_size=3),
        "time": st.sampled_from([GOOD["time"], "0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999999999Z"]),
    }
)


@given(st.lists(EVENT, min_size=1, max_size=4))
def test_what_is_recorded_is_never_a_dead_letter(events: list[dict[str, Any]]) -> None:
    """There is somebody here who can be told, and would otherwise never know."""
    with suppress(Refused):
        found = recorded(request(*events), ROWS_MAX)
        kept, _ = screen(found, instants.now_us(), KnownSeries.of(TABLES["series"].empty_table()))
        assert kept.events.equals(found.events)
        assert kept.dead_letters.num_rows == 0
