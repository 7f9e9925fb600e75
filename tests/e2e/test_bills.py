"""From a cost export in a bucket to what the command line says of it, through refreshes and kills, read by two sources."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.collector.datastore.bills.rows_of_bills import MONTH, billed, focus_rows
from tests.e2e.spine import Spine, eventually
from tests.fakes.aws.exports import Export, table_of
from tests.servers.usage_bucket import UsageBucket, usage_bucket


@pytest.fixture
def bucket() -> Iterator[UsageBucket]:
    with usage_bucket() as found:
        yield found


@pytest.fixture
def spine(tmp_path: Path, bucket: UsageBucket) -> Iterator[Spine]:
    bills = {"kind": "bills", **bucket.settings, "prefix": "costs/focus", "interval_s": 0.5, "batch_rows": 300}
    running = Spine(tmp_path, [{**bills, "name": "focus"}, {**bills, "name": "again"}], [])
    try:
        running.ledger.start()
        yield running
    finally:
        running.stop()


def by_service(rows: list[dict[str, str]]) -> dict[tuple[str, str], Decimal]:
    sums: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in rows:
        sums[row["ServiceName"], row["BillingCurrency"]] += Decimal(row["BilledCost"])
    return dict(sums)


def told(spine: Spine, *options: str) -> dict[tuple[str, str], Decimal]:
    answer = spine.ask("charges", "--source", "focus", "--by", "ServiceName", *options)
    return {(row["group"]["ServiceName"], row["currency"]): Decimal(row["billed_cost"]) for row in answer["rows"]}


def standing(spine: Spine, source: str) -> list[dict[str, Any]]:
    rows = spine.ask("bills")["rows"]
    return [row for row in rows if row["source"] == source and row["state"] == "stands"]


@pytest.mark.slow
def test_a_bill_is_what_the_export_says_through_refreshes_and_kills(spine: Spine, bucket: UsageBucket) -> None:
    export = Export(bucket.put, bucket.name, chunk_rows=700)
    first, second = focus_rows(1_500), focus_rows(6_000, seed=8)
    export.deliver(MONTH, table_of(first, list(first[0])))
    spine.agent.start()
    assert eventually(lambda: standing(spine, "focus"))
    (bill,) = standing(spine, "focus")
    assert (bill["charges"], Decimal(bill["billed"])) == (1_500, billed(first))
    assert told(spine) == by_service(first)
    position = spine.ask("charges")["as_of"]

    export.deliver(MONTH, table_of(second, list(second[0])))
    for _ in range(3):
        spine.agent.kill()
        spine.agent.start()
    assert eventually(lambda: [row["charges"] for row in standing(spine, "focus")] == [6_000])
    assert eventually(lambda: [row["charges"] for row in standing(spine, "again")] == [6_000])
    assert told(spine) == by_service(second)
    assert told(spine, "--as-of", str(position)) == by_service(first)
    versions = [row["state"] for row in spine.ask("bills")["rows"] if row["source"] == "focus"]
    assert versions == ["stands", "overtaken"]
    assert spine.run("verify").returncode == 0
