"""Times in every form that can be declared are instants, or are refused with the reason; columns of them agree."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.cloudevents import BadEvent
from collector.datastore.mapping.config import TimeField
from collector.datastore.mapping.texts import Moment
from collector.datastore.mapping.timecolumns import instants_of, localised
from collector.datastore.mapping.times import Clock
from collector.datastore.mapping.zones import instant_us, zone_of
from meterbook.wire.instants import parse

HALF_PAST_NINE_US = parse("2026-01-31T09:30:00Z")
BERLIN = "Europe/Berlin"


def clock(form: str = "rfc3339", zone: str | None = None, **more: Any) -> Clock:
    return Clock(TimeField(field="at", form=form, zone=zone, **more))


@pytest.mark.parametrize(
    ("form", "zone", "leaf"),
    [
        ("rfc3339", None, "2026-01-31T09:30:00Z"),
        ("rfc3339", None, "2026-01-31t10:30+01:00"),
        ("rfc3339", BERLIN, "2026-01-31T10:30:00"),
        ("rfc3339", BERLIN, "2026-01-31 09:30:00Z"),
        ("unix_s", None, Decimal(1769851800)),
        ("unix_s", None, "1769851800.0000009"),
        ("unix_s", None, Decimal("1.7698518E+9")),
        ("unix_ms", None, Decimal("1769851800000")),
        ("unix_us", None, "1769851800000000"),
        ("unix_ns", None, Decimal("1769851800000000999")),
        ("%d/%b/%Y:%H:%M:%S %z", None, "31/Jan/2026:10:30:00 +0100"),
        ("%Y-%m-%d %I:%M %p", BERLIN, "2026-01-31 10:30 AM"),
        ("%Y%m%d%H%M", "UTC", Decimal(202601310930)),
        ("%j %Y %H:%M", BERLIN, "31 2026 10:30"),
        ("rfc3339", None, Moment(HALF_PAST_NINE_US, is_zoned=True)),
        ("unix_s", None, Moment(HALF_PAST_NINE_US, is_zoned=True)),
        ("rfc3339", BERLIN, Moment(HALF_PAST_NINE_US + 3_600_000_000, is_zoned=False)),
    ],
)
def test_one_time_in_many_forms(form: str, zone: str | None, leaf: Any) -> None:
    assert clock(form, zone).instant_us(leaf) == HALF_PAST_NINE_US


@pytest.mark.parametrize(
    ("form", "leaf", "instant"),
    [
        ("unix_s", Decimal("-0.0000001"), -1),
        ("unix_s", Decimal("-1"), -1_000_000),
        ("unix_ns", Decimal("-1"), -1),
        ("unix_ns", Decimal("999"), 0),
        ("unix_ms", Decimal("1e-400000"), 0),
        ("unix_s", Decimal("-62135596800"), parse("0001-01-01")),
        ("rfc3339", "2026-01-31", parse("2026-01-31")),
        ("rfc3339", Moment(parse("2026-01-31"), is_zoned=False, is_day=True), parse("2026-01-31")),
    ],
)
def test_what_is_finer_than_a_microsecond_is_cut_off(form: str, leaf: Any, instant: int) -> None:
    assert clock(form).instant_us(leaf) == instant


@pytest.mark.parametrize(
    ("form", "zone", "leaf", "reason"),
    [
        ("rfc3339", None, None, "^time at is missing$"),
        ("rfc3339", None, "", "^time at is missing$"),
        ("rfc3339", None, {}, "^time at an object is not a text$"),
        ("rfc3339", None, Decimal(1769851800), "^time at '1769851800' is not an RFC 3339 time"),
        ("rfc3339", None, "2026-01-31T09:30:00", "has no offset"),
        ("rfc3339", BERLIN, "2026-02-30T09:30:00", "^time at '2026-02-30T09:30:00' is not a time: day is out of range"),
        (
            "rfc3339",
            BERLIN,
            "2026-03-29T02:30:00",
            'at "2026-03-29T02:30:00" was never shown by the clocks of Europe/Berlin',
        ),
        ("rfc3339", BERLIN, "2026-10-25T02:30:00", "was shown twice by the clocks of Europe/Berlin: set ambiguous"),
        ("rfc3339", "Asia/Tokyo", "0001-01-01T00:00:00", "outside the years 1 to 9999"),
        ("rfc3339", None, Moment(0, is_zoned=False), '^time at "1970-01-01T00:00:00" has no offset: declare its zone$'),
        ("rfc3339", None, Moment(1 << 62, is_zoned=True), "is outside the years 1 to 9999 in UTC"),
        ("unix_s", None, None, "^time at is missing$"),
        ("unix_s", None, "yesterday", '^time at "yesterday" is not a number$'),
        ("unix_s", None, "2026-01-31T09:30:00Z", "is not a number"),
        ("unix_s", None, True, "^time at true is not a number$"),
        ("unix_s", None, Decimal("1e400000"), "outside the years"),
        ("unix_s", None, Decimal("1769851800000"), '^time at "1769851800000" is outside the years 1 to 9999 in UTC$'),
        ("%Y-%m-%d %z", None, "2026-01-31", '^time at "2026-01-31" is not a time such as %Y-%m-%d %z$'),
        ("%Y-%m-%d", BERLIN, "2026-01-31 10", "is not a time such as"),
        ("%Y-%m-%d %H:%M %z", None, "0001-01-01 00:00 +0100", "outside the years"),
    ],
)
def test_what_is_no_time_says_why(form: str, zone: str | None, leaf: Any, reason: str) -> None:
    with pytest.raises(BadEvent, match=reason):
        clock(form, zone).instant_us(leaf)


def test_who_decides_what_is_shown_twice_gets_what_was_decided() -> None:
    twice = "2026-10-25T02:30:00"
    assert clock(zone=BERLIN, ambiguous="earlier").instant_us(twice) == parse("2026-10-25T00:30:00Z")
    assert clock(zone=BERLIN, ambiguous="later").instant_us(twice) == parse("2026-10-25T01:30:00Z")
    # The hour that is not shown stays none.
    with pytest.raises(BadEvent, match="never shown"):
        clock(zone=BERLIN, ambiguous="later").instant_us("2026-03-29T02:30:00")


#: Around changes of clocks, by an hour, by half an hour, over a day, and from local mean time.
CHANGES = {
    "Europe/Berlin": ["2026-03-29T02:00:00Z", "2026-10-25T03:00:00Z", "1893-04-01T00:00:00Z"],
    "Australia/Lord_Howe": ["2026-04-05T02:00:00Z", "2026-10-04T02:00:00Z"],
    "Pacific/Apia": ["2011-12-30T00:00:00Z", "2011-12-31T00:00:00Z"],
    "Africa/Monrovia": ["1972-01-07T00:44:30Z"],
}


@given(st.sampled_from([(name, change) for name, changes in CHANGES.items() for change in changes]), st.data())
def test_columns_of_local_times_are_certain_only_where_clocks_do_not_change(
    named: tuple[str, str], data: st.DataObject
) -> None:
    zone, change_us = zone_of(named[0]), parse(named[1])
    local_us = data.draw(
        st.lists(st.integers(-7_300_000_000, 7_300_000_000).map(lambda off: change_us + off), max_size=5)
    )
    found, sure = localised(np.array(local_us, np.int64), zone)
    for place in np.flatnonzero(sure):
        assert instant_us(local_us[place], zone, "refuse") == found[place]
    usual = [abs(each - change_us) > 5_400_000_000 for each in local_us]
    if named[0] == "Europe/Berlin":
        assert all(sure[place] for place in np.flatnonzero(usual))


@given(
    st.sampled_from(
        ["%Y-%m-%d %H:%M:%S.%f", "%d/%b/%Y:%H.%M", "%Y%m%d%H%M%S", "%m%d%Y %%", "%d %Y %b", "%Y-%m-%d (%H)"]
    ),
    st.lists(st.datetimes(), min_size=1, max_size=4),
    st.data(),
)
def test_columns_of_patterns_are_what_strptime_says(form: str, moments: list[Any], data: st.DataObject) -> None:
    texts = [moment.strftime(form) for moment in moments]
    number = data.draw(st.integers(0, len(texts) - 1))
    place = data.draw(st.integers(0, len(texts[number])))
    texts[number] = (
        texts[number][:place] + data.draw(st.sampled_from(["", "0", "9", " ", "x"])) + texts[number][place + 1 :]
    )
    time = TimeField(field="at", form=form, zone="America/New_York")
    found, sure = instants_of(pa.array(texts), time)
    for row in np.flatnonzero(sure):
        assert found[int(row)].as_py() == Clock(time).instant_us(texts[row])
