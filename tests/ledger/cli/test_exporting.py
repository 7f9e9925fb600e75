"""Usage as a file, exact to the last digit, and as a picture."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.ledger.books import ODD
from tests.ledger.running import Running, run_cli


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    if path.suffix == ".arrow":
        return list(pa.ipc.open_file(path.read_bytes()).read_all().to_pylist())
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".arrow"])
def test_a_file_says_what_json_says(shop: Running, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"usage{suffix}"
    told = shop.cli("usage", "--window", "hour", "-o", str(path))
    rows = shop.json("usage", "--window", "hour")["rows"]
    assert told.strip() == f"{len(rows)} rows in {path}, as of position 8"
    found = read(path)
    assert [Decimal(row["quantity"]) for row in found] == [Decimal(row["quantity"]) for row in rows]
    assert [(row["meter"], row["tenant"]) for row in found] == [(row["meter"], row["tenant"]) for row in rows]
    assert ODD in {row["tenant"] for row in found}
    assert str(found[0]["window"])[:13].replace("T", " ") == "2026-03-10 10"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_of_another_kind_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    result = run_cli("usage", "-o", str(tmp_path / "usage.xls"), "--ledger", "127.0.0.1:1")
    assert result.exit_code == 2
    assert "ends with none of .csv, .parquet, .arrow" in result.stderr


def test_a_file_that_cannot_be_written(shop: Running, tmp_path: Path) -> None:
    told = shop.cli("usage", "-o", str(tmp_path / "nowhere" / "usage.csv"), code=1)
    assert "cannot be written: No such file or directory" in told


def test_a_picture(shop: Running) -> None:
    drawn = shop.cli("usage", "--window", "hour", "--meter", "requests", "--plot")
    assert "requests acme code=200 pod=p-1 (requests)" in drawn
    assert "2026-03-10 10:00" in drawn
    assert "\x1b" not in drawn


def test_a_total_cannot_be_drawn(shop: Running) -> None:
    assert "there is nothing to draw: ask for windows, such as --window day" in shop.cli("usage", "--plot", code=1)
