"""Times are exact in and out, and text that leaves room for doubt is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbook.wire import instants

_MOMENTS = st.datetimes(timezones=st.just(UTC))


@given(_MOMENTS)
def test_text_is_parsed_to_the_same_instant(moment: datetime) -> None:
    instant_us = instants.from_datetime(moment)
    assert instants.to_datetime(instant_us) == moment
    assert instants.parse(instants.text(instant_us)) == instant_us


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)), st.integers(-23 * 60 - 59, 23 * 60 + 59))  # noqa: DTZ001
def test_any_offset_is_understood(local: datetime, offset_min: int) -> None:
    moment = local.replace(tzinfo=timezone(timedelta(minutes=offset_min)))
    assert instants.parse(moment.isoformat()) == instants.from_datetime(moment)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-01-31", "2026-01-31T00:00:00Z"),
        ("2026-01-31T09:30Z", "2026-01-31T09:30:00Z"),
        ("2026-01-31t09:30:00z", "2026-01-31T09:30:00Z"),
        ("2026-01-31 09:30:00.5Z", "2026-01-31T09:30:00.500000Z"),
        ("2026-01-31T09:30:00.123456789Z", "2026-01-31T09:30:00.123456Z"),
        ("2026-01-31T09:30:00+01:00", "2026-01-31T08:30:00Z"),
        ("2026-01-31T23:30:00-00:45", "2026-02-01T00:15:00Z"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
        ("2024-02-29", "2024-02-29T00:00:00Z"),
    ],
)
def test_what_is_understood(text: str, same: str) -> None:
    assert instants.text(instants.parse(text)) == same


def test_the_epoch_is_zero() -> None:
    assert instants.parse("1970-01-01T00:00:00Z") == 0
    assert instants.parse("1970-01-01T01:00:00.000001Z") == instants.HOUR_US + 1
    assert instants.parse("1970-01-02") == instants.DAY_US


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not an RFC 3339 time"),
        ("yesterday", "not an RFC 3339 time"),
        ("2026-1-31", "not an RFC 3339 time"),
        ("2026-01-31T09", "not an RFC 3339 time"),
        ("2026-01-31T09:30:00Z ", "not an RFC 3339 time"),
        ("2026-01-31T09:30:00Z\n", "not an RFC 3339 time"),
        ("2026-01-31T09:30:00+0100", "not an RFC 3339 time"),
        ("2026-01-31T09:30:00+24:00", "not an RFC 3339 time"),
        ("2026-01-31T09:30:00+01:60", "not an RFC 3339 time"),
        ("2026-01-31T09:30:00.Z", "not an RFC 3339 time"),
        ("202\N{ARABIC-INDIC DIGIT SIX}-01-31", "not an RFC 3339 time"),
        ("1769851800", "not an RFC 3339 time"),
        ("2026-01-31T09:30:00", "has no offset"),
        ("2026-02-30", "is not a time"),
        ("2026-13-01", "is not a time"),
        ("2026-01-31T24:00:00Z", "is not a time"),
        ("2026-01-31T23:59:60Z", "is not a time"),
        ("0000-01-01", "is not a time"),
        ("0001-01-01T00:00:00+00:01", "outside the years"),
        ("9999-12-31T23:59:59-00:01", "outside the years"),
    ],
)
def test_what_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        instants.parse(text)


@given(st.text())
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    try:
        instant_us = instants.parse(text)
    except ValueError:
        return
    assert instants.parse(instants.text(instant_us)) == instant_us


def test_a_naive_datetime_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        instants.from_datetime(datetime(2026, 1, 31))  # noqa: DTZ001


def test_now_is_now() -> None:
    assert abs(instants.to_datetime(instants.now_us()) - datetime.now(UTC)) < timedelta(minutes=1)
