"""``meterbook cost export``: a file of FOCUS that is whole or not there, and says the same in Parquet and in CSV."""

from __future__ import annotations

import csv
import gzip
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ledger.cli import focusfile
from meterbook.ledger.v1 import costing_pb2
from meterbook.wire.instants import DAY_US
from tests.ledger.allocations import filled
from tests.ledger.batches import MONTH, bill, charge, content
from tests.ledger.running import Running, run_cli, serving

PERIOD = ("--period", "2026-01")
GOLDEN = Path(__file__).parents[2] / "data" / "focus" / "allocated.csv"
COSTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")


#: What a provider says of a charge besides what every one has.
OTHERS = {
    "BillingPeriodEnd": "2026-03-01T00:00:00Z",
    "BillingAccountName": "Company",
    "ChargeDescription": 'Support, 24/7 "gold"',
    "InvoiceIssuerName": "AWS",
    "ProviderName": "AWS",
    "PricingQuantity": "1",
    "PricingUnit": "Months",
    "ListUnitPrice": "10",
    "RegionId": "eu-central-1",
    "ServiceCategory": "Other",
    "x_Discounts": "{}",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, str]]:
    """A ledger, and the position at which the first bill stood; in the month after it there is one of a few odd charges."""
    folder = tmp_path_factory.mktemp("exported")
    with serving(folder / "store") as running:
        position = str(filled(running, folder))
        month = {"period": MONTH + 31 * DAY_US}
        start = month["period"]
        month |= {"ChargePeriodStart": start, "ChargePeriodEnd": start + 28 * DAY_US}
        charges = [
            charge(0, "9.99", ServiceName="Support", others=json.dumps(OTHERS), EffectiveCost=Decimal("0.1"), **month),
            charge(1, "-0.000000000000000003", ServiceName="Support", Tags='{"a":"b"}', ResourceId="", **month),
            charge(2, "3", ServiceName="Tax", ChargeCategory="Tax", BillingCurrency="EUR", **month),
            charge(3, "1.5", Tags='{"team":"red"}', **month),
        ]
        running.send(content(charges=charges, bills=[bill(4, "14.489999999999999997", period=start)]))
        yield running, position


def texts(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_file_is_as_it_has_always_been(shop: tuple[Running, str], tmp_path: Path) -> None:
    path, again = tmp_path / "february.csv.gz", tmp_path / "again.csv.gz"
    told = shop[0].cli("cost", "export", "--period", "2026-02", "--out", str(path))
    assert told.splitlines()[-1].startswith(f"6 rows of 4 charges in {path}, as of position ")
    assert "note: ServiceCategory: 3 charges have none, which FOCUS asks for" in told
    assert gzip.decompress(path.read_bytes()).decode() == GOLDEN.read_text()
    shop[0].cli("cost", "export", "--period", "2026-02", "--out", str(again))
    assert again.read_bytes() == path.read_bytes()
    assert sorted(tmp_path.iterdir()) == [again, path]


def test_parquet_says_what_csv_says_exactly(shop: tuple[Running, str], tmp_path: Path) -> None:
    running, position = shop
    for name in ("january.parquet", "january.csv.gz"):
        running.cli("cost", "export", *PERIOD, "--out", str(tmp_path / name), "--as-of", position)
    table, rows = pq.read_table(tmp_path / "january.parquet"), texts(tmp_path / "january.csv.gz")
    assert table.column_names == list(rows[0])
    for name in (*COSTS, "x_AllocatedRatio"):
        assert table[name].to_pylist() == [Decimal(row[name]) for row in rows]
    assert table["AllocatedMethodDetails"].to_pylist() == [row["AllocatedMethodDetails"] or None for row in rows]
    assert [f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in table["ChargePeriodEnd"].to_pylist()] == [
        row["ChargePeriodEnd"] for row in rows
    ]
    about = table.schema.metadata
    assert (about[b"focus_version"], about[b"period"], about[b"as_of"]) == (b"1.3", b"2026-01", position.encode())


def test_parts_come_to_what_the_ledger_says_that_tenants_bear(shop: tuple[Running, str], tmp_path: Path) -> None:
    running, position = shop
    path = tmp_path / "january.parquet"
    running.cli("cost", "export", *PERIOD, "--out", str(path), "--as-of", position)
    found: dict[tuple[str, str], Decimal] = {}
    for row in pq.read_table(path).to_pylist():
        key = (row["x_Bearer"], row["BillingCurrency"])
        found[key] = found.get(key, Decimal(0)) + row["BilledCost"]
    rows = running.json("cost", "allocated", *PERIOD, "--as-of", position)["rows"]
    assert found == {(row["tenant"], row["currency"]): Decimal(row["cost"]) for row in rows}


def test_a_file_that_was_there_stays_until_a_whole_one_takes_its_place(
    shop: tuple[Running, str], tmp_path: Path
) -> None:
    running, _ = shop
    path = tmp_path / "january.parquet"
    path.write_text("older")
    error = running.error("cost", "export", "--period", "March", "--out", str(path))
    assert error == "period: 'March' is no month such as 2026-03; bills are of months in UTC"
    assert (path.read_text(), list(tmp_path.iterdir())) == ("older", [path])
    running.cli("cost", "export", *PERIOD, "--out", str(path))
    assert len(pq.read_table(path)) == 3 and list(tmp_path.iterdir()) == [path]


def messages(rows: int) -> list[costing_pb2.ExportAllocationResponse]:
    """What a ledger says of an export with one column."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([("x_Bearer", pa.utf8())])) as writer:
        for number in range(rows):
            writer.write_batch(pa.record_batch({"x_Bearer": [f"tenant-{number}"]}))
    data = sink.getvalue().to_pybytes()
    pieces = [costing_pb2.ExportAllocationResponse(arrow=data[low : low + 7]) for low in range(0, len(data), 7)]
    return [*pieces, costing_pb2.ExportAllocationResponse(rows=rows, as_of=1)]


@pytest.mark.parametrize("name", ["x.parquet", "x.csv.gz"])
def test_pieces_of_any_size_are_put_together(tmp_path: Path, name: str) -> None:
    last = focusfile.write(messages(40), tmp_path / name)
    assert (last.rows, list(tmp_path.iterdir())) == (40, [tmp_path / name])
    if name.endswith("gz"):
        assert [row["x_Bearer"] for row in texts(tmp_path / name)] == [f"tenant-{number}" for number in range(40)]
    else:
        assert pq.read_table(tmp_path / name)["x_Bearer"].to_pylist() == [f"tenant-{number}" for number in range(40)]


@pytest.mark.parametrize("kept", [0, 1, 20, -1])
def test_an_export_that_ends_early_leaves_nothing(tmp_path: Path, kept: int) -> None:
    with pytest.raises(click.ClickException, match="the ledger ended the export before its last row"):
        focusfile.write(messages(40)[:kept], tmp_path / "x.parquet")
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_is_killed_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    path.write_text("older")
    program = """
        import sys, time
        from pathlib import Path
        from ledger.cli import focusfile
        from tests.ledger.cli.test_focusfile import messages

        def slowly():
            found = messages(2000)
            yield from found[:1000]
            print("half", flush=True)
            time.sleep(600)

        focusfile.write(slowly(), Path(sys.argv[1]))
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), str(path)], stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"half\n"
        process.send_signal(signal.SIGKILL)
    assert path.read_text() == "older"
    focusfile.write(messages(3), path)
    assert list(tmp_path.iterdir()) == [path] and len(texts(path)) == 3


def test_of_two_exports_to_one_file_the_second_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"

    def meanwhile() -> Iterator[costing_pb2.ExportAllocationResponse]:
        found = messages(20)
        yield from found[:10]
        with pytest.raises(click.ClickException, match="is being written by another export: wait for its end"):
            focusfile.write(messages(3), path)
        yield from found[10:]

    focusfile.write(meanwhile(), path)
    assert len(texts(path)) == 20 and list(tmp_path.iterdir()) == [path]
    focusfile.write(messages(3), path)
    assert len(texts(path)) == 3


def test_a_bill_that_is_not_whole_is_exit_code_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("incomplete")
    with serving(folder / "store") as running:
        filled(running, folder)
        half: dict[str, Any] = {"source": "bills/half"}
        running.send(content(charges=[charge(0, "1", "v9", **half)], bills=[bill(2, "2", "v9", **half)]))
        path = folder / "x.parquet"
        error = running.cli("cost", "export", *PERIOD, "--out", str(path), code=1)
        assert "problem: the bill of bills/half is incomplete, 1 of 2 charges" in error
        assert set(pq.read_table(path)["x_BillSource"].to_pylist()) == {"bills/focus"}
        told = running.cli("cost", "export", *PERIOD, "--source", "bills/focus", "--out", str(path))
        assert "3 rows of 1 charges" in told


def test_a_file_of_another_kind_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    result = run_cli("cost", "export", *PERIOD, "--out", str(tmp_path / "x.csv"), "--ledger", "127.0.0.1:1")
    assert result.exit_code == 2
    assert "ends with none of .parquet, .csv.gz" in result.stderr


def test_a_file_that_cannot_be_written(shop: tuple[Running, str], tmp_path: Path) -> None:
    told = shop[0].cli("cost", "export", *PERIOD, "--out", str(tmp_path / "nowhere" / "x.csv.gz"), code=1)
    assert "cannot be written: No such file or directory" in told
