"""Billing periods of a subscription: where they begin and end, and which parts of them are charged alike.

A plan says how long its periods are, and whether they begin as the calendar's do or on the day on which the subscription began. The
subscription cuts them: at its start and end, and where it moves to a plan with another length. So a *cycle* has two
periods: the whole one, by which fees are prorated, and what of it the subscription covers, which is what an invoice is for. Cycles tile the
subscription, and the parts of a cycle tile it, because both are cut out of one line by instants.

Periods that begin with the subscription are counted from its first day and never from the period before: one of 31 January ends on
28 February, and the next one on 31 March, at the customer's own time of day. A move to a plan with another length, or another beginning, cuts
the period there; periods that begin with the subscription are then counted from the move.

A version of a plan holds for a billing period if it holds at the first moment of the plan in it: no price changes within one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from ledger.billing.period import Period
from ledger.directory.catalog import Catalog
from ledger.directory.plan import Plan
from ledger.directory.subscription import Subscription
from ledger.metering.windows import Windows
from ledger.schema.calendar import Unit
from ledger.schema.moments import instant_of, local_midnight_us
from meterbook.wire import instants

_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAYS = {"day": 1, "week": 7}
_DAYS_OF_MONTH = 31
#: Periods and days that are remembered.
_KNOWN_MAX = 65_536


class NoPrice(LookupError):
    """A subscription's plan has no version at some moment of it."""


@dataclass(frozen=True)
class Cycle:
    """One billing period: the ``whole`` of it, and the part that the subscription covers."""

    whole: Period
    period: Period


@dataclass(frozen=True)
class Part:
    """A part of a cycle in which one version of one plan holds.

    ``share`` is what is charged here of what a whole billing period costs. ``free`` says why nothing is charged, "" where it is.
    """

    period: Period
    plan_name: str
    plan_version: int
    plan: Plan
    share: Fraction
    free: str = ""


@dataclass(frozen=True)
class Stretch:
    """The parts of a cycle in which one plan is charged, in order: what is paused between them splits no tier, allowance or minimum."""

    parts: tuple[Part, ...]

    @property
    def plan_name(self) -> str:
        """The name of the plan."""
        return self.parts[0].plan_name

    @property
    def plan(self) -> Plan:
        """The plan, the same in all parts."""
        return self.parts[0].plan

    @cached_property
    def period(self) -> Period:
        """From the beginning of the first part to the end of the last."""
        return Period(self.parts[0].period.start_us, self.parts[-1].period.end_us)

    @cached_property
    def share(self) -> Fraction:
        """What is charged in all parts together of what a whole billing period costs."""
        return sum((part.share for part in self.parts), Fraction(0))

    @cached_property
    def periods(self) -> tuple[Period, ...]:
        """The times of the parts; those that touch are one."""
        found: list[Period] = []
        for part in self.parts:
            if found and found[-1].end_us == part.period.start_us:
                found[-1] = Period(found[-1].start_us, part.period.end_us)
            else:
                found.append(part.period)
        return tuple(found)


def stretches(parts: Sequence[Part]) -> tuple[Stretch, ...]:
    """What is charged of the parts of a cycle, by plan, in the order in which the plans are charged first."""
    found: dict[str, list[Part]] = {}
    for part in parts:
        if not part.free:
            found.setdefault(part.plan_name, []).append(part)
    return tuple(Stretch(tuple(each)) for each in found.values())


@lru_cache(maxsize=_KNOWN_MAX)
def _calendar(interval: Unit, zone: str, at_us: int) -> Period:
    """The period of the calendar that holds an instant; the customers of a zone share it."""
    return Period(*Windows(interval, zone).bounds(at_us))


@lru_cache(maxsize=_KNOWN_MAX)
def _day(at_us: int, zone: ZoneInfo) -> int:
    """The number of the day that holds an instant. Where clocks that went back show the evening before once more, the day has begun."""
    day = instants.to_datetime(at_us).astimezone(zone).date()
    after = day + timedelta(days=1)
    has_begun = local_midnight_us(after.year, after.month, after.day, zone) <= at_us
    return after.toordinal() if has_begun else day.toordinal()


@dataclass(frozen=True)
class _Leg:
    """A time in which billing periods have one length and one beginning."""

    start_us: int
    end_us: int | None
    interval: Unit
    anchor: str

    def whole(self, at_us: int, zone: ZoneInfo) -> Period:
        """The whole period that holds an instant."""
        if self.anchor == "calendar":
            return _calendar(self.interval, zone.key, at_us)
        first = instants.to_datetime(self.start_us).astimezone(zone).replace(tzinfo=None, fold=0)
        local = instants.to_datetime(at_us).astimezone(zone).replace(tzinfo=None)
        if self.interval in _DAYS:
            number = (local - first).days // _DAYS[self.interval]
        else:
            months = (local.year - first.year) * 12 + local.month - first.month
            number = months // _MONTHS[self.interval]
        # The estimate may be one off where the day, or the clock, has not come yet.
        while self._boundary(number, first, zone) > at_us:
            number -= 1
        while self._boundary(number + 1, first, zone) <= at_us:
            number += 1
        return Period(self._boundary(number, first, zone), self._boundary(number + 1, first, zone))

    def _boundary(self, number: int, first: datetime, zone: ZoneInfo) -> int:
        if number == 0:
            # What its clock shows may have happened twice, and the first of the two is not when this began.
            return self.start_us
        if self.interval in _DAYS:
            local = first + timedelta(days=number * _DAYS[self.interval])
        else:
            months = first.year * 12 + first.month - 1 + number * _MONTHS[self.interval]
            local = _clamped(first, months // 12, months % 12 + 1)
        return instants.from_datetime(local.replace(tzinfo=zone))


def _clamped(first: datetime, year: int, month: int) -> datetime:
    for day in range(min(first.day, _DAYS_OF_MONTH), 0, -1):
        try:
            return first.replace(year=year, month=month, day=day)
        except ValueError:
            continue
    raise AssertionError("every month has a first day")


@dataclass(frozen=True)
class Account:
    """A subscription with all that its billing periods follow from."""

    name: str
    tenant: str
    zone: ZoneInfo
    subscription: Subscription
    catalog: Catalog

    @cached_property
    def bounds(self) -> tuple[int, int | None]:
        """Start and end of the subscription."""
        return self.subscription.bounds(self.zone)

    def cycle_at(self, at_us: int) -> Cycle | None:
        """The cycle that holds an instant; None outside of the subscription. Raises NoPrice."""
        for leg in self._legs:
            if leg.start_us <= at_us and (leg.end_us is None or at_us < leg.end_us):
                whole = leg.whole(at_us, self.zone)
                period = whole.clipped(leg.start_us, leg.end_us)
                assert period is not None
                return Cycle(whole, period)
        return None

    def before(self, cycle: Cycle) -> Cycle | None:
        """The cycle before; None before the first."""
        return self.cycle_at(cycle.period.start_us - 1)

    def after(self, cycle: Cycle) -> Cycle | None:
        """The cycle after; None after the last."""
        return self.cycle_at(cycle.period.end_us)

    def parts(self, cycle: Cycle) -> tuple[Part, ...]:
        """The parts of a cycle, in order; they tile it. Raises NoPrice."""
        if cycle not in self._parts:
            self._parts[cycle] = self._cut(cycle)
        return self._parts[cycle]

    @cached_property
    def _parts(self) -> dict[Cycle, tuple[Part, ...]]:
        """What was cut before: every draft asks for the parts of its cycle many times."""
        return {}

    def _cut(self, cycle: Cycle) -> tuple[Part, ...]:
        period, cuts = cycle.period, {cycle.period.start_us, cycle.period.end_us}
        cuts.update(moment for moment in self._cuts if period.holds(moment))
        edges = sorted(cuts)
        parts: list[Part] = []
        plans: dict[str, tuple[int, Plan]] = {}
        left = Fraction(1)
        for start_us, end_us in pairwise(edges):
            name, version, plan = self._plan_at(start_us)
            version, plan = plans.setdefault(name, (version, plan))
            free = self._free_at(start_us)
            share = Fraction(0)
            if not free:
                share = left if plan.proration == "none" else self.share(cycle, plan, start_us, end_us)
            left -= min(share, left)
            parts.append(Part(Period(start_us, end_us), name, version, plan, share, free))
        return tuple(parts)

    def share(self, cycle: Cycle, plan: Plan, start_us: int, end_us: int) -> Fraction:
        """What [start, end) is of the whole billing period, by the plan's seconds or else by days.

        By days, what changes within a day counts from the beginning of that day on: whoever starts in it is charged for it, and whoever
        ends in it is not.
        """
        whole = cycle.whole
        days = [_day(each, self.zone) for each in (whole.start_us, start_us, end_us, whole.end_us)]
        # A period of a day that begins where clocks go back over midnight may hold no beginning of a day.
        if plan.proration == "second" or days[0] == days[3]:
            return Fraction(end_us - start_us, whole.end_us - whole.start_us)
        return Fraction(days[2] - days[1], days[3] - days[0])

    def holds(self, since: str | None, until: str | None, at_us: int) -> bool:
        """Whether what holds from a moment to a moment (None: always) holds at an instant."""
        return (since is None or instant_of(since, self.zone) <= at_us) and (
            until is None or at_us < instant_of(until, self.zone)
        )

    @cached_property
    def _plans(self) -> tuple[tuple[int, str], ...]:
        """Since when which plan, in order; of those that begin at one instant the last one counts."""
        found = {self.bounds[0]: self.subscription.plan}
        for move in self.subscription.moves:
            since_us = max(instant_of(move.since, self.zone), self.bounds[0])
            if self.bounds[1] is None or since_us < self.bounds[1]:
                found[since_us] = move.plan
        return tuple(sorted(found.items()))

    def _plan_at(self, at_us: int) -> tuple[str, int, Plan]:
        name = next(plan for since_us, plan in reversed(self._plans) if since_us <= at_us)
        found = self.catalog.get("plan", name, at_us)
        if found is None or not isinstance(found.spec, Plan):
            raise NoPrice(f"plan {name!r} of {self.name!r} does not hold yet at {instants.text(at_us)}")
        return name, found.version, found.spec

    @cached_property
    def _legs(self) -> tuple[_Leg, ...]:
        legs: list[_Leg] = []
        for since_us, _ in self._plans:
            _, _, plan = self._plan_at(since_us)
            if legs and (legs[-1].interval, legs[-1].anchor) == (plan.interval, plan.anchor):
                continue
            if legs:
                legs[-1] = _Leg(legs[-1].start_us, since_us, legs[-1].interval, legs[-1].anchor)
            legs.append(_Leg(since_us, self.bounds[1], plan.interval, plan.anchor))
        return tuple(legs)

    def first_charged(self, plan: str) -> int | None:
        """The first moment of the subscription at which this plan holds and something is charged; None where there is none."""
        for place, (since_us, name) in enumerate(self._plans):
            ends = [start_us for start_us, _ in self._plans[place + 1 : place + 2]]
            end_us = ends[0] if ends else self.bounds[1]
            at_us: int | None = since_us
            for start_us, until_us, _ in sorted(self._free, key=lambda each: each[0]):
                if at_us is not None and start_us <= at_us and (until_us is None or at_us < until_us):
                    at_us = until_us
            if name == plan and at_us is not None and (end_us is None or at_us < end_us):
                return at_us
        return None

    @cached_property
    def _free(self) -> tuple[tuple[int, int | None, str], ...]:
        """When nothing is charged, and why."""
        return tuple(self._free_times())

    def _free_times(self) -> Iterator[tuple[int, int | None, str]]:
        if self.subscription.trial_until is not None:
            yield self.bounds[0], instant_of(self.subscription.trial_until, self.zone), "trial"
        for pause in self.subscription.pauses:
            until_us = None if pause.until is None else instant_of(pause.until, self.zone)
            yield instant_of(pause.since, self.zone), until_us, "paused"

    def _free_at(self, at_us: int) -> str:
        return next(
            (why for start_us, end_us, why in self._free if start_us <= at_us and (end_us is None or at_us < end_us)),
            "",
        )

    @cached_property
    def _cuts(self) -> tuple[int, ...]:
        """The moments at which something changes that parts are cut by."""
        free = [moment for start_us, end_us, _ in self._free for moment in (start_us, end_us) if moment is not None]
        return (*(since_us for since_us, _ in self._plans), *free)
