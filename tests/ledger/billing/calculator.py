"""A second opinion on what a subscription is charged: slow, plain, and written from what the documents say of themselves.

It knows documents as they are written, dates, and fractions, and shares no code with what it checks. Instants are microseconds, as everywhere. What it
gives is what every cycle is charged in the end, by what lines are told by: no invoices, no corrections, no order in which anything became known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from tests.ledger.billing.pricing import Detail, Document, Key, Sum, bounds, discounts, rated, rounded

#: Usage of a meter in [start, end), by dimensions.
Usage = Callable[[str, int, int], Mapping[tuple[tuple[str, str], ...], Fraction]]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAYS = {"day": 1, "week": 7}
_COINS = {"EUR": 100, "JPY": 1}


def micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def moment(text: str, zone: ZoneInfo) -> int:
    if "T" not in text:
        return micros(datetime.fromisoformat(text).replace(tzinfo=zone))
    return micros(datetime.fromisoformat(text.replace("Z", "+00:00")))


def local(at_us: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(microseconds=at_us)).astimezone(zone)


def midnight(day: date, zone: ZoneInfo) -> int:
    return micros(datetime(day.year, day.month, day.day, tzinfo=zone))


@dataclass(frozen=True)
class World:
    """All that there is to know: plans with their versions and tenant's attributes by the date they hold from, oldest first."""

    zone: ZoneInfo
    plans: Mapping[str, Sequence[tuple[str, Document]]]
    attributes: Sequence[tuple[str, Mapping[str, str]]]
    subscription: Document
    usage: Usage


@dataclass
class _Stretch:
    """A plan in a cycle: the times in which it is charged, each with its share of a whole period."""

    plan: Document
    name: str
    times: list[tuple[int, int, Fraction]] = field(default_factory=list)

    @property
    def share(self) -> Fraction:
        return sum((share for _, _, share in self.times), Fraction(0))


class Calculator:
    """What every cycle of a subscription is charged."""

    def __init__(self, world: World) -> None:
        self.world, self.zone, self.told = world, world.zone, world.subscription
        self.start = moment(self.told["start"], self.zone)
        self.end = moment(self.told["end"], self.zone)
        self.plans = [(self.start, self.told["plan"])] + [
            (moment(each["since"], self.zone), each["plan"]) for each in self.told.get("moves", ())
        ]
        self.free = [
            (moment(each["since"], self.zone), moment(each["until"], self.zone)) for each in self.told.get("pauses", ())
        ]
        if "trial_until" in self.told:
            self.free.append((self.start, moment(self.told["trial_until"], self.zone)))
        self.carried: dict[str, list[tuple[Fraction, int]]] = {}
        self.had_once: set[str] = set()
        #: The plans of the cycle, charged or not, in order of time.
        self.held: list[Document] = []

    def charged(self) -> dict[tuple[int, Key], Fraction]:
        """The amounts, by the beginning of the cycle and what the line is told by; nothing that is zero."""
        found: dict[tuple[int, Key], Fraction] = {}
        for whole, (start, end) in self.cycles():
            for key, amount in self._cycle(whole, start, end):
                found[start, key] = found.get((start, key), Fraction(0)) + amount
        return {key: amount for key, amount in found.items() if amount}

    # Cycles

    def cycles(self) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        """The whole period and the covered one of every cycle."""
        edges = [(self.start, self._kind(self.plans[0][1]))]
        for since, name in self.plans[1:]:
            if since < self.end and self._kind(name) != edges[-1][1]:
                edges.append((since, self._kind(name)))
        for (start, kind), (end, _) in pairwise([*edges, (self.end, ("", ""))]):
            for lower, upper in pairwise(self._boundaries(kind, start, end)):
                if lower < end and upper > start:
                    yield (lower, upper), (max(lower, start), min(upper, end))

    def _kind(self, plan: str) -> tuple[str, str]:
        newest = self.world.plans[plan][-1][1]
        return newest.get("interval", "month"), newest.get("anchor", "calendar")

    def _boundaries(self, kind: tuple[str, str], start: int, end: int) -> list[int]:
        """Beginnings of whole periods from the one that holds the start to the first after the end."""
        interval, anchor = kind
        first = local(start, self.zone).replace(tzinfo=None, fold=0)
        found = {start} if anchor == "start" else set()
        number = 1 if anchor == "start" else -500
        if anchor == "calendar":
            day = first.date()
            first = datetime(day.year, 1, 1) if interval in _MONTHS else datetime(day.year, day.month, day.day)  # noqa: DTZ001
            if interval == "week":
                first -= timedelta(days=first.weekday())
        while not found or max(found) <= end:
            found.add(micros(_nth(first, interval, number).replace(tzinfo=self.zone)))
            number += 1
        return sorted(found)

    # Parts

    def _stretches(self, whole: tuple[int, int], start: int, end: int) -> list[_Stretch]:
        cuts = {start, end, *(since for since, _ in self.plans), *(at for each in self.free for at in each)}
        versions: dict[str, Document] = {}
        found: dict[str, _Stretch] = {}
        taken = Fraction(0)
        self.held = []
        for lower, upper in pairwise(sorted(cut for cut in cuts if start <= cut <= end)):
            name = [plan for since, plan in self.plans if since <= lower][-1]
            plan = versions.setdefault(name, self._version(name, lower))
            self.held.append(plan)
            if any(since <= lower < until for since, until in self.free):
                continue
            share = self.share(plan, whole, lower, upper)
            if plan.get("proration", "none") == "none":
                share = max(1 - taken, Fraction(0))
            taken += share
            found.setdefault(name, _Stretch(plan, name)).times.append((lower, upper, share))
        return list(found.values())

    def _version(self, name: str, at: int) -> Document:
        return [spec for since, spec in self.world.plans[name] if moment(since, ZoneInfo("UTC")) <= at][-1]

    def share(self, plan: Document, whole: tuple[int, int], start: int, end: int) -> Fraction:
        if plan.get("proration") == "second":
            return Fraction(end - start, whole[1] - whole[0])
        day = self._day
        return Fraction(day(end) - day(start), day(whole[1]) - day(whole[0]))

    def _day(self, at: int) -> int:
        near = local(at, self.zone).date() + timedelta(days=2)
        while midnight(near, self.zone) > at:
            near -= timedelta(days=1)
        return near.toordinal()

    # Amounts

    def _cycle(self, whole: tuple[int, int], start: int, end: int) -> Iterator[tuple[Key, Fraction]]:
        lots = {price: list(each) for price, each in self.carried.items()}
        stretches = self._stretches(whole, start, end)
        for stretch in stretches:
            yield from self._plan(whole, stretch, lots)
        self.carried = self._kept(lots)

    def _kept(self, lots: Mapping[str, list[tuple[Fraction, int]]]) -> dict[str, list[tuple[Fraction, int]]]:
        """What the next cycle is given: of prices of a plan that held here, charged or paused, one cycle older."""
        found = {}
        for plan in self.held:
            for price in _prices(plan):
                if "included" in price and "meter" in price:
                    kept = [(quantity, left) for quantity, left in lots.get(price["name"], ()) if left and quantity]
                    most = price["included"].get("rollover_maximum")
                    over = (
                        sum((quantity for quantity, _ in kept), Fraction(0)) - Fraction(most) if most else Fraction(0)
                    )
                    cut = []
                    for quantity, left in kept:
                        off = min(max(over, Fraction(0)), quantity)
                        over -= off
                        cut.append((quantity - off, left - 1))
                    found[price["name"]] = [each for each in cut if each[0]]
        return found

    def _plan(self, whole: tuple[int, int], stretch: _Stretch, lots: dict[str, Any]) -> Iterator[tuple[Key, Fraction]]:
        coins, share = _COINS[stretch.plan["currency"]], stretch.share
        is_first = stretch.name not in self.had_once
        self.had_once.add(stretch.name)
        at = stretch.times[0][0]
        promised = [
            each
            for each in self.told.get("overrides", ())
            if ("since" not in each or moment(each["since"], self.zone) <= at)
            and ("until" not in each or at < moment(each["until"], self.zone))
        ]
        of_plan = Sum()
        for product in stretch.plan["products"]:
            of_product = Sum()
            for price in product["prices"]:
                if price.get("times") == "once" and not is_first:
                    continue
                of_price = Sum()
                mine = [each for each in promised if each.get("price") == price["name"]]
                pieces = self._pieces(whole, stretch, price, mine, lots)
                for details, each_share in pieces:
                    exact = sum((detail[2] for detail in details), Fraction(0)) * each_share
                    of_price.add(exact, rounded(exact, coins))
                    yield ("charge", product["name"], price["name"], ""), rounded(exact, coins)
                mine_share = Fraction(1) if price.get("times") == "once" else share
                yield from discounts(of_price, mine, mine_share, coins, product["name"], price["name"], pieces)
                yield from bounds(of_price, price, mine_share, coins, stretch.plan, product["name"], price["name"])
                of_product.add(of_price.exact, of_price.coins)
            mine = [each for each in promised if each.get("product") == product["name"]]
            yield from discounts(of_product, mine, share, coins, product["name"], "", ())
            yield from bounds(of_product, product, share, coins, stretch.plan, product["name"], "")
            of_plan.add(of_product.exact, of_product.coins)
        mine = [each for each in promised if "price" not in each and "product" not in each]
        yield from discounts(of_plan, mine, share, coins, "", "", ())
        yield from bounds(of_plan, stretch.plan, share, coins, stretch.plan, "", "")

    def _pieces(
        self, whole: tuple[int, int], stretch: _Stretch, price: Document, mine: Sequence[Document], lots: dict[str, Any]
    ) -> list[tuple[list[Detail], Fraction]]:
        """What is charged for a whole period, in details, and the share of it, for each piece of time that is a line."""
        model = next((each["charge"] for each in mine if "charge" in each), price["charge"])
        if "meter" in price:
            used: dict[tuple[tuple[str, str], ...], Fraction] = {}
            for start, end in _touching([(start, end) for start, end, _ in stretch.times]):
                for dimensions, quantity in self.world.usage(price["meter"], start, end).items():
                    used[dimensions] = used.get(dimensions, Fraction(0)) + quantity
            where = price.get("where", {})
            used = {
                dimensions: quantity
                for dimensions, quantity in used.items()
                if all(dict(dimensions).get(name) in values for name, values in where.items())
            }
            quantity = sum(used.values(), Fraction(0))
            if "included" in price:
                quantity = self._after_included(price, stretch.share, quantity, lots)
            return [(rated(model, quantity, {}), Fraction(1))]
        if price.get("times") == "once":
            return [(rated(model, Fraction(1), self._attributes(stretch.times[0][0])), Fraction(1))]
        found: list[tuple[Fraction, dict[str, str], int, int, Fraction]] = []
        for start, end, share in stretch.times:
            cuts = {start, end, *(at for at in self._changes(price) if start < at < end)}
            for lower, upper in pairwise(sorted(cuts)):
                part = self.share(stretch.plan, whole, lower, upper)
                if stretch.plan.get("proration", "none") == "none":
                    part = share if lower == start else Fraction(0)
                held = self._held(price, lower) if "quantity" in price else Fraction(1)
                about = self._attributes(lower) if model["model"] == "attribute" else {}
                if found and found[-1][:2] == (held, about) and found[-1][3] == lower:
                    found[-1] = (held, about, found[-1][2], upper, found[-1][4] + part)
                else:
                    found.append((held, about, lower, upper, part))
        free = Fraction(price["included"]["quantity"]) if "included" in price else Fraction(0)
        return [
            (rated(model, max(held - free, Fraction(0)), about), share) for held, about, _, _, share in found if share
        ]

    def _changes(self, price: Document) -> list[int]:
        holdings = [each for each in self.told.get("holdings", ()) if each["name"] == price.get("quantity")]
        tenants = [moment(since, ZoneInfo("UTC")) for since, _ in self.world.attributes]
        return [moment(each["since"], self.zone) for each in holdings] + tenants

    def _held(self, price: Document, at: int) -> Fraction:
        held, since = Fraction(0), -(10**30)
        for each in self.told.get("holdings", ()):
            begun = moment(each["since"], self.zone)
            if each["name"] == price["quantity"] and since <= begun <= at:
                held, since = Fraction(each["quantity"]), begun
        return held

    def _attributes(self, at: int) -> dict[str, str]:
        return dict([told for since, told in self.world.attributes if moment(since, ZoneInfo("UTC")) <= at][-1])

    def _after_included(self, price: Document, share: Fraction, quantity: Fraction, lots: dict[str, Any]) -> Fraction:
        """What is to be paid of a quantity; the lots, oldest first, are used up."""
        included = price["included"]
        nanos = 10**9
        own = Fraction(included["quantity"]) * share * nanos // 1 / Fraction(nanos)
        mine = [*lots.get(price["name"], ()), (own, included.get("rollover_periods", 0))]
        left = []
        for lot, periods in mine:
            taken = min(lot, max(quantity, Fraction(0)))
            quantity -= taken
            left.append((lot - taken, periods))
        lots[price["name"]] = left
        return quantity


def _nth(first: datetime, interval: str, number: int) -> datetime:
    if interval in _DAYS:
        return first + timedelta(days=number * _DAYS[interval])
    months = first.year * 12 + first.month - 1 + number * _MONTHS[interval]
    day = first.day
    while True:
        try:
            return first.replace(year=months // 12, month=months % 12 + 1, day=day)
        except ValueError:
            day -= 1


def _prices(plan: Document) -> Iterator[Document]:
    for product in plan["products"]:
        yield from product["prices"]


def _touching(times: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start, end in times:
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found
