"""A month of usage and the terms that bill it: twenty prices for each tenant, with tiers, included units, discounts, minimums and commitments.

The book is made by columns, a day at a time, as it would have come, and its files are merged as the ledger does it all the while. It is made in a process of its own,
so that whoever measures billing does not measure this.

    python -m bench._terms FOLDER TENANTS
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench._columns import decimals, table
from ledger.directory.applying import plan_changes
from ledger.directory.catalog import Catalog
from ledger.directory.manifest import parse_manifests
from ledger.journal.derive import TABLES
from ledger.journal.tables import Tables
from meterbook.wire import instants
from meterbook.wire.sections import QUANTITY

MONTH, DAYS = instants.parse("2026-03-01"), 31
MODELS = (
    "{model: per_unit, unit_price: 0.0000213}",
    "{model: graduated, tiers: [{up_to: 1000000, unit_price: 0}, {up_to: 5000000, unit_price: 0.00001}, {unit_price: 0.000004}]}",
    "{model: volume, tiers: [{up_to: 2000000, unit_price: 0.00003}, {unit_price: 0.00002}]}",
    "{model: package, size: 1000, amount: 0.01}",
    "{model: stairstep, tiers: [{up_to: 1000000, amount: 5}, {up_to: 10000000, amount: 20}, {amount: 50}]}",
    "{model: graduated, tiers: [{up_to: 100, unit_price: 1}, {unit_price: 0.000001}]}",
)
METERS = tuple(f"meter-{number:02}" for number in range(18))


def plan() -> str:
    """Twenty prices in three products: a fee, seats, and one of each meter."""
    prices = [
        "{name: fee, charge: {model: flat, amount: 49}}",
        "{name: seat, quantity: seats, charge: {model: per_unit, unit_price: 12}}",
    ]
    for number, meter in enumerate(METERS):
        more = ", included: {quantity: 1000}" if number % 4 == 0 else ", minimum: 1" if number % 4 == 1 else ""
        prices.append(f"{{name: price-{number:02}, meter: {meter}, charge: {MODELS[number % len(MODELS)]}{more}}}")
    products = [f"{{name: product-{at}, prices: [{', '.join(prices[at * 7 : at * 7 + 7])}]}}" for at in range(3)]
    return f"{{kind: plan, name: pro, spec: {{currency: USD, proration: day, products: [{', '.join(products)}]}}}}"


def definitions(tenants: int) -> pa.Table:
    """The rows of the directory."""
    texts = [
        f"{{kind: meter, name: {name}, spec: {{source: {{event: {name}}}, aggregation: sum, unit: unit}}}}"
        for name in METERS
    ]
    texts.append(plan())
    for number in range(tenants):
        promised = (
            ", commitments: [{name: year, amount: 2000, until: 2027-03-01, overage_percent: 10}]" if number % 2 else ""
        )
        texts += [
            f"{{kind: tenant, name: tenant-{number:05}, spec: {{}}}}",
            (
                f"{{kind: subscription, name: s-{number:05}, spec: {{tenant: tenant-{number:05}, plan: pro, start: 2026-03-01, "
                f"holdings: [{{name: seats, since: 2026-03-01, quantity: {number % 50}}}, {{name: seats, since: 2026-03-11, quantity: 7}}], "
                f"overrides: [{{name: loyal, approved: sales, percent: 5, product: product-1}}]{promised}}}}}"
            ),
        ]
    found = plan_changes(Catalog.of([]), parse_manifests([("bench.yaml", "\n---\n".join(texts))]).documents)
    assert not found.faults, [str(each) for each in found.faults]
    rows = [(*vars(each).values(), "bench", 1) for each in found.versions]
    return _rows("definitions", rows)


def entries(tenants: int, day: int) -> pa.Table:
    """What every tenant used of each meter in a day."""
    count = tenants * len(METERS)
    quantity = np.random.default_rng(day).integers(0, 4 * 10**5 * 10**9, count)
    return table(
        "entries",
        {
            "meter": pa.array(METERS).take(pa.array(np.repeat(np.arange(len(METERS)), tenants))),
            "version": np.ones(count, np.int64),
            "tenant": [f"tenant-{each:05}" for each in range(tenants)] * len(METERS),
            "dimensions": ["{}"] * count,
            "hour": np.full(count, MONTH + day * instants.DAY_US),
            "quantity": decimals(quantity, QUANTITY),
            "estimated": decimals(quantity * 0, QUANTITY),
            "observed_us": np.full(count, 86_000_000_000),
            "expected_us": np.full(count, 86_400_000_000),
            "position": np.full(count, day + 1),
        },
    )


def fill(folder: Path, tenants: int) -> None:
    """Make tables in which the month is over at the position of its last day."""
    tables, end_us = Tables(folder), MONTH + DAYS * instants.DAY_US
    for day in range(DAYS):
        records = [("batch", "a", day + 1, "", MONTH + (day + 1) * instants.DAY_US, day + 1)]
        made = {"entries": entries(tenants, day), "records": _rows("records", records)}
        if day == 0:
            made["definitions"] = definitions(tenants)
        if day == DAYS - 1:
            made["runs"] = _rows("runs", [(meter, 1, MONTH, end_us, DAYS, DAYS) for meter in METERS])
        tables.apply(made, day, day + 1)
    while not tables.compact(0):
        pass
    tables.close()


def _rows(name: str, rows: list[tuple[object, ...]]) -> pa.Table:
    return table(name, dict(zip(TABLES[name].names, zip(*rows, strict=True), strict=True)))


if __name__ == "__main__":
    fill(Path(sys.argv[1]), int(sys.argv[2]))
