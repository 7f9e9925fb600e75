"""A real bucket: exports of both kinds and in both forms, refreshes, an agent that dies anywhere, and what stands at each time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from tests.collector.datastore.bills.following import Agent
from tests.collector.datastore.bills.rows_of_bills import CUR, MONTH, billed, focus_rows
from tests.fakes.aws.exports import Export, table_of
from tests.servers.usage_bucket import UsageBucket, usage_bucket

WAYS = [(form, overwrites) for form in ("parquet", "csv") for overwrites in (True, False)]


@pytest.fixture
def bucket() -> Iterator[UsageBucket]:
    with usage_bucket() as made:
        yield made


@pytest.fixture
def agent(bucket: UsageBucket) -> Iterator[Callable[..., Agent]]:
    made: list[Agent] = []

    def make(**given: Any) -> Agent:
        made.append(Agent({**bucket.settings, "prefix": "costs/focus", **given}))
        return made[-1]

    yield make
    for one in made:
        one.collector.close()


def focus(rows: int, seed: int = 7) -> pa.Table:
    found = focus_rows(rows, seed)
    return table_of(found, list(found[0]))


@pytest.mark.parametrize(("form", "overwrites"), WAYS)
def test_a_bill_stands_with_all_of_its_charges_and_the_next_refresh_replaces_it(
    bucket: UsageBucket, agent: Callable[..., Agent], form: Any, overwrites: bool
) -> None:
    export = Export(bucket.put, bucket.name, form=form, overwrites=overwrites)
    one = agent(rows_max=100, batch_rows=50)
    execution = export.deliver(MONTH, focus(300))
    assert one.tick().status == "complete"
    (bill,) = one.book.bills.values()
    assert (bill["charges"], bill["billed"], bill["nature"]) == (300, billed(focus_rows(300)), "billed")
    assert bill["source"] == f"bills/{bucket.name}/costs/focus"
    assert execution in bill["version"]
    export.deliver(MONTH, focus(200, seed=8))
    assert one.tick().status == "complete"
    assert len(one.book.closed) == 2
    assert len(one.book.standing()) == 200
    assert sum(row["BilledCost"] for row in one.book.standing()) == billed(focus_rows(200, 8))


def test_both_forms_of_an_export_give_the_same_bill(bucket: UsageBucket, agent: Callable[..., Agent]) -> None:
    standing = []
    for form in ("parquet", "csv"):
        Export(bucket.put, bucket.name, name=form, form=form).deliver(MONTH, focus(300))  # type: ignore[arg-type]
        one = agent(prefix=f"costs/{form}/", name="bill", rows_max=100)
        assert one.tick().status == "complete"
        standing.append(one.book.standing())
    assert standing[0] == standing[1]


def test_what_was_read_costs_one_list_and_nothing_more(bucket: UsageBucket, agent: Callable[..., Agent]) -> None:
    Export(bucket.put, bucket.name).deliver(MONTH, focus(10))
    one = agent()
    one.tick()
    one.restart()
    asked: list[str] = []
    one.collector._bucket._client.meta.events.register("before-call", lambda model, **_: asked.append(model.name))
    before = one.checkpoint
    readings = one.collect()
    assert asked == ["ListObjectsV2"]
    assert (readings.charges.num_rows, readings.bills.num_rows, readings.more) == (0, 0, False)
    assert readings.checkpoint == before


def months(table: pa.Table, month: str) -> pa.Table:
    """A bill of another billing period."""
    start = pa.array([f"{month}-01"] * table.num_rows).cast(pa.timestamp("ms"))
    return table.set_column(table.column_names.index("BillingPeriodStart"), "BillingPeriodStart", start)


def test_the_oldest_period_comes_first_and_none_before_the_first_that_is_wanted(
    bucket: UsageBucket, agent: Callable[..., Agent]
) -> None:
    export = Export(bucket.put, bucket.name)
    for month in ("2026-05", "2025-12", "2026-01"):
        export.deliver(month, months(focus(10), month))
    one = agent(since="2026-01")
    one.tick()
    periods = [f"{one.book.bills[version]['period']:%Y-%m}" for version in one.book.closed]
    assert periods == ["2026-01", "2026-05"]


def test_a_refresh_of_one_period_leaves_the_others(bucket: UsageBucket, agent: Callable[..., Agent]) -> None:
    export = Export(bucket.put, bucket.name)
    for month in ("2026-04", "2026-05"):
        export.deliver(month, months(focus(10), month))
    one = agent()
    one.tick()
    export.deliver("2026-04", months(focus(20), "2026-04"))
    one.tick()
    assert [one.book.bills[version]["charges"] for version in one.book.closed] == [10, 10, 20]
    assert len(one.book.standing()) == 30


def test_a_table_of_line_items_is_read(bucket: UsageBucket, agent: Callable[..., Agent]) -> None:
    rows = [row for row, *_ in CUR]
    Export(bucket.put, bucket.name, form="csv").deliver(MONTH, table_of(rows, list(rows[0])))
    one = agent()
    assert one.tick().status == "complete"
    assert len(one.book.standing()) == len(rows)


def test_a_bill_without_charges_stands_too(bucket: UsageBucket, agent: Callable[..., Agent]) -> None:
    Export(bucket.put, bucket.name).deliver(MONTH, focus(10).slice(0, 0))
    one = agent()
    assert one.tick().status == "complete"
    assert [bill["charges"] for bill in one.book.bills.values()] == [0]


@pytest.mark.slow
@pytest.mark.parametrize(("form", "overwrites"), WAYS)
def test_from_every_checkpoint_the_same_bill_is_read(
    bucket: UsageBucket, agent: Callable[..., Agent], form: Any, overwrites: bool
) -> None:
    export = Export(bucket.put, bucket.name, form=form, overwrites=overwrites, chunk_rows=30)
    export.deliver(MONTH, focus(70))
    one = agent(rows_max=10, batch_rows=10, block_bytes=1_024, whole_bytes_max=0)
    checkpoints = [one.checkpoint]
    while True:
        more = one.collect().more
        checkpoints.append(json.loads(json.dumps(one.checkpoint)))
        if not more:
            break
    whole = one.book.standing()
    assert len(whole) == 70
    assert len(checkpoints) > 5
    for checkpoint in checkpoints:
        one.restart(checkpoint)
        one.collect(is_stored=False)
        one.tick()
        assert one.book.standing() == whole
        assert len(one.book.closed) == 1


def test_a_bucket_that_cannot_be_listed_fails_and_keeps_the_checkpoint(
    bucket: UsageBucket, agent: Callable[..., Agent]
) -> None:
    Export(bucket.put, bucket.name).deliver(MONTH, focus(10))
    one = agent()
    one.tick()
    before = one.checkpoint
    bucket.delete()
    readings = one.collect()
    assert (readings.coverage[0].status, readings.more) == ("failed", False)
    assert readings.checkpoint == before


def test_an_export_that_has_delivered_nothing_yet_is_partial(bucket: UsageBucket, agent: Callable[..., Agent]) -> None:
    coverage = agent().tick()
    assert coverage.status == "partial"
    assert "costs/focus/metadata/" in coverage.reason
