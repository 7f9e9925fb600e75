"""The rules of metering, one small story each, with the numbers worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ledger.directory.meter import Meter
from ledger.metering.measure import measure
from meterbook.wire import instants
from meterbook.wire.sections import STALE
from tests.fakes.journal import memory_journal
from tests.ledger.batches import content, coverage, event, series

HOUR, MINUTE, SECOND = instants.HOUR_US, 60 * instants.SECOND_US, instants.SECOND_US
TEN = instants.parse("2026-03-01T10:00:00Z")

COUNTER = {"source": {"metric": "requests_total"}, "aggregation": "increase", "unit": "requests"}
GAUGE = {"source": {"metric": "memory"}, "aggregation": "integral", "unit": "byte-seconds"}
EVENTS = {"source": {"event": "sale"}, "aggregation": "sum", "unit": "EUR"}


def at(minutes: float) -> int:
    """A time after ten o'clock."""
    return TEN + int(minutes * MINUTE)


def counter(**changes: Any) -> tuple[Any, ...]:
    return series(1, **{"since": TEN - HOUR} | changes)


def gauge(**changes: Any) -> tuple[Any, ...]:
    return series(2, "gauge", **{"metric": "memory", "since": TEN - HOUR} | changes)


def watched(start: float, end: float, status: str = "complete", **changes: Any) -> tuple[Any, ...]:
    return coverage(0, status, start=at(start), end=at(end), **changes)


def told(meter: dict[str, Any], *batches: dict[str, Any], now: int = TEN + 6 * HOUR) -> dict[tuple[str, str, int], Any]:
    """Quantity and estimated part per tenant, dimensions and hour after ten, in units."""
    with memory_journal(now) as journal:
        for batch in batches:
            journal.send("one", content(**batch))
        cells = measure(journal.view(), Meter.model_validate(meter), TEN - 5 * HOUR, TEN + 20 * HOUR)
    return {
        (key.tenant, key.dimensions, (hour - TEN) // HOUR): (
            Decimal(amount.quantity).scaleb(-9).normalize() + 0,
            Decimal(amount.estimated).scaleb(-9).normalize() + 0,
        )
        for (key, hour), amount in sorted(cells.items(), key=repr)
    }


def acme(**hours: str) -> dict[tuple[str, str, int], Any]:
    """Expected quantities of the one tenant: h0="5" for the hour of ten, m1="3" for the hour before."""
    signs = {"h": 1, "m": -1}
    return {
        ("acme", "{}", signs[hour[0]] * int(hour[1:])): tuple(map(Decimal, (quantity + ";0").split(";")[:2]))
        for hour, quantity in hours.items()
    }


def test_a_counter_counts_what_was_added() -> None:
    samples = [(1, at(0), 100.0), (1, at(5), 103.0), (1, at(9), 103.0), (1, at(10), 110.5)]
    assert told(COUNTER, {"series": [counter()], "samples": samples}) == acme(h0="10.5")


def test_a_fall_is_a_reset_and_what_it_shows_was_added_since() -> None:
    samples = [(1, at(0), 100.0), (1, at(5), 103.0), (1, at(9), 2.0), (1, at(10), 0.0), (1, at(11), 1.0)]
    assert told(COUNTER, {"series": [counter()], "samples": samples}) == acme(h0="6")


def test_what_crosses_an_hour_is_divided_in_proportion() -> None:
    samples = [(1, at(58), 0.0), (1, at(62), 8.0), (1, at(182), 8.0), (1, at(302), 16.0)]
    found = told(COUNTER | {"max_gap_s": 86_400}, {"series": [counter()], "samples": samples})
    assert found[("acme", "{}", 0)] == (4, 0)
    assert sum(quantity for quantity, _ in found.values()) == 16
    # 58 minutes of eight are the third hour's, two the fifth's: 120 minutes for eight in all.
    assert found[("acme", "{}", 3)][0] == Decimal("3.866666666")
    assert found[("acme", "{}", 4)][0] == Decimal("4.000000000")
    assert found[("acme", "{}", 5)][0] == Decimal("0.133333334")


def test_a_sample_on_the_hour_ends_the_hour_before() -> None:
    samples = [(1, at(0), 1.0), (1, at(5), 3.0), (1, at(60), 10.0), (1, at(61), 11.0)]
    found = told(COUNTER | {"max_gap_s": 86_400}, {"series": [counter()], "samples": samples})
    assert found == acme(h0="9", h1="1")


def test_more_than_max_gap_apart_is_booked_and_called_estimated() -> None:
    samples = [(1, at(0), 0.0), (1, at(5), 5.0), (1, at(10) + 1, 7.0)]
    assert told(COUNTER, {"series": [counter()], "samples": samples}) == acme(h0="7;2")


@pytest.mark.parametrize(
    ("start", "records", "expected"),
    [
        # Nobody ever watched: the first reading is the level to measure from.
        (None, [], {}),
        (at(-1), [], {}),
        # Watched completely before, without this series.
        (None, [watched(-5, -1)], {"m1": "2;0", "h0": "8;0"}),
        (None, [watched(-5, -1), watched(-1, 4)], {"m1": "2;0", "h0": "8;0"}),
        (None, [watched(-5, -1, "failed")], {}),
        # Its own reading says nothing of the time before.
        (None, [watched(-1, 4)], {}),
        # Began after the source was first watched, well or badly.
        (at(2), [watched(-5, -1, "failed")], {"h0": "10;0"}),
        (at(2), [watched(2, 3, "failed")], {"h0": "10;0"}),
        (at(2), [watched(2.5, 3.5, "failed")], {}),
        # Both are known: since the later of the two.
        (at(2), [watched(-5, -1)], {"h0": "10;0"}),
        (at(-3), [watched(-5, -1)], {"m1": "2;0", "h0": "8;0"}),
        # Began with the very reading: all of it is that moment's.
        (at(4), [watched(-5, -1)], {"h0": "10;0"}),
        # A start after the reading is no start.
        (at(4.5), [watched(-5, -1)], {"m1": "2;0", "h0": "8;0"}),
        (None, [watched(-5, -1, source="other")], {}),
    ],
)  # fmt: skip
def test_the_first_sample(start: int | None, records: list[Any], expected: dict[str, str]) -> None:
    batch = {"series": [counter(start=start)], "samples": [(1, at(4), 10.0)], "coverage": records}
    assert told(COUNTER | {"max_gap_s": 600}, batch) == acme(**expected)


def test_a_gauge_is_held_until_the_next_sample() -> None:
    samples = [(2, at(0), 10.0), (2, at(1), 20.0), (2, at(3), 5.0)]
    assert told(GAUGE, {"series": [gauge()], "samples": samples}) == acme(h0=str(60 * 10 + 120 * 20))


def test_a_gauge_is_held_for_max_gap_at_most() -> None:
    samples = [(2, at(58), 10.0), (2, at(182), -1.0), (2, at(183), 0.0)]
    assert told(GAUGE, {"series": [gauge()], "samples": samples}) == acme(h0="1200", h1="1800", h3="-60")


@pytest.mark.parametrize("low", [-60, 0])
def test_what_was_active_before_the_range_is_active_in_it_and_no_more(low: int) -> None:
    up = Meter.model_validate(GAUGE | {"aggregation": "active", "max_gap_s": 3600})
    samples = [(2, at(-10), 5.0), (2, at(10), 5.0), (2, at(20), 0.0)]
    with memory_journal(TEN + 6 * HOUR) as journal:
        journal.send("one", content(series=[gauge()], samples=samples))
        found = measure(journal.view(), up, at(low), at(60))
    assert {hour: amount.quantity for (_, hour), amount in found.items() if hour == TEN} == {TEN: 1200 * 10**9}


def test_a_gauge_is_rounded_half_even_once_per_cell() -> None:
    # Three spans of a microsecond at half a nano-unit per second: rounded one by one they would vanish.
    samples = [(2, TEN + n, 0.0005) for n in range(4)]
    (quantity, _) = told(GAUGE, {"series": [gauge()], "samples": samples})[("acme", "{}", 0)]
    assert quantity == Decimal("0.000000002")


def test_usage_belongs_to_the_assignment_in_force() -> None:
    moved = {"tenant": "blue", "since": at(7)}
    batches = [
        {
            "series": [counter(), gauge()],
            "samples": [(1, at(0), 0.0), (1, at(5), 5.0), (2, at(0), 1.0), (2, at(5), 1.0)],
        },
        {
            "series": [counter(**moved), gauge(**moved)],
            "samples": [(1, at(10), 12.0), (1, at(15), 13.0), (2, at(10), 1.0), (2, at(15), 1.0)],
        },
    ]
    found = told(COUNTER, *batches)
    assert found == {("acme", "{}", 0): (5, 0), ("blue", "{}", 0): (8, 0)}
    assert told(GAUGE, *batches) == {("acme", "{}", 0): (600, 0), ("blue", "{}", 0): (300, 0)}


def test_saying_again_what_is_known_changes_nothing() -> None:
    samples = [(2, TEN + n, 0.0005) for n in range(4)]
    again = [gauge(since=TEN + n) for n in range(1, 4)]
    first = {"series": [gauge()], "samples": samples}
    assert told(GAUGE, first, {"series": again}) == told(GAUGE, first)


def test_of_two_samples_of_one_instant_the_first_stands() -> None:
    batches = [
        {"series": [counter()], "samples": [(1, at(0), 0.0), (1, at(5), 5.0)]},
        {"samples": [(1, at(5), 500.0), (1, at(6), 6.0)]},
    ]
    assert told(COUNTER, *batches) == acme(h0="6")


def test_resets_near_the_limit_do_not_wrap_round() -> None:
    top = float(2**62 - 512)
    values = [top, top - 512, top - 1024, top - 1536]
    samples = [(1, at(n), value) for n, value in enumerate(values)]
    assert told(COUNTER, {"series": [counter()], "samples": samples}) == acme(h0=str(sum(map(int, values[1:]))))


def test_an_event_counts_once_whatever_it_is_called_later() -> None:
    batches = [
        {"events": [event(1, time=at(1), value=Decimal(3))]},
        {"events": [event(1, time=at(70), value=Decimal(9)), event(1, time=at(1), type="visit")]},
        {"events": [event(1, time=at(2), tenant="blue"), event(2, time=at(2), value=Decimal("-0.5"))]},
    ]
    assert told(EVENTS, *batches) == acme(h0="2.5")
    assert told(EVENTS | {"source": {"event": "visit"}}, *batches) == {}
    assert told(EVENTS | {"aggregation": "count"}, *batches) == acme(h0="2")


def test_sums_of_events_do_not_wrap_round() -> None:
    large = Decimal(2**62 - 1) + Decimal("0.999999999")
    events = [event(n, time=at(1), value=large) for n in range(20)]
    found = told(EVENTS, {"events": events})
    assert found[("acme", "{}", 0)][0] == 20 * large


def test_filter_and_group_by_what_does_not_exist() -> None:
    samples = {"series": [counter()], "samples": [(1, at(0), 0.0), (1, at(5), 5.0)]}
    assert told(COUNTER | {"filter": {"nobody": "x"}}, samples) == {}
    assert told(COUNTER | {"group_by": ["nobody"]}, samples) == acme(h0="5")
    assert told(COUNTER | {"filter": {"code": ["200", "x"]}, "group_by": ["code"]}, samples) == {
        ("acme", '{"code":"200"}', 0): (5, 0)
    }
    assert told(COUNTER | {"source": {"metric": "nothing"}}, samples) == {}


def test_a_metric_of_the_other_kind_is_not_metered() -> None:
    batch = {"series": [counter(metric="memory")], "samples": [(1, at(0), 0.0), (1, at(5), 5.0)]}
    assert told(GAUGE, batch) == {}


def test_a_sample_from_the_year_1_is_set_aside() -> None:
    first = instants.parse("0001-01-01")
    samples = [(1, first, 0.0), (1, at(5), 5.0), (1, at(6), 6.0)]
    found = told(COUNTER, {"series": [counter()], "samples": samples})
    assert [amount[0] for amount in found.values()] == [1]


def test_what_has_ended_is_not_held() -> None:
    samples = [
        (2, at(0), 60.0),
        (2, at(1), STALE),
        (2, at(3), 10.0),
        (2, at(4), STALE),
        (2, at(4.5), STALE),
        (2, at(5), 6.0),
    ]
    assert told(GAUGE, {"series": [gauge()], "samples": samples}) == acme(h0=str(60 * 60 + 10 * 60))


def test_an_end_before_the_first_hour_holds_nothing_in_it() -> None:
    samples = [(2, at(-5), 60.0), (2, at(-1), STALE), (2, at(30), 10.0), (2, at(31), 10.0)]
    assert told(GAUGE, {"series": [gauge()], "samples": samples}) == acme(m1=str(4 * 60 * 60), h0="600")


def test_a_counter_goes_on_where_it_was_said_to_end() -> None:
    """A target that was down for a while has counted meanwhile; another end is another series."""
    samples = [(1, at(-70), 3.0), (1, at(0), 5.0), (1, at(1), STALE), (1, at(9), 8.0), (1, at(10), STALE)]
    assert told(COUNTER | {"max_gap_s": 86_400}, {"series": [counter()], "samples": samples})[("acme", "{}", 0)] == (
        3,
        0,
    )


def test_a_counter_that_was_out_of_sight_is_counted_from_its_first_sample() -> None:
    """The source was observed completely before, but of other series: these may have counted for years."""
    seen = {"series": [counter()], "coverage": [watched(0, 10), watched(10, 20), watched(20, 30)]}
    samples = [(1, at(20), 1_000.0), (1, at(30), 1_003.0)]
    meter = COUNTER | {"max_gap_s": 3600}
    assert told(meter, {**seen, "samples": samples}) == acme(h0="1003")
    assert told(meter, {**seen, "samples": [(1, at(20) - 1, STALE), *samples]}) == acme(h0="3")
    assert told(meter, {**seen, "samples": [(1, at(20) - 3, STALE), *samples]}) == acme(h0="1003")


def test_being_out_of_sight_is_heeded_at_the_beginning_of_a_run() -> None:
    seen = {"series": [counter()], "coverage": [watched(-10, 10), watched(10, 20)]}
    samples = [(1, at(0) - 1, STALE), (1, at(0), 70.0), (1, at(20), 71.0)]
    with memory_journal(TEN + HOUR) as journal:
        journal.send("one", content(**seen, samples=samples))
        cells = measure(journal.view(), Meter.model_validate(COUNTER), TEN, TEN + HOUR)
    assert [amount.quantity for amount in cells.values()] == [10**9]


def test_the_word_that_a_counter_was_out_of_sight_may_come_later() -> None:
    seen = {"series": [counter()], "coverage": [watched(0, 10), watched(10, 20)]}
    found = told(COUNTER, {**seen, "samples": [(1, at(20), 70.0)]}, {"samples": [(1, at(20) - 1, STALE)]})
    assert found == {}


def test_a_counter_that_had_another_name_meanwhile_goes_on_from_its_level() -> None:
    """Labels are added and taken away again: what was counted between is the other series'."""
    samples = [(1, at(0), 5.0), (1, at(9), 10.0), (1, at(30), 100.0), (1, at(31), 101.0)]
    meter = COUNTER | {"max_gap_s": 3600}
    assert told(meter, {"series": [counter()], "samples": samples}) == acme(h0="96")
    marked = [*samples[:2], (1, at(30) - 2, STALE), *samples[2:]]
    assert told(meter, {"series": [counter()], "samples": marked}) == acme(h0="6")


@pytest.mark.parametrize("before_us", [1, 2])
def test_the_marker_of_the_sample_behind_the_last_hour_is_heeded(before_us: int) -> None:
    """Its increase is divided among the hours before it, where it has one."""
    seen = {"series": [counter()], "coverage": [watched(0, 30), watched(60.25, 61)]}
    samples = [(1, at(60.5) - before_us, STALE), (1, at(60.5), 1_000_000.0)]
    with memory_journal(TEN + 2 * HOUR) as journal:
        journal.send("one", content(**seen, samples=samples))
        assert measure(journal.view(), Meter.model_validate(COUNTER), TEN, TEN + HOUR) == {}


@pytest.mark.parametrize("high", [0, 60])
def test_an_end_that_two_readers_told_of_hides_no_other(high: int) -> None:
    """The sample at the full hour is behind the last hour of one run, and in that of another: both say the same."""
    ends = [(1, at(0) - 2, STALE), (1, at(0) - 1, STALE)]
    samples = [(1, at(-10), 5.0), *ends, (1, at(0), 50.0), (1, at(5), 51.0)]
    with memory_journal(TEN + 2 * HOUR) as journal:
        journal.send("one", content(series=[counter()], samples=samples))
        journal.send("two", content(samples=ends[1:]))
        cells = measure(journal.view(), Meter.model_validate(COUNTER | {"max_gap_s": 3600}), TEN - HOUR, at(high))
    assert sum(amount.quantity for (_, hour), amount in cells.items() if hour < TEN) == 0
