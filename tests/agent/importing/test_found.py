"""Of a folder everything is read that a bill can be in, and the rest is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.importing.errors import ImportFault
from agent.importing.found import files, left_out
from tests.agent.importing.delivered import row, written
from tests.ledger.running import run_cli


def test_a_folder_is_its_bills_and_what_is_left_out(tmp_path: Path) -> None:
    for name in ("b.csv.gz", "a.PARQUET", "manifest.json", "month/c.csv", "month/c.csv.bak", ".hidden/d.csv", ".e.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in files([tmp_path])] == ["a.PARQUET", "b.csv.gz", "c.csv"]
    assert [path.name for path in left_out([tmp_path])] == ["manifest.json", "c.csv.bak"]


def test_a_file_that_is_named_is_read_whatever_it_is_called_and_once(tmp_path: Path) -> None:
    path = tmp_path / "bill.txt"
    path.touch()
    assert (files([path, path]), left_out([path])) == ([path], [])


def test_a_folder_without_bills_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportFault, match="the folder holds no file that ends in"):
        files([tmp_path])


def test_the_command_tells_what_it_leaves_out(tmp_path: Path) -> None:
    written(tmp_path / "bill.csv", [row()])
    for number in range(6):
        (tmp_path / f"{number}.json").touch()
    result = run_cli("charges", "import", "--dry-run", str(tmp_path))
    assert result.exit_code == 0
    named = ", ".join(f"{tmp_path}/{number}.json" for number in range(5))
    assert result.stderr == f"note: left out, since no bill is called so: {named}, ...\n"
    assert "1 charges" in result.stdout
