"""How long it takes to draft the invoices of ten thousand tenants: twenty prices each, with tiers, included units, discounts, minimums and commitments.

The book is made by columns and is not measured: a month of daily entries of 18 meters for each tenant. What is measured begins with the tables and ends with
documents, as they would be finalized: definitions and usage are read, every price is rated, discounts and commitments are applied, and each invoice is written out.
Every total is the sum of its lines, and the sum of what the first price charges is computed a second time by DuckDB alone. One tenant's draft is measured by itself, as a running
ledger makes it, which has read the definitions before. The peer is CloudKitty's hashmap module rating the same quantities, as far as it can say the prices: a flat price per unit,
without tiers, discounts or rounding.

    python -m bench.invoice [--tenants 10000]
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench._columns import decimals, table
from bench._figure import report
from ledger.billing.document import document_of
from ledger.billing.terms import accounts
from ledger.directory.applying import plan_changes
from ledger.directory.catalog import Catalog
from ledger.directory.manifest import parse_manifests
from ledger.directory.standing import catalog_of
from ledger.journal.derive import TABLES
from ledger.journal.remembered import Remembered
from ledger.journal.tables import Tables
from ledger.journal.view import View
from ledger.query.desks import Desks
from ledger.query.questions import Book
from meterbook.wire import instants
from meterbook.wire.sections import QUANTITY

GOAL_S, GOAL_GIB, GOAL_ONE_S = 10.0, 1.0, 0.05
RUNS, ONES = 3, 20
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
    return table("definitions", dict(zip(TABLES["definitions"].names, zip(*rows, strict=True), strict=True)))


def entries(tenants: int, meter: str, number: int) -> pa.Table:
    """A month of one meter, an entry for each tenant and day."""
    count = tenants * DAYS
    row = np.arange(count)
    quantity = np.random.default_rng(number).integers(0, 4 * 10**5 * 10**9, count)
    return table(
        "entries",
        {
            "meter": [meter] * count,
            "version": np.ones(count, np.int64),
            "tenant": pa.array([f"tenant-{each:05}" for each in range(tenants)]).take(pa.array(row // DAYS)),
            "dimensions": ["{}"] * count,
            "hour": MONTH + row % DAYS * instants.DAY_US,
            "quantity": decimals(quantity, QUANTITY),
            "estimated": decimals(quantity * 0, QUANTITY),
            "observed_us": np.full(count, 86_000_000_000),
            "expected_us": np.full(count, 86_400_000_000),
            "position": np.ones(count, np.int64),
        },
    )


def book(folder: Path, tenants: int) -> Tables:
    """Tables that hold all of it at position 1."""
    end_us = MONTH + DAYS * instants.DAY_US
    runs = [(meter, 1, MONTH, end_us, 1, 1) for meter in METERS]
    tables = Tables(folder)
    tables.apply(
        {
            "entries": pa.concat_tables(entries(tenants, meter, at) for at, meter in enumerate(METERS)),
            "definitions": definitions(tenants),
            "runs": table("runs", dict(zip(TABLES["runs"].names, zip(*runs, strict=True), strict=True))),
            "records": table(
                "records",
                {"kind": ["batch"], "chain": ["a"], "sequence": [1], "hash": [""], "time": [end_us], "position": [1]},
            ),
        },
        0,
        1,
    )
    return tables


def drafted(tables: Tables, tenants: set[str], remembered: Remembered | None = None) -> tuple[float, int, int, Decimal]:
    """Seconds for the drafts of some tenants (none for all), their number, that of their lines, and what the first price charges."""
    began_s = time.perf_counter()
    view = View.at(tables.snapshot(), 1, remembered)
    asked = Book(view, catalog_of(view))
    desks, drafts, lines, first = Desks(asked, tenants), 0, 0, Decimal(0)
    for tenant in sorted(tenants) or asked.catalog.names("tenant"):
        for account in accounts(asked.catalog, tenant):
            cycle = account.cycle_at(MONTH)
            assert cycle is not None
            made = desks.desk(account).draft(cycle)
            assert document_of(made)
            drafts, lines = drafts + 1, lines + len(made.lines)
            first += sum(
                each.amount for each in made.lines if each.line.price == "price-00" and each.line.role == "charge"
            )
    return time.perf_counter() - began_s, drafts, lines, first


def first_price(tables: Tables) -> Decimal:
    """What the first price charges all tenants, by DuckDB: units beyond the thousand that are included x 0.0000213, rounded half-even per tenant."""
    rows = tables.query(
        "SELECT sum(quantity) AS quantity FROM entries WHERE meter = 'meter-00' GROUP BY tenant"
    ).to_pylist()
    return sum(
        (max(row["quantity"] - 1000, Decimal(0)) * Decimal("0.0000213")).quantize(Decimal("0.01")) for row in rows
    )


def cloudkitty(tables: Tables, folder: Path) -> object:
    """Seconds that CloudKitty's hashmap takes to rate the same quantities, or why it was not measured."""
    python = Path(tempfile.gettempdir()) / "peers" / "bin" / "python"
    if not python.exists():
        return "not measured: no virtual environment with cloudkitty"
    rows = tables.query("SELECT tenant, meter, sum(quantity)::DOUBLE AS quantity FROM entries GROUP BY ALL").to_pylist()
    file = folder / "quantities.json"
    file.write_text(json.dumps(rows))
    script = Path(__file__).with_name("_cloudkitty.py")
    done = subprocess.run([python, script, file], capture_output=True, text=True, check=False)
    if done.returncode:
        return f"not measured: {done.stderr.strip().splitlines()[-1:]}"
    return json.loads(done.stdout.splitlines()[-1])["s"]


def main() -> None:
    """Measure, and print the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, default=10_000)
    given = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="meterbook-bench-"))
    try:
        tables = book(directory, given.tenants)
        before_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
        found = [drafted(tables, set()) for _ in range(RUNS)]
        memory_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
        known = Remembered()
        one_s = statistics.median(drafted(tables, {f"tenant-{number:05}"}, known)[0] for number in range(ONES))
        check = first_price(tables)
        peer = cloudkitty(tables, directory)
        tables.close()
    finally:
        shutil.rmtree(directory)
    took_s = statistics.median(each[0] for each in found)
    is_right = all(each[3] == check for each in found)
    print(
        json.dumps(
            {
                "runs_s": [round(each[0], 2) for each in found],
                "drafts": found[0][1],
                "lines": found[0][2],
                "one_s": round(one_s, 4),
                "memory_gib": round(memory_gib, 2),
                "memory_before_gib": round(before_gib, 2),
                "first_price": [str(found[0][3]), str(check)],
            }
        )
    )
    report(
        f"drafts of {given.tenants} invoices of 20 prices",
        took_s,
        "s",
        goal=GOAL_S,
        met=took_s < GOAL_S and memory_gib < GOAL_GIB and one_s < GOAL_ONE_S and is_right,
        peers={"CloudKitty hashmap, flat prices per unit": peer},
        limit={},
    )


if __name__ == "__main__":
    sys.exit(main())
