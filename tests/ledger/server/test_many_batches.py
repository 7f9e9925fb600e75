"""Batches that are looked into by another process are bound by the same grants and limits as all others."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ledger.intake import checkers
from ledger.server import intake_service
from meterbook.intake.v1 import intake_pb2
from meterbook.wire.sections import Sections
from meterbook.wire.series import Series
from tests.ledger.batches import DAY, content, series
from tests.ledger.guarded import Guarded, guarded

PATIENCE_S = 60.0
OWN = Series(
    source="prometheus/edge", metric="m", kind="counter", unit="u", labels="{}", attributes="{}", start_us=None
)


def definition(tenant: str = "acme") -> tuple[Any, ...]:
    return series(
        OWN.series_id,
        identity=OWN.identity,
        source=OWN.source,
        tenant=tenant,
        metric=OWN.metric,
        unit=OWN.unit,
        labels=OWN.labels,
        attributes=OWN.attributes,
    )


def sample(number: int, series_id: int = OWN.series_id) -> Sections:
    return content(samples=[(series_id, DAY + number, float(number))])


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many batches each call looked into elsewhere; every call tries to."""
    monkeypatch.setattr(checkers, "MANY", 1)
    monkeypatch.setattr(intake_service, "_WORKERS", 1)
    counts: list[int] = []
    real = checkers.Checkers._elsewhere

    def counted(self: Any, checker: Any, batches: Any, with_ids: bool) -> Any:
        counts.append(len(batches))
        return real(self, checker, batches, with_ids)

    monkeypatch.setattr(checkers.Checkers, "_elsewhere", counted)
    return counts


@pytest.fixture
def ledger(tmp_path: Path, elsewhere: list[int]) -> Iterator[Guarded]:
    with guarded(tmp_path) as found:
        yield found


def begin(ledger: Guarded, key: str, elsewhere: list[int]) -> None:
    """Send batches until they are looked into elsewhere."""
    ledger.send(key, content(series=[definition()]))
    ends_s = time.monotonic() + PATIENCE_S
    while not elsewhere:
        assert time.monotonic() < ends_s, "no process got ready"
        ledger.send(key, sample(ledger.senders["edge"].sequence))


def kinds(answers: list[intake_pb2.ServerMessage]) -> list[str | None]:
    return [answer.WhichOneof("message") for answer in answers]


def test_an_agent_that_may_write_everything(ledger: Guarded, elsewhere: list[int]) -> None:
    key = ledger.agent("edge")
    begin(ledger, key, elsewhere)
    before = ledger.senders["edge"].sequence
    ledger.send(key, *(sample(number) for number in range(100)))
    assert ledger.senders["edge"].sequence == before + 100
    assert sum(elsewhere) > 100


def test_an_agent_is_kept_to_what_it_was_granted(ledger: Guarded, elsewhere: list[int]) -> None:
    key = ledger.agent("edge", ["acme"], ["prometheus/edge"])
    begin(ledger, key, elsewhere)
    held = ledger.senders["edge"].sequence
    for number, stranger in enumerate((sample(1, series_id=7), content(series=[definition("bcorp")])), start=1):
        answers = ledger.send(key, *(sample(each) for each in range(20)), stranger, sample(21))
        assert kinds(answers)[-1] == "refusal"
        assert answers[-1].refusal.code == intake_pb2.REFUSAL_CODE_FORBIDDEN
        assert ledger.senders["edge"].sequence == held + 20 * number


def test_who_shares_a_round_with_one_that_is_refused_is_not(ledger: Guarded, elsewhere: list[int]) -> None:
    begin(ledger, ledger.agent("edge"), elsewhere)
    own = content(series=[definition()])
    keys = {name: ledger.agent(name, ["acme"]) for name in ("good-1", "bad", "good-2")}

    def send(name: str) -> list[intake_pb2.ServerMessage]:
        middle = [sample(0, series_id=7)] if name == "bad" else []
        rows = [sample(number) for number in range(100)]
        return ledger.send(keys[name], own, *rows[:50], *middle, *rows[50:], agent=name)

    with ThreadPoolExecutor() as agents:
        answers = dict(zip(keys, agents.map(send, keys), strict=True))
    assert {name: ledger.senders[name].sequence for name in keys} == {"good-1": 101, "bad": 51, "good-2": 101}
    assert [name for name in keys if "refusal" in kinds(answers[name])] == ["bad"]
    assert answers["bad"][-1].refusal.sequence == 52
