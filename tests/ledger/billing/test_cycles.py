"""Cycles tile a subscription, parts tile a cycle, and shares add up to one, whatever clocks do."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from ledger.billing.cycles import Account, Cycle, stretches
from ledger.directory.catalog import Catalog
from ledger.directory.manifest import parse_manifests
from ledger.directory.subscription import Subscription
from ledger.directory.versions import Definition
from ledger.schema.moments import instant_of
from meterbook.wire import instants

ZONES = (
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "America/St_Johns",
    "America/Havana",
    "Asia/Kolkata",
)
INTERVALS = ("day", "week", "month", "quarter", "year")
ANCHORS = ("calendar", "start")
PRORATIONS = ("day", "second", "none")
FIRST, LAST = 1990, 2030
#: How many cycles of one subscription are looked at; those of days go on for 40 years in another test.
CYCLES_MAX = 130


def _plan(interval: str, anchor: str, proration: str) -> str:
    name = f"{interval}-{anchor}-{proration}"
    return f"kind: plan\nname: {name}\nspec: {{currency: EUR, interval: {interval}, anchor: {anchor}, proration: {proration}, flat_fee: 1}}\n"


BOOK = "---\n".join(
    _plan(interval, anchor, proration) for interval in INTERVALS for anchor in ANCHORS for proration in PRORATIONS
)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    manifest = parse_manifests([("a.yaml", BOOK)])
    assert manifest.faults == ()
    return Catalog.of([]).extended(
        Definition(each.kind, each.name, 1, each.effective_from_us, each.spec, "ada", 1) for each in manifest.documents
    )


def account(catalog: Catalog, zone: str, **told: object) -> Account:
    return Account("s", "acme", ZoneInfo(zone), Subscription.model_validate({"tenant": "acme", **told}), catalog)


def cycles(of: Account, most: int = CYCLES_MAX) -> list[Cycle]:
    found = []
    cycle = of.cycle_at(of.bounds[0])
    while cycle is not None and len(found) < most:
        found.append(cycle)
        cycle = of.after(cycle)
    return found


def check(of: Account, draw: random.Random, most: int = CYCLES_MAX) -> list[Cycle]:
    """Assert all that holds for the cycles of any subscription."""
    found = cycles(of, most)
    start_us, end_us = of.bounds
    assert found[0].period.start_us == start_us
    assert of.before(found[0]) is None
    assert of.cycle_at(start_us - 1) is None
    if end_us is not None and len(found) < most:
        assert found[-1].period.end_us == end_us
        assert of.cycle_at(end_us) is None
    for one, two in pairwise(found):
        assert one.period.end_us == two.period.start_us
        assert of.before(two) == one
    for cycle in found:
        assert cycle.whole.start_us <= cycle.period.start_us < cycle.period.end_us <= cycle.whole.end_us
        inside = draw.randrange(cycle.period.start_us, cycle.period.end_us)
        assert of.cycle_at(inside) == of.cycle_at(cycle.period.end_us - 1) == cycle
        check_parts(of, cycle)
    return found


def check_parts(of: Account, cycle: Cycle) -> None:
    parts = of.parts(cycle)
    assert parts[0].period.start_us == cycle.period.start_us
    assert parts[-1].period.end_us == cycle.period.end_us
    assert all(one.period.end_us == two.period.start_us for one, two in pairwise(parts))
    assert sum(each.share for each in stretches(parts)) == sum(part.share for part in parts)
    assert all(0 <= part.share <= 1 for part in parts)
    if {part.plan.proration for part in parts} == {"none"}:
        assert sum(part.share for part in parts) == (0 if all(part.free for part in parts) else 1)
    for proration in ("day", "second"):
        plan = next(
            each.spec
            for each in of.catalog
            if each.kind == "plan" and each.spec.proration == proration  # type: ignore[attr-defined]
        )
        edges = [
            cycle.whole.start_us,
            *(part.period.start_us for part in parts),
            cycle.period.end_us,
            cycle.whole.end_us,
        ]
        shares = [of.share(cycle, plan, one, two) for one, two in pairwise(edges)]  # type: ignore[arg-type]
        assert sum(shares) == 1
        assert min(shares) >= 0
        covered = [part for part in parts if part.plan.proration == proration and not part.free]
        assert all(
            part.share == of.share(cycle, part.plan, part.period.start_us, part.period.end_us) for part in covered
        )


def moments(zone: str) -> list[str]:
    """Beginnings that are hard: the last days of months, and what clocks skipped or showed twice."""
    found = [f"{year}-{day}" for year in (1992, 2011, 2012) for day in ("01-29", "01-30", "01-31", "03-31", "12-31")]
    found += ["1992-02-29", "2012-02-29", "2011-12-29", "2011-12-30", "2018-11-04", "2017-10-15"]
    at, last, step = datetime(2010, 1, 1, tzinfo=UTC), datetime(2019, 1, 1, tzinfo=UTC), timedelta(hours=6)
    place = ZoneInfo(zone)
    while at < last and len(found) < 60:
        if at.astimezone(place).utcoffset() != (at + step).astimezone(place).utcoffset():
            found += [
                instants.text(instants.from_datetime(at + timedelta(minutes=minutes))) for minutes in range(0, 420, 37)
            ]
            at += timedelta(days=30)
        at += step
    return found


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("anchor", ANCHORS)
def test_cycles_tile_whatever_they_begin_with(catalog: Catalog, zone: str, anchor: str) -> None:
    draw = random.Random(f"{zone} {anchor}")
    for start in moments(zone):
        for interval in INTERVALS:
            plan = f"{interval}-{anchor}-{draw.choice(PRORATIONS)}"
            check(account(catalog, zone, plan=plan, start=start), draw, most=14)


@pytest.mark.parametrize("zone", ZONES)
def test_cycles_tile_forty_years(catalog: Catalog, zone: str) -> None:
    draw = random.Random(zone)
    for interval in INTERVALS:
        for anchor in ANCHORS:
            of = account(catalog, zone, plan=f"{interval}-{anchor}-day", start=f"{FIRST}-01-31", end=f"{LAST}-01-31")
            at_us, end_us = of.bounds
            assert end_us is not None
            number = 0
            while at_us < end_us:
                cycle = of.cycle_at(at_us)
                assert cycle is not None
                assert cycle.period.start_us == at_us
                if draw.random() < 0.01:
                    check_parts(of, cycle)
                at_us, number = cycle.period.end_us, number + 1
            expected = {"day": 14_610, "week": 2_088, "month": 480, "quarter": 160, "year": 40}[interval]
            # The calendar's are cut by the start; of days Samoa left one out.
            assert expected - 1 <= number <= expected + 1


def _later(start: datetime, days: int) -> str:
    return (start + timedelta(days=days)).date().isoformat()


@pytest.mark.parametrize("zone", ZONES)
def test_moves_trials_and_pauses_cut_and_leave_nothing_out(catalog: Catalog, zone: str) -> None:
    draw = random.Random(zone)
    for _ in range(60):
        start = datetime(draw.randrange(FIRST, LAST - 6), draw.randrange(1, 13), draw.randrange(1, 29), tzinfo=UTC)
        days = sorted(draw.sample(range(1, 1500), 9))
        plans = [f"{draw.choice(INTERVALS)}-{draw.choice(ANCHORS)}-{draw.choice(PRORATIONS)}" for _ in range(4)]
        of = account(
            catalog,
            zone,
            plan=plans[0],
            start=_later(start, 0),
            end=_later(start, days[8] + 1),
            trial_until=_later(start, draw.choice([7, 14, 45])),
            moves=[
                {"since": _later(start, days[place]), "plan": plan}
                for place, plan in zip((1, 4, 6), plans[1:], strict=True)
            ],
            pauses=[
                {"since": _later(start, days[2]), "until": _later(start, days[3])},
                {"since": _later(start, days[5]), "until": _later(start, days[7])},
            ],
        )
        check(of, draw)


def test_a_move_to_another_length_cuts_the_period_and_begins_its_own(catalog: Catalog) -> None:
    moves = [{"since": "2026-03-10", "plan": "year-start-day"}, {"since": "2026-06-10", "plan": "month-start-day"}]
    of = account(catalog, "Europe/Berlin", plan="month-calendar-day", start="2026-02-15", end="2026-07-01", moves=moves)
    found = [
        (cycle.period.start_us, cycle.period.end_us, of.parts(cycle)[0].share) for cycle in check(of, random.Random(1))
    ]
    zone = ZoneInfo("Europe/Berlin")
    expected = [
        ("2026-02-15", "2026-03-01", Fraction(14, 28)),
        ("2026-03-01", "2026-03-10", Fraction(9, 31)),
        ("2026-03-10", "2026-06-10", Fraction(92, 365)),
        ("2026-06-10", "2026-07-01", Fraction(21, 30)),
    ]
    assert found == [(instant_of(one, zone), instant_of(two, zone), share) for one, two, share in expected]


def test_the_last_day_of_a_month_comes_back(catalog: Catalog) -> None:
    of = account(catalog, "America/New_York", plan="month-start-day", start="2026-01-31")
    days = [instants.to_datetime(each.period.start_us).astimezone(of.zone).strftime("%m-%d") for each in cycles(of, 6)]
    assert days == ["01-31", "02-28", "03-31", "04-30", "05-31", "06-30"]


def test_a_day_of_change_is_charged_to_what_begins_in_it(catalog: Catalog) -> None:
    told = {"plan": "month-calendar-day", "start": "2026-04-10T15:00:00Z", "end": "2026-04-20T15:00:00Z"}
    of = account(catalog, "UTC", **told)
    (cycle,) = cycles(of)
    assert [part.share for part in of.parts(cycle)] == [Fraction(10, 30)]


def test_an_hour_that_is_shown_again_after_midnight_is_of_the_day_that_began(catalog: Catalog) -> None:
    # In St John's clocks once went back at one minute past midnight: the evening before came again.
    of = account(catalog, "America/St_Johns", plan="month-calendar-day", start="2009-11-01T03:00:00Z")
    cycle = of.cycle_at(of.bounds[0])
    assert cycle is not None
    assert [part.share for part in of.parts(cycle)] == [Fraction(1)]


@pytest.mark.parametrize(
    ("before", "after", "shares"),
    [
        ("none", "none", [Fraction(1), Fraction(0)]),
        ("none", "day", [Fraction(1), Fraction(20, 30)]),
        ("day", "none", [Fraction(10, 30), Fraction(20, 30)]),
        ("day", "day", [Fraction(10, 30), Fraction(20, 30)]),
        ("day", "second", [Fraction(10, 30), Fraction(20, 30)]),
    ],
)
def test_what_is_not_prorated_takes_the_rest_of_the_period(
    catalog: Catalog, before: str, after: str, shares: list[Fraction]
) -> None:
    moves = [{"since": "2026-04-11", "plan": f"month-calendar-{after}"}]
    of = account(catalog, "UTC", plan=f"month-calendar-{before}", start="2026-04-01", moves=moves)
    (cycle,) = cycles(of, 1)
    assert [part.share for part in of.parts(cycle)] == shares
