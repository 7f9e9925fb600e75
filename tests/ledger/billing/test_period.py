"""Billing periods tile time in every zone."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.billing.period import Period, billing_period, named_period
from ledger.schema.moments import zone_names
from meterbook.wire import instants

ZONES = st.sampled_from(sorted(zone_names())).map(ZoneInfo)
INSTANTS = st.integers(instants.parse("2000-01-01"), instants.parse("2100-01-01"))
HOUR_US, DAY_US = instants.HOUR_US, instants.DAY_US


@given(ZONES, INSTANTS)
def test_periods_hold_their_instant_and_tile(zone: ZoneInfo, at_us: int) -> None:
    period = billing_period(at_us, zone)
    assert period.holds(at_us)
    assert billing_period(period.start_us, zone) == period
    assert billing_period(period.end_us - 1, zone) == period
    following, preceding = billing_period(period.end_us, zone), billing_period(period.start_us - 1, zone)
    assert (following.start_us, preceding.end_us) == (period.end_us, period.start_us)
    assert 28 * DAY_US - 2 * HOUR_US <= period.end_us - period.start_us <= 31 * DAY_US + 2 * HOUR_US


@given(ZONES, INSTANTS)
def test_a_period_is_a_calendar_month(zone: ZoneInfo, at_us: int) -> None:
    period = billing_period(at_us, zone)
    local = instants.to_datetime((period.start_us + period.end_us) // 2).astimezone(zone)
    start = instants.to_datetime(period.start_us).astimezone(zone)
    assert 14 <= local.day <= 17
    assert (start.month, start.day) == (local.month, 1)


@pytest.mark.parametrize(
    ("at", "zone", "start", "end"),
    [
        ("2026-03-15", "UTC", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"),
        ("2026-03-01", "UTC", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"),
        ("2026-12-31T23:30:00Z", "Europe/Berlin", "2026-12-31T23:00:00Z", "2027-01-31T23:00:00Z"),
        ("2026-03-15", "Europe/Berlin", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"),
        ("2024-02-29T12:00:00Z", "America/New_York", "2024-02-01T05:00:00Z", "2024-03-01T05:00:00Z"),
        ("2026-03-15", "Asia/Kolkata", "2026-02-28T18:30:00Z", "2026-03-31T18:30:00Z"),
        # Clocks went back at the first midnight of October, so the last hour of September came twice.
        ("2010-10-31T12:00:00Z", "Africa/Cairo", "2010-09-30T22:00:00Z", "2010-10-31T22:00:00Z"),
    ],
)
def test_periods(at: str, zone: str, start: str, end: str) -> None:
    period = billing_period(instants.parse(at), ZoneInfo(zone))
    assert (instants.text(period.start_us), instants.text(period.end_us)) == (start, end)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, None, (10, 20)), (15, None, (15, 20)), (0, 15, (10, 15)), (20, None, None), (0, 10, None), (15, 15, None)],
)
def test_clipped(start: int, end: int | None, expected: tuple[int, int] | None) -> None:
    assert Period(10, 20).clipped(start, end) == (None if expected is None else Period(*expected))


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("name", "zone", "start", "end"),
    [
        ("2026-03", "UTC", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"),
        ("2026-03", "Europe/Berlin", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"),
        ("2026-03-29", "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ("2026-03-01/2026-03-08", "UTC", "2026-03-01T00:00:00Z", "2026-03-08T00:00:00Z"),
        ("2026-03-01/2026-03-08", "Europe/Berlin", "2026-02-28T23:00:00Z", "2026-03-07T23:00:00Z"),
        ("2026-03-01T12:00:00Z/2026-03-01T14:00:00+01:00", "UTC", "2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z"),
    ],
)
def test_periods_as_people_name_them(name: str, zone: str, start: str, end: str) -> None:
    found = named_period(name, ZoneInfo(zone))
    assert (instants.text(found.start_us), instants.text(found.end_us)) == (start, end)


@given(ZONES, INSTANTS)
def test_the_days_of_a_month_tile_it(zone: ZoneInfo, at_us: int) -> None:
    local = instants.to_datetime(at_us).astimezone(zone)
    month = named_period(f"{local:%Y-%m}", zone)
    assert month == billing_period((month.start_us + month.end_us) // 2, zone)
    first, last = named_period(f"{local:%Y-%m}-01", zone), named_period(f"{local:%Y-%m}-28", zone)
    assert (first.start_us, last.end_us <= month.end_us) == (month.start_us, True)


@pytest.mark.parametrize(
    "name", ["", "2026", "2026-13", "2026-02-30", "March", "2026-03-01/", "/2026-03-01", "2026-03-02/2026-03-01",
             "2026-03-01/2026-03-01", "2026-03/2026-04", "2026-03-01T00:00/2026-03-02", "0001-01"]
)  # fmt: skip
def test_what_is_no_period(name: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        named_period(name, BERLIN)
