"""A mapping that cannot be meant is refused where it is declared, with what to write instead."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from collector.datastore.mapping.config import Constant, FieldOf, MappingConfig
from tests.collector.datastore.mapping.declared import WHOLE, config


def test_a_text_is_a_field_and_a_constant_says_that_it_is_one() -> None:
    given = config(type="kind", source={"const": "kind"}, properties={"a": "b", "c": {"const": "d"}})
    assert given.type == FieldOf(field="kind")
    assert given.source == Constant(const="kind")
    assert given.properties == {"a": FieldOf(field="b"), "c": Constant(const="d")}
    assert given.time.form == "rfc3339"
    assert set(given.attributes) == {"time", "type", "id", "subject", "value"}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"time": None}, "Field required"),
        ({"type": None}, "Field required"),
        ({"source": None}, "Field required"),
        ({"type": {"const": ""}}, "at least 1 character"),
        ({"type": {"const": "a", "field": "b"}}, "Extra inputs"),
        ({"value": {"const": "1"}}, "Field required"),
        ({"id": "$."}, "names no field"),
        ({"more": "x"}, "Extra inputs"),
        ({"properties": "all"}, "others"),
        ({"properties": {"": "x"}}, "a property has a name"),
        ({"skip": [{"field": "kind", "equals": []}]}, "at least 1 item"),
        ({"time": {"field": "at", "form": "iso"}}, "form 'iso' is none of rfc3339, unix_s, unix_ms, unix_us, unix_ns"),
        ({"time": {"field": "at", "form": "unix_s", "zone": "UTC"}}, "form unix_s counts in UTC: it takes no zone"),
        ({"time": {"field": "at", "form": "%Y-%m-%d"}}, "has no offset: end it with %z, or declare the zone"),
        ({"time": {"field": "at", "form": "%Y-%m-%d %z", "zone": "UTC"}}, "has offsets and a zone"),
        ({"time": {"field": "at", "form": "%Y-%m-%d %Z"}}, "names of zones are no offsets"),
        ({"time": {"field": "at", "form": "%H:%M %z"}}, "does not tell the day"),
        ({"time": {"field": "at", "form": "%Y-%m %z"}}, "does not tell the day"),
        ({"time": {"field": "at", "form": "%Y-%m-%d %Q%z"}}, "is no pattern of strptime"),
        ({"time": {"field": "at", "form": "%Y-%Y-%m-%d %z"}}, "is no pattern of strptime"),
        ({"time": {"field": "at", "zone": "Mars/Olympus"}}, "zone 'Mars/Olympus' is not an IANA time zone"),
        ({"time": {"field": "at", "zone": "../etc/passwd"}}, "is not an IANA time zone"),
        ({"records": {"format": "xml"}}, "does not match any of the expected tags"),
        ({"records": {"format": "csv", "delimiter": ";;"}}, "at most 1 character"),
        ({"records": {"format": "csv", "delimiter": "\n"}}, "should match pattern"),
        ({"records": {"format": "csv", "delimiter": '"'}}, "delimiter and quote are both"),
        ({"records": {"format": "csv", "columns": ["a", "a"]}}, "column 'a' is named twice"),
        (
            {"records": {"format": "csv", "columns": ["at", "key"]}},
            r"who \(subject\), amount \(value\) are missing: the records have at, key",
        ),
        ({"records": {"format": "regex", "pattern": "("}}, "is not a regular expression"),
        ({"records": {"format": "regex", "pattern": "a+"}}, "has no named group"),
        ({"records": {"format": "regex", "pattern": "(?P<at>a)(b)"}}, r"has a group without a name: write \(\?:...\)"),
        ({"records": {"format": "regex", "pattern": r"(?P<at>a)\1"}}, "is not a regular expression"),
        ({"records": {"format": "regex", "pattern": "(?P<at>a)"}}, r"key \(id\).* are missing: the records have at"),
    ],
)
def test_what_cannot_be_meant_is_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        MappingConfig.model_validate(
            {name: each for name, each in {**WHOLE, **settings}.items() if settings.get(name, 0) is not None}
        )
