"""The table of capacity follows from runs: twice the cost is half the capacity, and what was not run is not told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.capacity import SIZES, Agent, Bills, Ledger, Nodes, kept, table

SMALL, LARGE = Agent(SIZES[0], 1.0, 150.0, 9.0, 8.0), Agent(SIZES[1], 0.5, 190.0, 9.0, 8.0)
NODES, LEDGER, BILLS = Nodes(8, 250.0, 0.025, 150.0), Ledger(5e5, 0.8, 500.0, 2.5, 2.0), Bills(1_000, 2.0)
ALL = (SMALL, LARGE, NODES, LEDGER, BILLS)


def test_capacity_follows_from_what_was_measured() -> None:
    found = table(ALL, 0.5)
    # Half a core does a million samples in a second, of 15 million series that are read every 15 seconds.
    assert found["agent: series per core"] == 15_000_000
    assert found["agent: MiB without any series"] == 140
    assert found["agent: nodes per core"] == 300
    assert found["ledger: samples per second and core"] == 620_000
    assert found["ledger: nodes per core"] == 38_000
    assert found["ledger: tenants drafted per minute, on all cores"] == 30_000


def test_what_costs_twice_as_much_is_half() -> None:
    dearer = replace(LARGE, cpu_s_per_million=1.0)
    assert table((SMALL, dearer), 0.5)["agent: series per core"] == 7_500_000


def test_the_median_counts() -> None:
    runs = [replace(LEDGER, cpu_s_per_million=each) for each in (0.8, 50.0, 0.7)]
    assert table(runs, 0.5)["ledger: CPU-seconds per million samples"] == pytest.approx(0.8)


def test_what_was_not_run_is_not_told() -> None:
    assert not table((), 0.5)
    assert all(name.startswith(("ledger", "disk")) for name in table((LEDGER, BILLS), 0.5))
    assert "ledger: nodes per core" not in table((LEDGER,), 0.5)


def test_lines_that_were_kept_are_runs_again(tmp_path: Path) -> None:
    names = ("agent", "agent", "nodes", "ledger", "invoices")
    lines = [json.dumps({"part": name, **vars(run)}) for name, run in zip(names, ALL, strict=True)]
    (tmp_path / "runs").write_text("\n".join([*lines, '{"figure": "capacity"}']))
    assert tuple(kept(tmp_path / "runs")) == ALL
