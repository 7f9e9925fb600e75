"""Random customers: plans, a subscription that is written down in two steps, usage that comes late, and a life of invoices drawn from a seed."""

from __future__ import annotations

import json
import random
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from ledger.billing.cycles import Account
from ledger.billing.drafting import Desk
from ledger.billing.invoice import Finalized
from ledger.billing.settling import Grant
from ledger.directory.catalog import Catalog
from ledger.directory.credit import Credit
from ledger.directory.plan import Plan
from ledger.directory.subscription import Subscription
from ledger.directory.tenant import Tenant
from ledger.directory.versions import Definition
from ledger.metering.usage import Usage
from meterbook.wire import instants
from tests.ledger.billing.calculator import World

ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia", "America/Sao_Paulo", "Asia/Kolkata")  # fmt: skip
HOUR_US = 3_600_000_000
METERS = ("calls", "storage")


@dataclass(frozen=True)
class Row:
    """Usage of an hour, and the hour in which the book heard of it."""

    hour: int
    known: int
    meter: str
    region: str
    quantity: Decimal


class Known:
    """What the book knows of a tenant at an hour, which is its position."""

    def __init__(self, rows: Sequence[Row], now: int, changed: int) -> None:
        self._rows, self._now, self._changed = rows, now, changed

    def _of(self, start_us: int, end_us: int) -> list[Row]:
        first, last = (
            bisect_left(self._rows, -(-at // HOUR_US), key=lambda row: row.hour) for at in (start_us, end_us)
        )
        return [row for row in self._rows[first:last] if row.known <= self._now]

    def used(self, start_us: int, end_us: int) -> Mapping[str, Sequence[Usage]]:
        found: dict[tuple[str, str], Decimal] = {}
        for row in self._of(start_us, end_us):
            found[row.meter, row.region] = found.get((row.meter, row.region), Decimal(0)) + row.quantity
        told: dict[str, list[Usage]] = {}
        for (meter, region), quantity in sorted(found.items()):
            dimensions = json.dumps({"region": region})
            told.setdefault(meter, []).append(Usage(meter, "acme", dimensions, None, quantity, "u", Decimal(0), 5, 10))
        return told

    def cost(self, start_us: int, end_us: int, currency: str) -> Decimal:
        raise NotImplementedError

    def moved(self, start_us: int, end_us: int, since: int) -> bool:
        return since < self._changed <= self._now or any(row.known > since for row in self._of(start_us, end_us))


@dataclass(frozen=True)
class Customer:
    """All that a seed says. ``before`` is the subscription as it was written until the hour ``changed``, ``after`` as it is from then on."""

    zone: str
    plans: Mapping[str, Sequence[tuple[str, Mapping[str, Any]]]]
    attributes: Sequence[tuple[str, Mapping[str, str]]]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    changed: int
    rows: Sequence[Row]
    credits: Sequence[Grant]
    with_opening: bool
    more: tuple[Definition, ...] = ()

    @cached_property
    def definitions(self) -> list[Definition]:
        found = []
        for name, versions in self.plans.items():
            for number, (since, spec) in enumerate(versions, 1):
                found.append(
                    Definition("plan", name, number, instants.parse(since), Plan.model_validate(spec), "ada", 1)
                )
        for number, (since, told) in enumerate(self.attributes, 1):
            tenant = Tenant.model_validate({"timezone": self.zone, "attributes": told})
            found.append(Definition("tenant", "acme", number, instants.parse(since), tenant, "ada", 1))
        return found

    @cached_property
    def catalog(self) -> Catalog:
        return Catalog.of([]).extended([*self.definitions, *self.more])

    def account(self, now: int) -> Account:
        return self._accounts[now >= self.changed]

    @cached_property
    def _accounts(self) -> tuple[Account, Account]:
        before, after = (Subscription.model_validate({"tenant": "acme", **told}) for told in (self.before, self.after))
        zone = ZoneInfo(self.zone)
        return Account("s", "acme", zone, before, self.catalog), Account("s", "acme", zone, after, self.catalog)

    def desk(self, now: int, past: Sequence[Finalized]) -> Desk:
        return Desk(self.account(now), Known(self.rows, now, self.changed), past, self.credits, now)

    @property
    def world(self) -> World:
        return World(ZoneInfo(self.zone), self.plans, self.attributes, self.after, self._usage)

    def _usage(self, meter: str, start_us: int, end_us: int) -> Mapping[tuple[tuple[str, str], ...], Fraction]:
        found: dict[tuple[tuple[str, str], ...], Fraction] = {}
        for row in self.rows:
            if row.meter == meter and start_us <= row.hour * HOUR_US < end_us:
                found[("region", row.region),] = found.get((("region", row.region),), Fraction(0)) + Fraction(
                    row.quantity
                )
        return found


def customer(seed: int) -> Customer:
    """The customer of a seed."""
    return _Maker(random.Random(seed)).made()


class _Maker:
    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.currency = draw.choice(["EUR", "EUR", "EUR", "JPY"])
        self.first = date(2020, 1, 1) + timedelta(days=draw.randrange(500))
        if draw.random() < 0.2:
            self.first = date(2020, draw.choice([1, 3, 5, 10]), 31)
        self.days = draw.choices([40, 100, 200, 400, 700, 1826], [3, 3, 4, 4, 1, 1])[0]

    def maybe(self, chance: float) -> bool:
        return self.draw.random() < chance

    def day(self, low: int = 1, high: int | None = None) -> int:
        return self.draw.randrange(low, max(high or self.days, low + 1))

    def text(self, day: int) -> str:
        return (self.first + timedelta(days=day)).isoformat()

    def number(self, most: int, digits: int = 2) -> str:
        return str(Decimal(self.draw.randrange(1, most * 10**digits)).scaleb(-digits))

    def made(self) -> Customer:
        draw = self.draw
        long = self.days > 700
        same = draw.choice(["month", "quarter", "year"] if long else ["month", "month", "month", "quarter"])
        if self.days <= 100:
            same = draw.choice(["day", "week", "week", "month"] if self.days == 40 else ["week", "month", "month"])
        plans = {}
        for name in ("basic", "pro", "max"):
            interval = same if self.maybe(0.7) else draw.choice(["month", "quarter", "year"])
            fixed = {"interval": interval, "anchor": draw.choice(["calendar", "start"])}
            versions = [("1970-01-01", {**fixed, **self.plan()})]
            if self.maybe(0.3):
                versions.append((self.text(self.day()), {**fixed, **self.plan()}))
            plans[name] = versions
        attributes = [("1970-01-01", {"kind": "gold"})]
        if self.maybe(0.3):
            attributes.append((self.text(self.day()), {"kind": draw.choice(["silver", "lead"])}))
        after = self.subscription()
        changed = (self.first - date(1970, 1, 1)).days * 24 + self.day(1, self.days + 60) * 24
        grants = [Grant(f"g{number}", self.credit()) for number in range(draw.choice([0, 0, 1, 3]))]
        zone = draw.choice(ZONES)
        return Customer(
            zone, plans, attributes, self.before(after), after, changed, self.rows(), grants, self.maybe(0.5)
        )

    def plan(self) -> dict[str, Any]:
        platform = [
            {
                "name": "fee",
                "charge": {"model": "flat", "amount": self.number(300)},
                **self.advance(),
                **self.bounded(0.1),
            }
        ]
        if self.maybe(0.4):
            once = {"name": "setup", "times": "once", "charge": {"model": "flat", "amount": self.number(500)}}
            platform.append({**once, **self.advance(), **self.bounded(0.1)})
        if self.maybe(0.4):
            amounts = {"gold": self.number(50), "silver": self.number(30)}
            support = {"model": "attribute", "attribute": "kind", "amounts": amounts}
            platform.append({"name": "support", "charge": support, **self.advance()})
        if self.maybe(0.6):
            seats = {
                "name": "seats",
                "quantity": "seats",
                "charge": self.model(),
                **self.advance(),
                **self.bounded(0.1),
            }
            platform.append({**seats, **({"included": {"quantity": "3"}} if self.maybe(0.3) else {})})
        used = []
        if self.maybe(0.8):
            price = {"name": "calls", "meter": "calls", "charge": self.model(), **self.included(), **self.bounded(0.2)}
            used.append(price)
        if self.maybe(0.5):
            price = {
                "name": "storage",
                "meter": "storage",
                "charge": self.model(),
                **self.included(),
                **self.bounded(0.2),
            }
            used.append({**price, **({"where": {"region": ["eu"]}} if self.maybe(0.3) else {})})
        products = [{"name": "platform", "prices": platform, **self.bounded(0.15)}]
        if used:
            products.append({"name": "usage", "prices": used, **self.bounded(0.25)})
        proration = self.draw.choice(["day", "day", "second", "none"])
        return {"currency": self.currency, "proration": proration, "products": products, **self.bounded(0.15)}

    def advance(self) -> dict[str, str]:
        return {"billed": "advance"} if self.maybe(0.4) else {}

    def bounded(self, chance: float) -> dict[str, str]:
        least, most = sorted(Decimal(self.number(400)) for _ in range(2))
        low, high = {"minimum": str(least)}, {"maximum": str(most)}
        return self.draw.choice([low, high, {**low, **high}]) if self.maybe(chance) else {}

    def included(self) -> dict[str, Any]:
        if self.maybe(0.4):
            return {}
        told: dict[str, Any] = {"quantity": self.number(30)}
        if self.maybe(0.7):
            told["rollover_periods"] = self.draw.choice([1, 2, 3, 12])
            if self.maybe(0.4):
                told["rollover_maximum"] = self.number(40)
        return {"included": told}

    def model(self) -> dict[str, Any]:
        kind = self.draw.choice(["per_unit", "graduated", "volume", "package"])
        if kind == "per_unit":
            return {"model": kind, "unit_price": self.number(20, 3)}
        if kind == "package":
            return {"model": kind, "size": self.draw.choice(["10", "2.5"]), "amount": self.number(30)}
        tiers: list[dict[str, Any]] = [
            {"up_to": "10", "unit_price": self.number(20, 3)},
            {"up_to": "40", "unit_price": self.number(10, 3)},
            {"unit_price": self.number(5, 3)},
        ]
        if self.maybe(0.4):
            tiers[1]["amount"] = self.number(20)
        return {"model": kind, "tiers": tiers}

    def subscription(self) -> dict[str, Any]:
        told: dict[str, Any] = {"plan": "basic", "start": self.text(0), "end": self.text(self.days)}
        if self.maybe(0.2):
            told["start"] += self.draw.choice(["T09:30:00Z", "T23:59:59.999999Z"])
            told["start"] = instants.text(instants.parse(told["start"]))
            told["end"] = instants.text(instants.parse(self.text(self.days + 1) + "T17:00:00Z"))
        if self.maybe(0.3):
            told["trial_until"] = self.text(self.draw.choice([7, 14, 30, 45]))
        # Two days between them: a date and a time of the same day could be in either order.
        days = [each * 2 + 2 for each in sorted(self.draw.sample(range(self.days // 2 - 1), 10))]
        told["moves"] = [
            {"since": self.text(day), "plan": self.draw.choice(["basic", "pro", "max"])}
            for day in sorted(self.draw.sample(days, self.draw.choice([0, 0, 1, 2, 3])))
        ]
        edges = sorted(self.draw.sample(days, 2 * self.draw.choice([0, 0, 1, 2])))
        told["pauses"] = [
            {"since": self.text(since), "until": self.text(until)}
            for since, until in zip(edges[::2], edges[1::2], strict=True)
        ]
        told["holdings"] = [
            {"name": "seats", "since": self.text(self.day(-5)), "quantity": str(self.draw.randrange(30))}
            for _ in range(self.draw.choice([0, 1, 3, 6]))
        ]
        told["overrides"] = [self.override(number) for number in range(self.draw.choice([0, 0, 1, 2, 4]))]
        if self.maybe(0.4):
            told["commitments"] = [self.commitment()]
        return told

    def times(self) -> dict[str, str]:
        since = self.day()
        told = {"since": self.text(since), "until": self.text(self.day(since + 1, self.days + 40))}
        return {key: told[key] for key in told if self.maybe(0.5)}

    def override(self, number: int) -> dict[str, Any]:
        told: dict[str, Any] = {"name": f"o{number}", "approved": "ceo", **self.times()}
        kind = self.draw.choice(["percent", "amount", "per_unit", "tier", "unit_tier", "charge"])
        metered = self.draw.choice(["calls", "storage", "seats"])
        if kind in ("percent", "amount"):
            told[kind] = self.draw.choice(["100", "15", "33.3"]) if kind == "percent" else self.number(200)
            where = self.draw.choice(["price", "product", "plan"])
            if where == "price":
                told["price"] = self.draw.choice(["fee", "setup", metered])
            elif where == "product":
                told["product"] = self.draw.choice(["platform", "usage"])
            return told
        told["price"] = metered
        if kind == "charge":
            return {**told, "charge": self.model()}
        if kind != "per_unit":
            told["tier"] = self.draw.choice([1, 2])
        return {**told, **({"percent": "20"} if kind == "tier" else {"per_unit": self.number(8, 3)})}

    def commitment(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            "name": "c",
            "amount": self.number(3000),
            "billed": self.draw.choice(["advance", "arrears"]),
        }
        if self.maybe(0.4):
            told["products"] = [self.draw.choice(["platform", "usage"])]
        if self.maybe(0.5):
            told["overage_percent"] = self.draw.choice(["10", "12.5"])
        return {**told, **self.times()}

    def credit(self) -> Credit:
        told = {"tenant": "acme", "amount": self.number(500, 3), "currency": self.currency, "reason": "sorry"}
        products = {"products": [self.draw.choice(["platform", "usage"])]} if self.maybe(0.4) else {}
        return Credit.model_validate({**told, "priority": self.draw.choice([1, 100, 100]), **products, **self.times()})

    def before(self, after: Mapping[str, Any]) -> dict[str, Any]:
        """The subscription before somebody remembered the rest of it."""
        told = dict(after)
        for key in ("moves", "pauses", "holdings", "overrides"):
            told[key] = [each for each in after[key] if not self.maybe(0.3)]
        if self.maybe(0.4):
            del told["end"]
        if self.maybe(0.15) and "T" not in told["start"]:
            told["start"] = self.text(self.draw.choice([-40, -3, 1]))
        return told

    def rows(self) -> list[Row]:
        zero = (self.first - date(1970, 1, 1)).days * 24
        count = self.draw.choice([0, self.days // 9, self.days // 3])
        found = []
        for _ in range(count):
            hour = zero + self.draw.randrange(-24, self.days * 24 + 48)
            late = self.draw.randrange(1, 3000) if self.maybe(0.2) else 0
            taken_back = -1 if late and self.maybe(0.2) else 1
            quantity = taken_back * Decimal(self.draw.randrange(1, 9 * 10**9)).scaleb(-9)
            found.append(Row(hour, hour + late, self.draw.choice(METERS), self.draw.choice(["eu", "us"]), quantity))
        return sorted(found, key=lambda row: row.hour)
