"""One record as an event: what each field becomes, and why a record is refused."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from collector.datastore.cloudevents import BadEvent, Event
from collector.datastore.mapping.texts import Moment
from meterbook.wire.instants import parse
from tests.collector.datastore.mapping.declared import event_of

RECORD: dict[str, Any] = {
    "at": "2026-01-31T09:30:00Z",
    "from": "/gateway",
    "key": "a1",
    "who": "acme",
    "amount": Decimal("12.50"),
    "region": "eu",
    "cold": True,
    "nothing": None,
    "empty": "",
    "usage": {"tokens": Decimal("7"), "rate": Decimal("1.50"), "since": Moment(0, is_zoned=True)},
}


def test_an_event() -> None:
    event = event_of(RECORD)
    assert event is not None
    assert event == Event(
        source="/gateway",
        id="a1",
        type="request",
        subject="acme",
        time_us=parse("2026-01-31T09:30:00Z"),
        value=Decimal("12.5"),
        properties=event.properties,
    )
    assert json.loads(event.properties) == {
        "region": "eu",
        "cold": "true",
        "empty": "",
        "usage": '{"rate":1.50,"since":"1970-01-01T00:00:00Z","tokens":7}',
    }


def test_properties_that_are_named() -> None:
    event = event_of(
        RECORD, properties={"tokens": "usage.tokens", "plan": {"const": "gold"}, "no": "nothing", "none": "x"}
    )
    assert event is not None
    assert json.loads(event.properties) == {"tokens": "7", "plan": "gold"}


def test_a_member_of_which_a_part_is_an_attribute_stays_a_property() -> None:
    event = event_of(RECORD, value="usage.tokens")
    assert event is not None
    assert event.value == 7
    assert {"usage", "amount"} <= json.loads(event.properties).keys()


def test_numbers_and_truth_values_can_be_attributes() -> None:
    event = event_of({**RECORD, "who": Decimal("42")}, type="cold")
    assert event is not None
    assert (event.subject, event.type) == ("42", "true")


def test_without_an_id_the_place_is_one_and_without_a_value_each_counts_one() -> None:
    event = event_of(RECORD, id=None, value=None, subject=None)
    assert event is not None
    assert (event.id, event.value, event.subject) == ("place#7", 1, "")
    assert {"key", "amount", "who"} <= json.loads(event.properties).keys()


@pytest.mark.parametrize("subject", [None, ""])
def test_a_subject_may_be_missing(subject: Any) -> None:
    event = event_of({**RECORD, "who": subject})
    assert event is not None
    assert event.subject == ""


@pytest.mark.parametrize(
    ("field", "equals"),
    [("region", "eu"), ("$.usage.tokens", "7"), ("cold", "true"), ("empty", ""), ("usage.rate", "1.50")],
)
def test_records_are_left_out_on_purpose(field: str, equals: str) -> None:
    skip = [{"field": "region", "equals": ["us"]}, {"field": field, "equals": ["x", equals]}]
    assert event_of({**RECORD, "at": "never"}, skip=skip) is None
    assert event_of(RECORD, skip=[{"field": field, "equals": ["other"]}, {"field": "no", "equals": [""]}]) is not None


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"key": None}, "^id key is missing$"),
        ({"key": ""}, "^id key is missing$"),
        ({"key": {"a": 1}}, "^id key an object is not a text$"),
        ({"from": []}, "^source from a list is not a text$"),
        ({"who": []}, "^subject who a list is not a text$"),
        ({"at": None}, "^time at is missing$"),
        ({"amount": None}, "^value amount is missing$"),
        ({"amount": ""}, "^value amount is missing$"),
        ({"amount": "1,5"}, '^value amount "1,5" is not a number$'),
        ({"amount": " 1"}, "is not a number"),
        ({"amount": "nan"}, "is not a number"),
        ({"amount": True}, "^value amount true is not a number$"),
        ({"amount": Moment(0, is_zoned=True)}, '^value amount "1970-01-01T00:00:00Z" is not a number$'),
        ({"amount": Decimal("0.0000000001")}, "has more than 9 digits after the point"),
        ({"amount": "1e29"}, "has more than 29 digits before the point"),
        ({"region": "\ud800"}, "^half a surrogate pair stands in the text"),
    ],
)
def test_a_record_that_is_no_event_says_why(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadEvent, match=reason):
        event_of({**RECORD, **changed})
