"""Every way to make a quantity, one small story each, with the numbers worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ledger.directory.meter import Meter
from ledger.metering.aggregations import AGGREGATIONS
from ledger.metering.measure import measure, windows_of
from meterbook.wire import instants
from meterbook.wire.sections import STALE
from tests.fakes.journal import memory_journal
from tests.ledger.batches import content, event, series

HOUR, MINUTE = instants.HOUR_US, 60 * instants.SECOND_US
TEN = instants.parse("2026-03-01T10:00:00Z")
GAUGE = {"source": {"metric": "memory"}, "unit": "bytes"}
COUNTER = {"source": {"metric": "requests_total"}, "unit": "requests"}
EVENTS = {"source": {"event": "seat"}, "unit": "seats"}
DAY = {"window": {"unit": "day"}}
HALF_HOUR = {"max_gap_s": 1800}


def at(minutes: float) -> int:
    """A time after ten o'clock."""
    return TEN + int(minutes * MINUTE)


def gauge(number: int = 1, pod: str = "a", **changes: Any) -> tuple[Any, ...]:
    labels = f'{{"pod":"{pod}"}}' if pod else "{}"
    return series(number, "gauge", **{"metric": "memory", "labels": labels, "since": TEN - HOUR} | changes)


def read(*pairs: tuple[float, float], number: int = 1) -> list[tuple[int, int, float]]:
    """Samples as (minutes after ten, value)."""
    return [(number, at(minute), value) for minute, value in pairs]


def seat(number: int, minute: float, value: str = "1", properties: str = "{}", **changes: Any) -> tuple[Any, ...]:
    told = {"type": "seat", "time": at(minute), "value": Decimal(value), "properties": properties}
    return event(number, **told | changes)


def found(meter: dict[str, Any], *batches: dict[str, Any], now: float = 210) -> dict[tuple[str, str, str], Decimal]:
    """Quantity per tenant, dimensions and start of the window, in units; now is half past one."""
    made = Meter.model_validate(meter)
    windows = windows_of(made)
    with memory_journal(at(now)) as journal:
        for batch in batches:
            journal.send("one", content(**batch))
        cells = measure(journal.view(), made, windows.start(TEN - 60 * HOUR * 24), windows.start(TEN + 60 * HOUR * 24))
    return {
        (key.tenant, key.dimensions, instants.text(start)[5:16]): Decimal(amount.quantity).scaleb(-9).normalize() + 0
        for (key, start), amount in cells.items()
    }


def of_acme(meter: dict[str, Any], *batches: dict[str, Any], now: float = 210) -> dict[str, str]:
    """The same for the one tenant without dimensions: hours of the day as 10, other windows by month, day and time."""
    cells = found(meter, *batches, now=now)
    assert {(tenant, dimensions) for tenant, dimensions, _ in cells} <= {("acme", "{}")}
    return {
        start[6:8] if start.startswith("03-01T") and start.endswith(":00") else start: f"{quantity:f}"
        for (*_, start), quantity in sorted(cells.items())
    }


@pytest.mark.parametrize(
    ("made", "hours"),
    [
        ({"aggregation": "min"}, {"10": "-2", "12": "4"}),
        ({"aggregation": "max"}, {"10": "9", "12": "4"}),
        ({"aggregation": "mean"}, {"10": "4", "12": "4"}),
        ({"aggregation": "percentile", "percentile": "50"}, {"10": "5", "12": "4"}),
        ({"aggregation": "percentile", "percentile": "33.3333"}, {"10": "-2", "12": "4"}),
        ({"aggregation": "percentile", "percentile": "33.3334"}, {"10": "5", "12": "4"}),
        ({"aggregation": "percentile", "percentile": "100"}, {"10": "9", "12": "4"}),
        ({"aggregation": "latest"}, {"10": "9", "12": "4"}),
        ({"aggregation": "last_known"}, {"10": "9", "11": "9", "12": "4", "13": "4"}),
        ({"aggregation": "unique", "of": "pod"}, {"10": "1", "12": "1"}),
        # Five for ten minutes, then minus two for as long.
        ({"aggregation": "integral", **HALF_HOUR}, {"10": str(600 * (5 - 2) + 1800 * 9)}),
        ({"aggregation": "average", **HALF_HOUR}, {"10": "5"}),
        ({"aggregation": "active", **HALF_HOUR}, {"10": "3000"}),
    ],
)
def test_samples_of_a_gauge(made: dict[str, Any], hours: dict[str, str]) -> None:
    """Nothing was read between eleven and twelve, so only what is known for ever has a quantity then."""
    batch = {"series": [gauge()], "samples": read((0, 5), (10, -2), (20, 9), (120, 4))}
    assert of_acme(GAUGE | made, batch) == hours


@pytest.mark.parametrize(
    ("made", "hours"),
    [
        ({"aggregation": "count"}, {"10": "3", "12": "1"}),
        ({"aggregation": "sum"}, {"10": "12", "12": "4"}),
        ({"aggregation": "total"}, {"10": "12", "11": "12", "12": "16", "13": "16"}),
        ({"aggregation": "min"}, {"10": "-2", "12": "4"}),
        ({"aggregation": "max"}, {"10": "9", "12": "4"}),
        ({"aggregation": "mean"}, {"10": "4", "12": "4"}),
        ({"aggregation": "percentile", "percentile": "50"}, {"10": "5", "12": "4"}),
        ({"aggregation": "latest"}, {"10": "9", "12": "4"}),
        ({"aggregation": "last_known"}, {"10": "9", "11": "9", "12": "4", "13": "4"}),
        # The value of an event is held until the next one, and until now.
        (
            {"aggregation": "integral"},
            {"10": str(600 * (5 - 2) + 2400 * 9), "11": str(3600 * 9), "12": "14400", "13": "7200"},
        ),
        ({"aggregation": "average"}, {"10": "6.5", "11": "9", "12": "4", "13": "2"}),
        ({"aggregation": "active"}, {"10": "3600", "11": "3600", "12": "3600", "13": "1800"}),
        # As changes they add up to 5, 3, 12 and 16.
        ({"aggregation": "min", "changes": True}, {"10": "3", "12": "16"}),
        ({"aggregation": "max", "changes": True}, {"10": "12", "12": "16"}),
        ({"aggregation": "latest", "changes": True}, {"10": "12", "12": "16"}),
        ({"aggregation": "last_known", "changes": True}, {"10": "12", "11": "12", "12": "16", "13": "16"}),
        (
            {"aggregation": "integral", "changes": True},
            {"10": str(600 * (5 + 3) + 2400 * 12), "11": str(3600 * 12), "12": str(3600 * 16), "13": str(1800 * 16)},
        ),
    ],
)
def test_events(made: dict[str, Any], hours: dict[str, str]) -> None:
    seats = [seat(1, 0, "5"), seat(2, 10, "-2"), seat(3, 20, "9"), seat(4, 120, "4")]
    assert of_acme(EVENTS | made, {"events": seats}) == hours


def test_every_aggregation_has_its_story() -> None:
    """Those of counters have them among the rules of metering, and below."""
    stories = [test_samples_of_a_gauge, test_events]
    told = [{case[0]["aggregation"] for case in story.pytestmark[0].args[1]} for story in stories]  # type: ignore[attr-defined]
    assert told[0] | {"increase", "rate"} == AGGREGATIONS["metric"].keys()
    assert told[1] | {"unique"} == AGGREGATIONS["event"].keys()


def test_a_rate_is_what_was_added_per_second_of_the_window() -> None:
    batch = {"series": [series(1, since=TEN)], "samples": read((0, 0), (30, 5400), (90, 9000))}
    meter = COUNTER | {"aggregation": "rate", "max_gap_s": 3600}
    # 3600 are added from half past ten to half past eleven.
    assert of_acme(meter, batch) == {"10": "2", "11": "0.5"}
    assert of_acme(meter | DAY, batch) == {"00": "0.104166667"}


def test_what_is_not_there_is_nothing_on_the_average() -> None:
    batch = {"series": [gauge()], "samples": read((30, 10), (45, 30), (60, 0), (61, STALE))}
    assert of_acme(GAUGE | {"aggregation": "average", **HALF_HOUR}, batch) == {"10": "10", "11": "0"}


@pytest.mark.parametrize(
    ("made", "by_pod", "by_all"),
    [
        ({"aggregation": "max"}, "11", "7"),
        ({"aggregation": "min"}, "6", "1"),
        ({"aggregation": "mean"}, "8.333333334", "4.166666667"),
        ({"aggregation": "latest"}, "11", "7"),
        ({"aggregation": "last_known"}, "11", "7"),
        ({"aggregation": "percentile", "percentile": "50"}, "8", "4"),
    ],
)
def test_a_tenant_has_what_its_resources_have_together(made: dict[str, Any], by_pod: str, by_all: str) -> None:
    samples = read((0, 1), (30, 3), (40, 4)) + read((10, 5), (39, 5), (50, 7), number=2)
    batch = {"series": [gauge(1, "a"), gauge(2, "b")], "samples": samples}
    # Without the label that tells them apart, and with none to do so, both are one resource.
    for per, quantity in ((None, by_pod), (["pod"], by_pod), (["nobody"], by_all), ([], by_all)):
        assert of_acme(GAUGE | made | {"per": per}, batch)["10"] == quantity


def test_averages_of_resources_are_added_up() -> None:
    samples = read((0, 10), (60, 10)) + read((0, 20), (60, 20), number=2)
    batch = {"series": [gauge(1, "a"), gauge(2, "b")], "samples": samples}
    assert of_acme(GAUGE | {"aggregation": "average", "max_gap_s": 3600}, batch) == {"10": "30"}


@pytest.mark.parametrize(
    ("percent", "of_one", "of_two", "of_twenty"),
    [
        ("95", 1, 2, 19),
        ("95.0001", 1, 2, 20),
        ("50", 1, 1, 10),
        ("50.0001", 1, 2, 11),
        ("0.0001", 1, 1, 1),
        ("100", 1, 2, 20),
    ],
)
def test_percentiles_by_nearest_rank(percent: str, of_one: int, of_two: int, of_twenty: int) -> None:
    meter = EVENTS | {"aggregation": "percentile", "percentile": percent}
    for count, expected in ((1, of_one), (2, of_two), (20, of_twenty)):
        seats = [seat(number, number, str(number)) for number in range(1, count + 1)]
        assert of_acme(meter, {"events": seats}) == {"10": str(expected)}


def test_different_values_are_counted_once_and_nobody_is_none() -> None:
    users = ['{"user":"ann"}', '{"user":"bob"}', '{"user":"ann","size":"s"}', "{}", '{"user":"eve"}']
    seats = [seat(number, minute, properties=users[number]) for number, minute in enumerate((0, 1, 2, 3, 70))]
    meter = EVENTS | {"aggregation": "unique", "of": "user"}
    assert of_acme(meter, {"events": seats}) == {"10": "2", "11": "1"}
    assert of_acme(meter | DAY, {"events": seats}) == {"00": "3"}
    assert found(meter | {"group_by": ["size"]}, {"events": seats}) == {
        ("acme", "{}", "03-01T10:00"): 2,
        ("acme", '{"size":"s"}', "03-01T10:00"): 1,
        ("acme", "{}", "03-01T11:00"): 1,
    }
    pods = {
        "series": [gauge(1, "a"), gauge(2, "a", source="kube/b"), gauge(3, "b"), gauge(4, "")],
        "samples": [(number, at(number), 0.0) for number in (1, 2, 3, 4)],
    }
    assert of_acme(GAUGE | {"aggregation": "unique", "of": "pod"}, pods) == {"10": "2"}


def test_each_resource_has_a_value_of_its_own() -> None:
    """Two floors: one keeps its three seats while the other gives one back."""
    floors = ['{"floor":"1"}', '{"floor":"2"}']
    seats = [seat(1, 0, "3", floors[0]), seat(2, 0, "2", floors[1]), seat(3, 30, "1", floors[1])]
    for made, one, each in (
        ("last_known", "1", "4"),
        ("latest", "1", "4"),
        ("average", "1.5", "4.5"),
        ("active", "3600", "7200"),
    ):
        meter = EVENTS | {"aggregation": made}
        if made in ("last_known", "latest"):
            assert of_acme(meter, {"events": seats}, now=60) == {"10": one}
        assert of_acme(meter | {"per": ["floor"]}, {"events": seats}, now=60) == {"10": each}
    assert found(EVENTS | {"aggregation": "last_known", "group_by": ["floor"]}, {"events": seats}, now=60) == {
        ("acme", floors[0], "03-01T10:00"): 3,
        ("acme", floors[1], "03-01T10:00"): 1,
    }


def test_an_expression_says_what_an_event_counts_for() -> None:
    told = ['{"weight":"3"}', '{"weight":"0.5"}', '{"weight":"heavy"}', "{}"]
    seats = [seat(number, number, "2", properties) for number, properties in enumerate(told)]
    meter = EVENTS | {"value": "value * weight"}
    # What has no weight counts for nothing.
    for made, quantity in (("sum", "7"), ("max", "6"), ("min", "1"), ("mean", "3.5"), ("latest", "1"), ("total", "7")):
        assert of_acme(meter | {"aggregation": made}, {"events": seats}, now=50) == {"10": quantity}
    assert of_acme(EVENTS | {"aggregation": "sum", "value": "value / 3"}, {"events": seats}) == {"10": "2.666666668"}


def test_one_of_the_alternatives_has_to_hold() -> None:
    told = ['{"floor":"1","kind":"a"}', '{"floor":"2","kind":"a"}', '{"floor":"2","kind":"b"}', "{}"]
    seats = [seat(number, number, properties=properties) for number, properties in enumerate(told)]
    meter = EVENTS | {"aggregation": "count", "any": [{"floor": "1"}, {"floor": "2", "kind": ["b", "c"]}]}
    assert of_acme(meter, {"events": seats}) == {"10": "2"}
    assert of_acme(meter | {"filter": {"kind": "b"}}, {"events": seats}) == {"10": "1"}


@pytest.mark.parametrize(
    ("rounding", "quantity"),
    [
        ({}, "2.5"),
        ({"digits": 0}, "2"),
        ({"digits": 0, "mode": "half_up"}, "3"),
        ({"digits": 0, "mode": "up"}, "3"),
        ({"digits": 0, "mode": "down"}, "2"),
        ({"digits": -1, "mode": "up"}, "10"),
    ],
)
def test_the_sum_of_all_resources_is_rounded(rounding: dict[str, Any], quantity: str) -> None:
    seats = [seat(number, number, "1.25", f'{{"floor":"{number}"}}') for number in (1, 2)]
    meter = EVENTS | {"aggregation": "max", "per": ["floor"], "rounding": rounding}
    assert of_acme(meter, {"events": seats}) == {"10": quantity}


@pytest.mark.parametrize("sign", [1, -1])
def test_values_near_the_limit_do_not_wrap_round(sign: int) -> None:
    top = 2**62 - 512
    samples = read(*((minute, float(sign * top)) for minute in range(5)))
    for made in ("min", "max", "mean", "latest", "last_known"):
        found = of_acme(GAUGE | {"aggregation": made}, {"series": [gauge()], "samples": samples}, now=50)
        assert found == {"10": str(sign * top)}
    seats = [seat(number, number, str(sign * top)) for number in range(5)]
    for made, quantity in (("total", 5 * top), ("mean", top), ("sum", 5 * top)):
        assert of_acme(EVENTS | {"aggregation": made}, {"events": seats}, now=50) == {"10": str(sign * quantity)}
    held = EVENTS | {"aggregation": "integral", "changes": True}
    assert of_acme(held, {"events": seats}, now=5) == {"10": str(sign * (1 + 2 + 3 + 4 + 5) * 60 * top)}
    peak = EVENTS | {"aggregation": "max", "changes": True}
    assert of_acme(peak, {"events": seats}, now=5) == {"10": str(5 * top if sign > 0 else -top)}


def test_what_a_series_told_of_one_owner_is_no_longer_known_when_it_tells_of_another() -> None:
    moved = (
        {"series": [gauge()], "samples": read((0, 5), (40, 5))},
        {
            "series": [gauge(tenant="blue", since=at(90))],
            "samples": read((100, 7)),
        },
    )
    meter = Meter.model_validate(GAUGE | {"aggregation": "last_known"})
    assert found(GAUGE | {"aggregation": "last_known"}, *moved) == {
        ("acme", "{}", "03-01T10:00"): 5,
        **{("blue", "{}", f"03-01T{hour}:00"): 7 for hour in (11, 12, 13)},
    }
    with memory_journal(at(210)) as journal:
        for batch in moved:
            journal.send("one", content(**batch))
        cells = measure(journal.view(), meter, TEN + 2 * HOUR, TEN + 4 * HOUR)
    assert {(key.tenant, start) for key, start in cells} == {("blue", TEN + 2 * HOUR), ("blue", TEN + 3 * HOUR)}


def test_days_of_berlin_are_as_long_as_they_are() -> None:
    """One seat is taken for good; on 29 March clocks go ahead."""
    taken = {"events": [seat(1, 0, time=instants.parse("2026-03-28T12:00:00Z"))]}
    day = {"window": {"unit": "day", "zone": "Europe/Berlin"}}
    until = (instants.parse("2026-03-30T22:00:00Z") - TEN) / MINUTE
    assert of_acme(EVENTS | day | {"aggregation": "integral"}, taken, now=until) == {
        "03-27T23:00": str(11 * 3600),
        "03-28T23:00": str(23 * 3600),
        "03-29T22:00": str(24 * 3600),
    }
    average = of_acme(EVENTS | day | {"aggregation": "average"}, taken, now=until)
    assert average == {"03-27T23:00": "0.458333333", "03-28T23:00": "1", "03-29T22:00": "1"}


def test_months_that_begin_on_the_last_day() -> None:
    times = ("2026-02-27T23:59:59.999999Z", "2026-02-28T00:00:00Z", "2026-03-30T23:00:00Z", "2026-03-31T00:00:00Z")
    seats = [seat(number, 0, time=instants.parse(time)) for number, time in enumerate(times)]
    meter = EVENTS | {"aggregation": "count", "window": {"unit": "month", "anchor": 31}}
    assert of_acme(meter, {"events": seats}, now=60 * 24 * 40) == {
        "01-31T00:00": "1",
        "02-28T00:00": "2",
        "03-31T00:00": "1",
    }


def test_minutes() -> None:
    seats = [seat(1, 0.999), seat(2, 1), seat(3, 1.5)]
    meter = EVENTS | {"aggregation": "count", "window": "minute"}
    assert of_acme(meter, {"events": seats}) == {"10": "1", "03-01T10:01": "2"}
    batch = {"series": [gauge()], "samples": read((0.5, 10), (1.25, 0), (2, 0))}
    average = GAUGE | {"aggregation": "average", "window": "minute"}
    assert of_acme(average, batch) == {"10": "5", "03-01T10:01": "2.5"}
