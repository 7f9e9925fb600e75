"""Rows of FOCUS as people have them: in files of several forms, and a ledger to which they go."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from agent.importing.found import files
from agent.importing.look import Look, look
from agent.importing.wanted import Wanted
from tests.ledger.running import Running, run_cli

#: What a row has unless a test says otherwise.
ROW = {
    "BilledCost": "1.5",
    "EffectiveCost": "1.25",
    "ListCost": "2",
    "ContractedCost": "1.5",
    "BillingCurrency": "USD",
    "BillingAccountId": "000000000001",
    "BillingPeriodStart": "2026-03-01T00:00:00Z",
    "BillingPeriodEnd": "2026-04-01T00:00:00Z",
    "ChargePeriodStart": "2026-03-02T00:00:00Z",
    "ChargePeriodEnd": "2026-03-02T01:00:00Z",
    "ChargeCategory": "Usage",
    "ServiceName": "Compute",
    "ResourceId": "i-1",
    "Tags": '{"team":"core"}',
}
#: The same of another month.
APRIL = {
    "BillingPeriodStart": "2026-04-01T00:00:00Z",
    "BillingPeriodEnd": "2026-05-01T00:00:00Z",
    "ChargePeriodStart": "2026-04-02T00:00:00Z",
    "ChargePeriodEnd": "2026-04-02T01:00:00Z",
}
#: Whatever there is.
ANY = Wanted()
Rows = Sequence[dict[str, str]]


def row(**changes: str) -> dict[str, str]:
    """A row, with changes."""
    return {**ROW, **changes}


def rows(count: int, **changes: str) -> list[dict[str, str]]:
    """So many different rows."""
    return [row(**{"ResourceId": f"i-{number}", "BilledCost": f"{number}.01", **changes}) for number in range(count)]


def text_of(table: Rows, end: str = "\n") -> bytes:
    """Rows as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(table[0]), lineterminator=end)
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue().encode()


def written(path: Path, table: Rows) -> Path:
    """A file in the form that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        columns = {name: [each[name] or None for each in table] for name in table[0]}
        pq.write_table(pa.table(columns, pa.schema([(name, pa.utf8()) for name in columns])), path, row_group_size=3)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(text_of(table)))
    else:
        path.write_bytes(text_of(table))
    return path


def seen(*paths: Path, wanted: Wanted = ANY) -> Look:
    """What is in some files."""
    return look(files(paths), wanted)


def billed(table: Rows) -> Decimal:
    """What rows add up to."""
    return sum((Decimal(each["BilledCost"]) for each in table), Decimal(0))


def brought(ledger: Running, *arguments: str | Path) -> list[dict[str, Any]]:
    """The bills of an import."""
    found: list[dict[str, Any]] = ledger.json("charges", "import", *map(str, arguments))["bills"]
    return found


def refused(*arguments: str | Path) -> str:
    """What a person is told of files that are not taken."""
    result = run_cli("charges", "import", "--dry-run", *map(str, arguments))
    assert result.exit_code == 1, result.output
    return result.stderr.removeprefix("Error: ").strip()


def standing(ledger: Running, source: str) -> dict[str, tuple[int, Decimal]]:
    """The bills of a source that stand, by month: how many charges each has, and what it adds up to."""
    return {
        each["period"][:7]: (each["charges"], Decimal(each["billed"]))
        for each in ledger.json("bills")["rows"]
        if each["source"] == source and each["state"] == "stands"
    }
