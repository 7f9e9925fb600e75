"""Rows as charges: every sum to the last digit, both forms of a file the same, every table of AWS, and the row for which a bill is refused."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Iterator
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collector.datastore.bills.charges import Origin, charges, total
from collector.datastore.bills.csvtable import Cuts, batches
from collector.datastore.bills.focus import reading_of
from collector.datastore.bills.manifests import start_us
from collector.datastore.bills.refused import Refused
from meterbook.wire.sections import CHARGES, COSTS
from tests.collector.datastore.bills.rows_of_bills import CUR, MONTH, billed, cur_row, focus_csv, focus_rows
from tests.fakes.aws.exports import csv_gz, parquet, table_of

ORIGIN = Origin("bills/usage/costs/focus", "v1", start_us(MONTH), 0)


def made(batch: pa.RecordBatch, line: int = 0) -> pa.Table:
    names = batch.schema.names
    rows = reading_of(names)(dict(zip(names, batch.columns, strict=True)))
    return charges(rows, Origin(ORIGIN.source, ORIGIN.version, ORIGIN.period_us, line))


def of_csv(data: bytes) -> pa.Table:
    def cut() -> Iterator[pa.Table]:
        for row, batch in batches(iter([data]), 0, Cuts(1 << 20, 1 << 20, 100)):
            yield made(batch, row)

    return pa.concat_tables([CHARGES.empty_table(), *cut()]).combine_chunks()


def of_table(table: pa.Table) -> pa.Table:
    (batch,) = pq.read_table(io.BytesIO(parquet(table))).combine_chunks().to_batches()
    return made(batch)


def of_rows(rows: list[dict[str, str]]) -> pa.Table:
    return made(pa.RecordBatch.from_pylist(rows, pa.schema([(name, pa.utf8()) for name in rows[0]])))


@pytest.mark.parametrize(("provider", "version"), [("aws", "1.2"), ("aws", "1.3"), ("azure", "1.2"), ("gcp", "1.3")])
def test_every_sum_is_the_generators_to_the_last_digit(provider: str, version: str) -> None:
    rows = focus_rows(400, version=version, provider=provider)
    found = of_csv(focus_csv(400, version=version, provider=provider))
    found.validate(full=True)
    assert found.schema.equals(CHARGES)
    assert found["line"].to_pylist() == list(range(len(rows)))
    assert total(found) == billed(rows)
    for cost in COSTS:
        assert found[cost].to_pylist() == [Decimal(row[cost]) for row in rows]
    assert found["BillingAccountId"].to_pylist() == [row["BillingAccountId"] for row in rows]


def test_nothing_of_a_row_is_lost() -> None:
    for row, charge in zip(focus_rows(50), of_csv(focus_csv(50)).to_pylist(), strict=True):
        others = json.loads(charge["others"])
        assert list(others) == sorted(others)
        texts = {
            name: text
            for name, text in row.items()
            if text and name not in CHARGES.names and name != "BillingPeriodStart"
        }
        assert {name: text for name, text in others.items() if name != "SkuPriceDetails"} == {
            name: text for name, text in texts.items() if name != "SkuPriceDetails"
        }
        details, tags = json.loads(row["SkuPriceDetails"] or "{}"), json.loads(row["Tags"] or "{}")
        assert json.loads(others.get("SkuPriceDetails", "{}")) == {name: str(held) for name, held in details.items()}
        assert json.loads(charge["Tags"]) == {name: str(held) for name, held in tags.items()}


def test_both_forms_of_a_file_give_the_same_charges() -> None:
    rows = focus_rows(300)
    table = table_of(rows, list(rows[0]))
    of_parquet = of_table(table)
    assert of_parquet.equals(of_csv(gzip.decompress(csv_gz(table))))
    assert total(of_parquet) == billed(rows)


def test_a_row_may_lack_what_is_not_mandatory() -> None:
    rows = focus_rows(3)
    few = [{name: row[name] for name in row if name not in ("Tags", "ResourceId", "SubAccountId")} for row in rows]
    found = of_rows(few).to_pylist()
    assert [(each["Tags"], each["ResourceId"], each["SubAccountId"]) for each in found] == 3 * [("{}", "", "")]


def test_an_account_id_of_digits_alone_keeps_its_zeros() -> None:
    row = {**focus_rows(1)[0], "BillingAccountId": "000000000001", "ResourceId": "NULL"}
    found = of_rows([row]).to_pylist()[0]
    assert (found["BillingAccountId"], found["ResourceId"]) == ("000000000001", "")


def spoilt(**texts: str) -> list[dict[str, str]]:
    rows = focus_rows(3)
    return [rows[0], rows[1], {**rows[2], **texts}]


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ({"BilledCost": ""}, "BilledCost is null"),
        ({"EffectiveCost": "NULL"}, "EffectiveCost is null"),
        ({"ListCost": "1,5"}, 'ListCost: "1,5" is not a number'),
        ({"ContractedCost": "1e30"}, "ContractedCost: .*beyond"),
        ({"BillingCurrency": ""}, "BillingCurrency is null"),
        ({"BillingCurrency": "dollars"}, "no code of three capitals"),
        ({"ChargePeriodStart": "yesterday"}, "ChargePeriodStart: 'yesterday'"),
        ({"ChargePeriodEnd": ""}, "ChargePeriodEnd is null"),
        ({"BillingPeriodStart": "2026-04-01T00:00:00Z"}, "2026-04-01T00:00:00Z is not that of the bill"),
        ({"Tags": "prod"}, "Tags: .* no JSON object"),
        ({"ResourceId": "x" * 5_000}, "ResourceId has 5000 bytes"),
        ({"ChargeDescription": "x" * 70_000}, "others has .* more than 65536"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, dict) else "",
)
@pytest.mark.parametrize("read", [of_rows, lambda rows: of_csv(gzip.decompress(csv_gz(pa.Table.from_pylist(rows))))])
def test_one_row_that_cannot_be_read_refuses_all(
    texts: dict[str, str], told: str, read: Callable[[list[dict[str, str]]], pa.Table]
) -> None:
    with pytest.raises(Refused, match=told) as refused:
        read(spoilt(**texts))
    assert refused.value.row == 2


def test_a_file_of_something_else_is_refused_and_told_what_it_lacks() -> None:
    with pytest.raises(Refused, match="BilledCost, EffectiveCost"):
        reading_of(["id", "name"])
    with pytest.raises(Refused, match=r"CUR 2\.0"):
        reading_of(["line_item_line_item_type"])
    with pytest.raises(Refused, match="Tags is there twice"):
        reading_of(["Tags", "Tags"])


def test_each_kind_of_line_item_has_its_costs() -> None:
    rows = [row for row, *_ in CUR]
    found = of_table(table_of(rows, list(rows[0]))).to_pylist()
    wanted = [(category, *(Decimal(cost) for cost in costs)) for _, category, *costs in CUR]
    names = ("ChargeCategory", "BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
    assert [tuple(row[name] for name in names) for row in found] == wanted
    assert {(row["BillingAccountId"], row["SubAccountId"], row["BillingCurrency"]) for row in found} == {
        ("000000000001", "000000000042", "USD")
    }
    assert {row["Tags"] for row in found} == {'{"user_team":"core"}'}
    assert {row["ServiceName"] for row in found} == {"AmazonEC2"}


def test_the_bill_of_line_items_is_what_they_come_to_and_parts_of_them_are_not() -> None:
    rows = [row for row, *_ in CUR]
    found = of_table(table_of(rows, list(rows[0])))
    whole = [row for row in rows if not row["split_line_item_parent_resource_id"]]
    assert total(found) == billed(whole, "line_item_unblended_cost")
    assert json.loads(found["others"][-1].as_py())["split_line_item_split_cost"] == "0.2"


def test_line_items_are_the_same_in_both_forms() -> None:
    rows = [row for row, *_ in CUR]
    table = table_of(rows, list(rows[0]))
    assert of_table(table).equals(of_csv(gzip.decompress(csv_gz(table))))


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        ("DiscountedUsage", "reservation_effective_cost"),
        ("SavingsPlanCoveredUsage", "savings_plan_savings_plan_effective_cost"),
        ("SavingsPlanRecurringFee", "savings_plan_total_commitment_to_date"),
        ("RIFee", "reservation_unused_recurring_fee"),
        ("Usage", "BilledCost"),
    ],
)
def test_a_line_item_that_lacks_its_cost_refuses_the_bill(kind: str, column: str) -> None:
    odd = cur_row(kind, "" if kind == "Usage" else "1")
    with pytest.raises(Refused, match=column) as refused:
        of_rows([cur_row("Tax", "1"), odd])
    assert refused.value.row == 1


def test_what_an_export_leaves_out_is_not_missed_by_rows_that_do_not_need_it() -> None:
    row = {
        name: text
        for name, text in cur_row("Usage", "0.5").items()
        if not name.startswith(("savings", "reserv", "split"))
    }
    assert of_rows([row]).to_pylist()[0]["EffectiveCost"] == Decimal("0.5")


@pytest.mark.parametrize("name", ["ChargePeriodStart", "ChargePeriodEnd", "BillingPeriodStart"])
@pytest.mark.parametrize("seconds", [-1, 253_402_300_800, 1 << 42], ids=["1969", "10000", "far"])
def test_a_time_that_the_ledger_would_not_take_refuses_the_row(name: str, seconds: int) -> None:
    rows = focus_rows(3)
    table = table_of(rows, list(rows[0]))
    times = pa.array([*table[name].cast(pa.timestamp("s")).cast(pa.int64()).to_pylist()[:2], seconds])
    spoilt = table.set_column(
        table.column_names.index(name), name, times.cast(pa.timestamp("s")).cast(pa.timestamp("us"))
    )
    with pytest.raises(Refused, match=f"{name} is not of the years 1970 to 9999") as refused:
        made(spoilt.combine_chunks().to_batches()[0])
    assert refused.value.row == 2
