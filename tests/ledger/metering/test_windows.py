"""Windows tile time in every zone, for every anchor, whatever the clocks do, and begin where a calendar says."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from typing import cast, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.metering.windows import Unit, Windows
from ledger.schema.moments import local_midnight_us, zone_names
from meterbook.wire import instants
from meterbook.wire.instants import DAY_US, HOUR_US, parse

MINUTE_US = 60 * instants.SECOND_US

#: Clocks that change at midnight or a minute after it, by half an hour, or by a whole day; offsets of quarter hours.
ODD_ZONES = (
    "Africa/Cairo",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Pacific/Kwajalein",
)
FIRST_DAY, LAST_DAY = parse("1970-01-01") // DAY_US, parse("2100-01-01") // DAY_US

ZONES = st.sampled_from(ODD_ZONES) | st.sampled_from(sorted(zone_names()))
INSTANTS = st.one_of(
    st.integers(FIRST_DAY * DAY_US, LAST_DAY * DAY_US),
    # Around the midnights of zones.
    st.builds(
        lambda day, quarter, beside: day * DAY_US + quarter * 15 * MINUTE_US + beside,
        st.integers(FIRST_DAY, LAST_DAY),
        st.integers(0, 95),
        st.integers(-1, 1),
    ),
)


@st.composite
def windows(draw: st.DrawFn) -> Windows:
    """Windows of any unit, zone and anchor, the anchors beyond the shortest month among them more often."""
    unit = draw(st.sampled_from(get_args(Unit)))
    anchors = st.integers(1, 7) if unit == "week" else st.integers(1, 31) | st.integers(29, 31)
    return Windows(unit, draw(ZONES), draw(anchors))


def is_first(day: date, kind: Windows) -> bool:
    """Whether a window of a day or longer begins on a date, read off the calendar."""
    if kind.unit == "day":
        return True
    if kind.unit == "week":
        return day.isoweekday() == kind.anchor
    months = {"month": range(1, 13), "quarter": (1, 4, 7, 10), "year": (1,)}[kind.unit]
    return day.month in months and day.day == min(kind.anchor, monthrange(day.year, day.month)[1])


def from_the_calendar(kind: Windows, at_us: int) -> tuple[int, int]:
    """The window that holds an instant: between two neighbours of all the midnights at which one begins."""
    if kind.unit in ("minute", "hour"):
        length_us = MINUTE_US if kind.unit == "minute" else HOUR_US
        return at_us - at_us % length_us, at_us - at_us % length_us + length_us
    zone, today = ZoneInfo(kind.zone), instants.to_datetime(at_us).date()
    days = [today + timedelta(days=shift) for shift in range(-400, 400)]
    starts = [local_midnight_us(day.year, day.month, day.day, zone) for day in days if is_first(day, kind)]
    return max(start for start in starts if start <= at_us), min(start for start in starts if start > at_us)


def told(kind: Windows, start: str, end: str) -> list[str]:
    return [instants.text(int(edge)) for edge in kind.edges(parse(start), parse(end))]


@given(windows(), INSTANTS)
def test_windows_hold_their_instant_and_tile(kind: Windows, at_us: int) -> None:
    start_us, end_us = kind.start(at_us), kind.next(at_us)
    assert start_us <= at_us < end_us
    assert kind.bounds(start_us) == kind.bounds(end_us - 1) == (start_us, end_us)
    assert kind.start(end_us) == end_us
    assert kind.next(start_us - 1) == start_us


@given(windows(), INSTANTS)
@example(Windows("day", "Pacific/Apia"), parse("2011-12-30T10:00:00Z"))
@example(Windows("week", "America/St_Johns", 7), parse("2010-11-07T03:00:00Z"))
@example(Windows("week", "Pacific/Apia", 5), parse("2011-12-30T10:00:00Z"))
@example(Windows("month", "Pacific/Apia", 30), parse("2011-12-30T09:59:59Z"))
def test_windows_begin_where_the_calendar_says(kind: Windows, at_us: int) -> None:
    assert kind.bounds(at_us) == from_the_calendar(kind, at_us)


@given(windows(), INSTANTS, st.integers(1, 40), st.floats(0, 1))
@example(Windows("day", "Pacific/Kwajalein"), parse("1993-08-15T03:00:00Z"), 20, 0.5)
@example(Windows("day", "America/Sao_Paulo"), parse("2018-11-01T03:00:00Z"), 10, 0.0)
def test_edges_are_the_windows_walked_one_by_one(kind: Windows, start_us: int, count: int, within: float) -> None:
    walked = [kind.start(start_us)]
    for _ in range(count):
        walked.append(kind.next(walked[-1]))
    # Any end inside the last window, its very end among them, makes the same windows.
    low_us, high_us = max(walked[-2], start_us) + 1, walked[-1]
    end_us = low_us + int((high_us - low_us) * within)
    edges = kind.edges(start_us, end_us)
    assert edges.dtype == "int64"
    assert edges.tolist() == walked
    assert all(edges[1:] > edges[:-1])


@given(windows(), INSTANTS, st.integers(0, DAY_US))
def test_an_empty_range_has_no_edges(kind: Windows, at_us: int, length_us: int) -> None:
    edges = kind.edges(at_us, at_us - length_us)
    assert edges.dtype == "int64"
    assert edges.tolist() == []


@given(windows(), INSTANTS)
def test_windows_with_a_step_lie_on_its_grid(kind: Windows, at_us: int) -> None:
    start_us, end_us = kind.bounds(at_us)
    if kind.step_us is not None:
        assert (start_us % kind.step_us, end_us - start_us) == (0, kind.step_us)


@pytest.mark.parametrize(
    ("kind", "step_us"),
    [
        (Windows("minute"), MINUTE_US),
        (Windows("hour", "Australia/Lord_Howe"), HOUR_US),
        (Windows("day"), DAY_US),
        (Windows("day", "Etc/Zulu"), DAY_US),
        (Windows("day", "Etc/GMT+5"), None),
        (Windows("day", "Europe/London"), None),
        (Windows("week"), None),
        (Windows("month"), None),
    ],
)
def test_step(kind: Windows, step_us: int | None) -> None:
    assert kind.step_us == step_us


@pytest.mark.parametrize(
    ("zone", "at", "start", "hours"),
    [
        ("UTC", "2026-03-29T12:00:00Z", "2026-03-29T00:00:00Z", 24),
        ("Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", 23),
        ("Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", 25),
        ("Australia/Lord_Howe", "2026-10-04T02:00:00Z", "2026-10-03T13:30:00Z", 23.5),
        ("Asia/Kathmandu", "2026-03-15T06:00:00Z", "2026-03-14T18:15:00Z", 24),
        # Clocks went ahead at midnight, so the day began at one o'clock.
        ("America/Sao_Paulo", "2018-11-04T15:00:00Z", "2018-11-04T03:00:00Z", 23),
        ("Asia/Beirut", "2024-03-31T09:00:00Z", "2024-03-30T22:00:00Z", 23),
        ("Africa/Cairo", "2024-04-26T09:00:00Z", "2024-04-25T22:00:00Z", 23),
        # Clocks went back at midnight: the last hour of the day before came twice.
        ("America/Sao_Paulo", "2018-02-17T15:00:00Z", "2018-02-17T02:00:00Z", 25),
        # Clocks went back a minute after midnight, and midnight came twice: the first one counts.
        ("America/St_Johns", "2010-11-07T15:00:00Z", "2010-11-07T02:30:00Z", 25),
        # And for an hour of the new day the clock showed the day before.
        ("America/St_Johns", "2010-11-07T03:00:00Z", "2010-11-07T02:30:00Z", 25),
        # 30 December was left out, and so was 21 August.
        ("Pacific/Apia", "2011-12-29T22:00:00Z", "2011-12-29T10:00:00Z", 24),
        ("Pacific/Apia", "2011-12-30T22:00:00Z", "2011-12-30T10:00:00Z", 24),
        ("Pacific/Kwajalein", "1993-08-21T00:00:00Z", "1993-08-20T12:00:00Z", 24),
    ],
)
def test_days(zone: str, at: str, start: str, hours: float) -> None:
    start_us, end_us = Windows("day", zone).bounds(parse(at))
    assert (instants.text(start_us), (end_us - start_us) / HOUR_US) == (start, hours)


def test_a_date_that_was_left_out_has_no_window() -> None:
    assert told(Windows("day", "Pacific/Apia"), "2011-12-29T10:00:00Z", "2012-01-01T10:00:00Z") == [
        "2011-12-29T10:00:00Z",
        "2011-12-30T10:00:00Z",
        "2011-12-31T10:00:00Z",
        "2012-01-01T10:00:00Z",
    ]


@pytest.mark.parametrize(
    ("kind", "start", "end", "days"),
    [
        (Windows("month", anchor=31), "2023-01-31", "2023-06-01", "01-31 02-28 03-31 04-30 05-31 06-30"),
        (Windows("month", anchor=30), "2024-01-30", "2024-04-01", "01-30 02-29 03-30 04-30"),
        (Windows("month", anchor=29), "2023-02-01", "2023-04-28", "01-29 02-28 03-29 04-29"),
        (Windows("month", anchor=29), "2024-02-28", "2024-03-01", "01-29 02-29 03-29"),
        (Windows("quarter", anchor=31), "2026-02-01", "2026-12-01", "01-31 04-30 07-31 10-31 01-31"),
        (Windows("quarter"), "2026-05-05", "2026-07-02", "04-01 07-01 10-01"),
        (Windows("year", anchor=6), "2026-01-05", "2026-01-07", "01-06 01-06 01-06"),
        (Windows("week"), "2026-03-01", "2026-03-03", "02-23 03-02 03-09"),
        (Windows("week", anchor=7), "2026-03-01", "2026-03-03", "03-01 03-08"),
    ],
)
def test_anchors(kind: Windows, start: str, end: str, days: str) -> None:
    assert " ".join(each[5:10] for each in told(kind, start, end)) == days


def test_hours_pass_whatever_a_clock_shows() -> None:
    berlin = told(Windows("hour", "Europe/Berlin"), "2026-10-24T23:30:00Z", "2026-10-25T01:30:00Z")
    assert berlin == [f"2026-10-{day}" for day in ("24T23:00:00Z", "25T00:00:00Z", "25T01:00:00Z", "25T02:00:00Z")]


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "America", "../UTC", "localtime", ""])
def test_a_zone_that_there_is_not_is_named(zone: str) -> None:
    with pytest.raises(ValueError, match=f"zone '{zone}' is not an IANA time zone"):
        Windows("hour", zone)


@pytest.mark.parametrize(
    ("unit", "anchor", "error"),
    [
        ("fortnight", 1, "unit 'fortnight' is none of minute, hour, day"),
        ("week", 8, "anchor 8 of week windows is not from 1 to 7"),
        ("month", 32, "anchor 32 of month windows is not from 1 to 31"),
        ("year", 0, "anchor 0 of year windows is not from 1 to 31"),
    ],
)
def test_kinds_that_there_are_not(unit: str, anchor: int, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        Windows(cast(Unit, unit), anchor=anchor)


FIRST_US, BEYOND_US = parse("0002-01-01"), parse("9999-01-01")


@given(windows(), st.integers(1, 1 << 70))
def test_times_beyond_the_calendar_are_refused(kind: Windows, distance_us: int) -> None:
    for at_us in (FIRST_US - distance_us, BEYOND_US - 1 + distance_us):
        for ask in (kind.start, kind.next, kind.bounds, lambda at_us: kind.edges(at_us, at_us + 1)):
            with pytest.raises(ValueError, match="outside of the years 2 to 9998"):
                ask(at_us)
    with pytest.raises(ValueError, match="outside of the years 2 to 9998"):
        kind.edges(0, BEYOND_US + distance_us)


@given(windows(), st.integers(2 * DAY_US, 400 * DAY_US))
@example(Windows("year", "America/New_York", 31), 2 * DAY_US)
@example(Windows("month", "Pacific/Kiritimati", 31), 2 * DAY_US)
def test_windows_at_the_ends_of_the_calendar_can_be_written_down(kind: Windows, inside_us: int) -> None:
    for at_us in (FIRST_US, FIRST_US + inside_us, BEYOND_US - inside_us):
        start_us, end_us = kind.bounds(at_us)
        assert start_us <= at_us < end_us
        assert instants.text(start_us) < instants.text(end_us)


def test_a_year_that_ends_after_the_last_is_refused() -> None:
    """In the zones ahead of UTC, 9999 has begun."""
    kind = Windows("year", "Asia/Tokyo")
    for ask in (kind.bounds, lambda at_us: kind.edges(0, at_us + 1)):
        with pytest.raises(ValueError, match="a year window of Asia/Tokyo ends after the year 9999"):
            ask(BEYOND_US - 1)
