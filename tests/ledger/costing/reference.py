"""What an allocation has to come to, said once more: charge by charge, in fractions, without a column anywhere."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ledger.costing.shares import WHOLE
from ledger.costing.taking import Rule, rules_of
from ledger.directory.allocation import Allocation
from ledger.directory.catalog import Catalog
from ledger.directory.focus import Reading, tag_of
from ledger.directory.matching import holds
from ledger.directory.methods import LASTING, Capacity, Driver
from meterbook.wire.instants import HOUR_US

Parts = dict[str, Fraction]
#: meter, tenant, node, hour (microseconds), quantity
Entry = tuple[str, str, str | None, int, Fraction]


@dataclass(frozen=True)
class Reference:
    """The rules of a catalog and the usage that they go by."""

    catalog: Catalog
    entries: Sequence[Entry]
    rules: Sequence[Rule] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", rules_of(self.catalog))

    def parts(self, charge: Mapping[str, Any]) -> Parts:
        """What of a charge is whose."""
        found: Parts = defaultdict(Fraction)
        self._divide(Fraction(charge["BilledCost"]), None, charge, found)
        return found

    def _divide(self, amount: Fraction, pool: str | None, charge: Mapping[str, Any], found: Parts) -> None:
        spec = self._rule(pool, charge)
        if spec is None:
            found["@unallocated" if pool not in LASTING else f"@{pool}"] += amount
            return
        for target, share in self._shares(spec, charge).items():
            if target.startswith("@") and target != "@unallocated":
                self._divide(amount * share / WHOLE, target[1:], charge, found)
            else:
                found[target] += amount * share / WHOLE

    def _rule(self, pool: str | None, charge: Mapping[str, Any]) -> Allocation | None:
        for rule in self.rules:
            spec, start_us = rule.spec, charge["ChargePeriodStart"]
            if spec.of != pool or not rule.from_us <= start_us < rule.until_us:
                continue
            names = {name: text for name in spec.columns() if (text := _text(charge, name)) is not None}
            if holds(spec.match, spec.any, names) and (spec.direct is None or self._named(spec, charge) is not None):
                return spec
        return None

    def _named(self, spec: Allocation, charge: Mapping[str, Any]) -> str | None:
        assert spec.direct is not None and spec.direct.column is not None
        text = _read(charge, spec.direct.column)
        return None if text is None else spec.direct.tenants.get(text, text)

    def _shares(self, spec: Allocation, charge: Mapping[str, Any]) -> dict[str, int]:
        if spec.direct is not None:
            tenant = self._named(spec, charge)
            assert tenant is not None
            return {tenant if tenant in self.catalog.names("tenant") else "@unallocated": WHOLE}
        if spec.to is not None:
            return {f"@{spec.to}": WHOLE}
        if spec.fixed is not None:
            weights = sorted(spec.fixed.tenants.items())
            weights += [(f"@{pool}", weight) for pool, weight in sorted(spec.fixed.pools.items())]
            return divided(WHOLE, [(target, Fraction(weight)) for target, weight in weights])
        if spec.even is not None:
            return divided(WHOLE, [(target, Fraction(1)) for target in self._evenly(spec, charge)])
        return self._driven(spec, charge)

    def _evenly(self, spec: Allocation, charge: Mapping[str, Any]) -> list[str]:
        assert spec.even is not None
        if spec.even.tenants is not None:
            return list(spec.even.tenants)
        if spec.even.defined:
            return sorted(self.catalog.tenants(charge["ChargePeriodStart"])) or ["@unallocated"]
        assert spec.even.using is not None
        used = self._used(spec.even.using, spec.even.using.where, charge, spec.even.using.meter)
        return sorted(each for each, amount in used.items() if amount > 0 and not each.startswith("@")) or [
            "@unallocated"
        ]

    def _driven(self, spec: Allocation, charge: Mapping[str, Any]) -> dict[str, int]:
        parts = spec.drivers()
        capacities = [
            None if each.capacity is None else self._capacity(each, each.capacity, charge) for _, each, _ in parts
        ]
        weights = [Fraction(weight) for _, _, weight in parts]
        if spec.split is not None:
            weights = [weight * (capacity or 0) for weight, capacity in zip(weights, capacities, strict=True)]
        if not any(weights):
            return {"@unallocated": WHOLE}
        totals = divided(WHOLE, [(str(place), weight) for place, weight in enumerate(weights)])
        found: dict[str, int] = defaultdict(int)
        for place, ((_, driver, _), capacity) in enumerate(zip(parts, capacities, strict=True)):
            for target, share in divided(totals[str(place)], self._amounts(spec, driver, capacity, charge)).items():
                found[target] += share
        return found

    def _amounts(
        self, spec: Allocation, driver: Driver, capacity: Fraction | None, charge: Mapping[str, Any]
    ) -> list[tuple[str, Fraction]]:
        used = {
            each: amount
            for each, amount in self._used(driver, driver.where, charge, driver.meter).items()
            if amount > 0
        }
        if spec.of is not None:
            used = {each: amount for each, amount in used.items() if not each.startswith("@")}
        own = {"@unassigned": "@unallocated", "@unresolved": "@unallocated"}
        found = [(own.get(each, each), used[each]) for each in sorted(used)]
        rest = (capacity or 0) - sum(used.values())
        if driver.capacity is not None and rest > 0:
            found.append((f"@{driver.capacity.rest}", Fraction(rest)))
        return found or [("@unallocated", Fraction(1))]

    def _capacity(self, driver: Driver, capacity: Capacity, charge: Mapping[str, Any]) -> Fraction:
        if capacity.amount_per_h is not None:
            first_us, last_us = _hours(charge)
            return Fraction(capacity.amount_per_h) * ((last_us - first_us) // HOUR_US)
        assert capacity.meter is not None
        where = driver.where if capacity.where is None else capacity.where
        return max(Fraction(0), sum(self._used(driver, where, charge, (capacity.meter,)).values(), Fraction(0)))

    def _used(
        self, driver: Driver, where: Mapping[str, Reading], charge: Mapping[str, Any], meters: Sequence[str]
    ) -> dict[str, Fraction]:
        first_us, last_us = _hours(charge)
        by_hour: dict[tuple[str, str | None, int], dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
        for meter, tenant, node, hour_us, quantity in self.entries:
            if meter not in meters or not first_us <= hour_us < last_us:
                continue
            if where and (node is None or node != _read(charge, where["node"])):
                continue
            by_hour[tenant, node, hour_us // HOUR_US][meter] += quantity
        found: dict[str, Fraction] = defaultdict(Fraction)
        for (tenant, _, _), amounts in by_hour.items():
            found[tenant] += max(amounts.values())
        return found


def divided(total: int, weights: Sequence[tuple[str, Fraction]]) -> dict[str, int]:
    """Whole numbers in proportion to weights, by largest remainder, the first of equal ones first; of one name added up."""
    whole = sum(weight for _, weight in weights)
    exact = [total * weight / whole for _, weight in weights]
    floors = [each.numerator // each.denominator for each in exact]
    by_rest = sorted(range(len(weights)), key=lambda place: (floors[place] - exact[place], place))
    for place in by_rest[: total - sum(floors)]:
        floors[place] += 1
    found: dict[str, int] = defaultdict(int)
    for (target, _), share in zip(weights, floors, strict=True):
        found[target] += share
    return found


def _hours(charge: Mapping[str, Any]) -> tuple[int, int]:
    first_us = charge["ChargePeriodStart"] // HOUR_US * HOUR_US
    return first_us, max(-(-charge["ChargePeriodEnd"] // HOUR_US) * HOUR_US, first_us + HOUR_US)


def _text(charge: Mapping[str, Any], column: str) -> str | None:
    tag = tag_of(column)
    return (json.loads(charge["Tags"]).get(tag) if tag else charge[column]) or None


def _read(charge: Mapping[str, Any], reading: Reading) -> str | None:
    return reading.of(_text(charge, reading.column))
