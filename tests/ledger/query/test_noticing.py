"""Notices are written once for a tenant, a feature, a period and a threshold, whoever looks and however often."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from ledger.billing.notices import REACHED, Notice, notices
from ledger.journal.errors import LogUnavailable
from ledger.query.allowances import Allowances
from ledger.query.noticing import Noticer
from meterbook.wire import instants
from tests.fakes.journal import MemoryJournal, memory_journal
from tests.ledger.batches import content, event

NOON = instants.parse("2026-03-10T12:00:00Z")
PLAN = """\
{kind: meter, name: calls, spec: {source: {event: call}, aggregation: sum, unit: calls}}
---
kind: plan
name: pro
spec: {currency: EUR, features: [{name: api, meter: calls, limit: 100, per: day, thresholds: [50, 80, 100]}]}
"""
TENANTS = 40


@pytest.fixture
def journal() -> Iterator[MemoryJournal]:
    with memory_journal(NOON) as book:
        tenants = "".join(
            f"---\n{{kind: tenant, name: t{n}, spec: {{}}}}\n"
            f"---\n{{kind: subscription, name: s{n}, spec: {{tenant: t{n}, plan: pro, start: 2026-01-01}}}}\n"
            for n in range(TENANTS)
        )
        book.define(PLAN + tenants)
        yield book


def use(journal: MemoryJournal, number: int, quantity: int, at_us: int = NOON, tenants: int = TENANTS) -> None:
    rows = [
        event(number * 1_000 + n, type="call", tenant=f"t{n}", time=at_us, value=Decimal(quantity))
        for n in range(tenants)
    ]
    journal.send("shop-agent", content(events=rows))


def written(journal: Any) -> list[Notice]:
    return notices(journal.view().acts(0, (REACHED,)).to_pylist())


def looked(journal: Any, at_us: int = NOON, noticer: Noticer | None = None) -> int:
    return (noticer or Noticer(journal)).look(Allowances(journal, lambda: at_us).look())


def test_each_threshold_is_noticed_once_in_a_period(journal: MemoryJournal) -> None:
    noticer = Noticer(journal)
    assert looked(journal, noticer=noticer) == 0
    for number, (quantity, fresh) in enumerate([(49, 0), (1, 1), (10, 0), (50, 2), (500, 0)]):
        use(journal, number, quantity)
        assert looked(journal, noticer=noticer) == fresh * TENANTS
        # One that begins anew knows what stands in the book.
        assert looked(journal) == 0
    journal.now_us += instants.DAY_US
    use(journal, 9, 60, NOON + instants.DAY_US)
    assert looked(journal, NOON + instants.DAY_US, noticer) == TENANTS
    found = written(journal)
    assert len({each.id for each in found}) == len(found) == 4 * TENANTS
    assert {each.threshold: str(each.used) for each in found[: 3 * TENANTS]} == {50: "50", 80: "110", 100: "110"}
    assert all(each.at_position < each.position for each in found)


def test_two_that_look_at_once_notice_once(journal: MemoryJournal) -> None:
    use(journal, 1, 85)
    ready = threading.Barrier(4)

    def look() -> int:
        noticer = Noticer(journal)  # type: ignore[arg-type]
        snapshot = Allowances(journal, lambda: NOON).look()  # type: ignore[arg-type]
        ready.wait()
        return noticer.look(snapshot)

    with ThreadPoolExecutor(4) as pool:
        [each.result() for each in [pool.submit(look) for _ in range(4)]]
    found = written(journal)
    assert len({each.id for each in found}) == len(found) == 2 * TENANTS


def test_what_could_not_be_written_is_written_later(journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    use(journal, 1, 85)
    noticer, append, left = Noticer(journal), journal.append, [7]  # type: ignore[arg-type]

    def failing(draft: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise LogUnavailable("the disk is full")
        return append(draft)

    monkeypatch.setattr(journal, "append", failing)
    with pytest.raises(LogUnavailable):
        looked(journal, noticer=noticer)
    monkeypatch.setattr(journal, "append", append)
    looked(journal, noticer=noticer)
    found = written(journal)
    assert len({each.id for each in found}) == len(found) == 2 * TENANTS


def test_a_notice_reads_as_it_was_written(journal: MemoryJournal) -> None:
    use(journal, 1, 100, tenants=1)
    assert looked(journal) == 3
    last = written(journal)[-1]
    assert (last.tenant, last.threshold, last.unit, last.kind, last.subscription) == ("t0", 100, "calls", "hard", "s0")
    assert last.id.startswith("msg_") and last.id == written(journal)[-1].id
    assert b'"type":"threshold.reached"' in last.body() and last.body() == written(journal)[-1].body()
