"""Bills that are files, through SIGKILL of the command and of the ledger at any moment: whole or not at all, and each line once."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from examples.demo.processes import meterbook
from tests.agent.importing.delivered import billed, rows, written
from tests.e2e.spine import Spine, eventually

COUNT = 60_000


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[Spine]:
    running = Spine(tmp_path, [], [])
    try:
        running.ledger.start()
        yield running
    finally:
        running.stop()


def told(spine: Spine) -> tuple[int, Decimal] | None:
    """The charges that count, and what they add up to; None for no bill."""
    totals = spine.ask("charges")["totals"]
    return (totals[0]["charges"], Decimal(totals[0]["billed_cost"])) if totals else None


@pytest.mark.slow
def test_a_bill_is_whole_or_not_there_whatever_is_killed(spine: Spine, tmp_path: Path) -> None:
    table = rows(COUNT)
    path = written(tmp_path / "bill.csv.gz", table)
    whole = COUNT, billed(table)
    command = [*meterbook("charges", "import", str(path)), "--ledger", spine.address]
    chance = random.Random(7)
    for number in range(6):
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(1.0, 5.0))
        if number % 2:
            spine.ledger.kill()
            spine.ledger.start()
        running.kill()
        running.wait()
        assert told(spine) in (None, whole)
    assert eventually(lambda: spine.run("charges", "import", str(path)).returncode == 0)
    assert told(spine) == whole
    again = spine.run("charges", "import", str(path))
    assert (again.returncode, "nothing new" in again.stdout) == (0, True)
    assert [each["state"] for each in spine.ask("bills")["rows"]] == ["stands"]
    assert sum(each["sequence"] for each in spine.ask("agents")["rows"]) == 7
    assert spine.run("verify").returncode == 0
