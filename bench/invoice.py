"""How long it takes to draft the invoices of ten thousand tenants: twenty prices each, with tiers, included units, discounts, minimums and commitments.

The book is made by another process and is not measured: a month of daily entries of 18 meters for each tenant. What is measured begins with the tables and ends with
documents, as they would be finalized: definitions and usage are read, every price is rated, discounts and commitments are applied, and each invoice is written out.
Memory is the most that the process and its helper had, what they share counted twice.
Every total is the sum of its lines, and the sum of what the first price charges is computed a second time by DuckDB alone. One tenant's draft is measured by itself, as a running
ledger makes it, which has read the definitions before. The peer is CloudKitty's hashmap module rating the same quantities, as far as it can say the prices: a flat price per unit,
without tiers, discounts or rounding.

    python -m bench.invoice [--tenants 10000]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from bench._figure import report
from bench._folder import folder
from bench._procfs import descendants
from bench._procfs import memory_mib as memory_mib_of
from bench._terms import DAYS, MONTH
from ledger.billing.terms import accounts
from ledger.directory.standing import catalog_of
from ledger.journal.remembered import Remembered
from ledger.journal.tables import Tables
from ledger.journal.view import View
from ledger.query.desks import Desks
from ledger.query.drafts import all_drafted
from ledger.query.dues import Job
from ledger.query.questions import Book
from meterbook.lean import leave_out

GOAL_S, GOAL_GIB, GOAL_ONE_S = 10.0, 1.0, 0.05
RUNS, ONES = 3, 20
#: After so many drafts memory is looked at.
LOOK_EVERY = 1_000
DOCUMENTS = "documents.jsonl"


def drafted(
    tables: Tables, tenants: set[str], folder: Path, remembered: Remembered | None = None
) -> tuple[float, float]:
    """Seconds until the drafts of some tenants (none for all) are written to a file, and the memory of all processes that made them, in GiB."""
    began_s, memory_mib = time.perf_counter(), 0.0
    view = View.at(tables.snapshot(), DAYS, remembered)
    asked = Book(view, catalog_of(view))
    jobs = [
        Job(account, account.cycle_at(MONTH))
        for tenant in sorted(tenants) or asked.catalog.names("tenant")
        for account in accounts(asked.catalog, tenant)
    ]
    with (folder / DOCUMENTS).open("w") as file:
        for place, made in enumerate(all_drafted(tables, Desks(asked, tenants), jobs)):
            assert made.record is not None, made.reason
            file.write(made.record.document + "\n")
            if place % LOOK_EVERY == LOOK_EVERY - 1:
                family = [os.getpid(), *descendants(os.getpid())]
                memory_mib = max(memory_mib, sum(memory_mib_of(each, "VmHWM") for each in family))
    return time.perf_counter() - began_s, memory_mib / 1024


def written(folder: Path) -> tuple[int, int, Decimal]:
    """How many documents and lines were written, and what the first price charges in them; each total is looked at."""
    drafts, lines, first = 0, 0, Decimal(0)
    with (folder / DOCUMENTS).open() as file:
        for each in map(json.loads, file):
            amounts = [Decimal(line["amount"]) for line in each["lines"]]
            assert sum(amounts) == Decimal(each["total"])
            drafts, lines = drafts + 1, lines + len(amounts)
            first += sum(
                amount
                for amount, line in zip(amounts, each["lines"], strict=True)
                if line["price"] == "price-00" and line["role"] == "charge"
            )
    return drafts, lines, first


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
    with folder() as directory:
        subprocess.run([sys.executable, "-m", "bench._terms", directory, str(given.tenants)], check=True)
        tables = Tables(directory)
        found, told = [], []
        for _ in range(RUNS):
            found.append(drafted(tables, set(), directory))
            told.append(written(directory))
        known = Remembered()
        one_s = statistics.median(
            drafted(tables, {f"tenant-{number:05}"}, directory, known)[0] for number in range(ONES)
        )
        check = first_price(tables)
        peer = cloudkitty(tables, directory)
        tables.close()
    took_s = statistics.median(each[0] for each in found)
    memory_gib = max(each[1] for each in found)
    is_right = all(each[2] == check for each in told)
    print(
        json.dumps(
            {
                "runs_s": [round(each[0], 2) for each in found],
                "drafts": told[0][0],
                "lines": told[0][1],
                "one_s": round(one_s, 4),
                "memory_gib": round(memory_gib, 2),
                "first_price": [str(told[0][2]), str(check)],
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
    # As a ledger does.
    leave_out()
    sys.exit(main())
