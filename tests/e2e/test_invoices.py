"""Two operators finalize at the same time, and the ledger is killed under them again and again: each period is billed once."""

from __future__ import annotations

import random
import re
import subprocess
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from examples.demo.processes import meterbook
from tests.e2e.spine import Spine

TENANTS, PERIODS, KILLS = 40, 3, 4


def definitions() -> Iterator[dict[str, Any]]:
    yield {"kind": "plan", "name": "team", "spec": {"currency": "EUR", "flat_fee": 10}}
    for number in range(TENANTS):
        tenant = f"t{number:02}"
        yield {"kind": "tenant", "name": tenant, "spec": {}}
        term = {"tenant": tenant, "plan": "team", "start": "2026-01-01", "end": "2026-04-01"}
        yield {"kind": "subscription", "name": f"s{number:02}", "spec": term}
        credit = {"tenant": tenant, "amount": 15, "currency": "EUR", "reason": "a start"}
        yield {"kind": "credit", "name": f"c{number:02}", "spec": credit}


def finalizing(spine: Spine, author: str) -> subprocess.Popen[str]:
    command = [*meterbook("invoice", "finalize", "--author", author), "--ledger", spine.address]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def told(run: subprocess.Popen[str]) -> set[str]:
    """The invoices that an operator was told of, his own and those of the other one."""
    printed, _ = run.communicate()
    return set(re.findall(r": (?:finalized|already by .*): invoice (\S+), ", printed))


@pytest.mark.slow
def test_a_ledger_that_is_killed_bills_each_period_once(tmp_path: Path) -> None:
    chance = random.Random(11)
    spine = Spine(tmp_path, [], [])
    seen: set[str] = set()
    broken_off = 0
    try:
        spine.ledger.start()
        spine.apply(*definitions())
        for _ in range(KILLS):
            operators = [finalizing(spine, "ada"), finalizing(spine, "bob")]
            time.sleep(chance.uniform(0.8, 2.0))
            spine.ledger.kill()
            for each in operators:
                seen |= told(each)
                broken_off += each.returncode != 0
            spine.ledger.start()
        last = [finalizing(spine, "ada"), finalizing(spine, "bob")]
        for each in last:
            seen |= told(each)
            assert each.returncode == 0
        invoices = spine.ask("invoice", "list")["invoices"]
        assert sorted(int(each["number"]) for each in invoices) == list(range(1, TENANTS * PERIODS + 1))
        assert len({(each["subscription"], each["start"]) for each in invoices}) == TENANTS * PERIODS
        assert broken_off and seen <= {each["id"] for each in invoices}
        # Of three times 10 a credit of 15 is drawn once.
        assert sum(Decimal(each["total"]) for each in invoices) == TENANTS * 15
        for each in chance.sample(invoices, 10):
            assert spine.run("invoice", "verify", each["id"]).returncode == 0
        assert spine.run("verify").returncode == 0
    finally:
        spine.stop()
