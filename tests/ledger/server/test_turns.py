"""Questions have turns: a long one is stopped when its time is up or its caller gone, and the next has its turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from ledger.journal.journal import Journal
from ledger.journal.view import View
from meterbook.ledger.v1 import query_pb2
from tests.ledger.batches import content, event
from tests.ledger.journal.test_cancelling import ENDLESS
from tests.ledger.running import Running, serving

LONG = query_pb2.AgentsRequest()
SHORT = query_pb2.DefinitionsRequest()


@pytest.fixture(autouse=True)
def endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chains are found by a statement that takes years."""
    monkeypatch.setattr(View, "chains", lambda view: view.tables.query(ENDLESS))


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A ledger with room for two questions, of which one may wait."""
    with serving(tmp_path_factory.mktemp("turns") / "store", queries={"running_max": 2, "waiting_max": 1}) as running:
        running.send(content(events=[event(1)]))
        yield running


def metric(running: Running, name: str, **labels: str) -> float:
    registry = running.process._metrics.registry
    return registry.get_sample_value(f"meterbook_ledger_questions_{name}", labels) or 0.0


def until(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.005)


def code(call: Any) -> str:
    with pytest.raises(grpc.RpcError) as error:
        call()
    return str(error.value.code().name)  # type: ignore[attr-defined]


def is_idle(running: Running) -> bool:
    """Nothing runs or waits, and nobody holds a snapshot: compaction would find its moment."""
    if metric(running, "running") or metric(running, "waiting"):
        return False
    with running.process._journal.tables.alone(0) as is_alone:
        return is_alone


def test_whoever_hangs_up_frees_the_ledger(ledger: Running) -> None:
    before = metric(ledger, "stopped_total", reason="abandoned")
    calls = [ledger.query.Agents.future(LONG) for _ in range(2)]
    until(lambda: metric(ledger, "running") == 2)
    for call in calls:
        call.cancel()
    assert ledger.query.Definitions(SHORT).as_of == 2
    until(lambda: is_idle(ledger))
    assert metric(ledger, "stopped_total", reason="abandoned") == before + 2


def test_a_deadline_that_passes_frees_the_ledger(ledger: Running) -> None:
    assert code(lambda: ledger.query.Agents(LONG, timeout=0.2)) == "DEADLINE_EXCEEDED"
    until(lambda: is_idle(ledger))
    assert ledger.query.Definitions(SHORT).as_of == 2


def test_a_connection_that_breaks_frees_the_ledger(ledger: Running) -> None:
    with grpc.insecure_channel(ledger.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        call = Running(ledger.process, channel).query.Agents.future(LONG)
        until(lambda: metric(ledger, "running") == 1)
    assert call.done()
    until(lambda: is_idle(ledger))


def test_as_many_run_as_there_is_room_for_one_waits_and_more_are_turned_away(ledger: Running) -> None:
    calls = [ledger.query.Agents.future(LONG) for _ in range(2)]
    until(lambda: metric(ledger, "running") == 2)
    patient = ledger.query.Definitions.future(SHORT)
    until(lambda: metric(ledger, "waiting") == 1)
    with pytest.raises(grpc.RpcError) as error:
        ledger.query.Definitions(SHORT)
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED  # type: ignore[attr-defined]
    assert error.value.details() == (  # type: ignore[attr-defined]
        "as many questions wait already as queries.waiting_max allows, 1: ask again later"
    )
    assert not patient.done()
    calls[0].cancel()
    assert patient.result().as_of == 2
    assert not calls[1].done()
    calls[1].cancel()
    until(lambda: is_idle(ledger))


def test_whoever_hangs_up_while_waiting_leaves_the_queue(ledger: Running) -> None:
    calls = [ledger.query.Agents.future(LONG) for _ in range(2)]
    until(lambda: metric(ledger, "running") == 2)
    waiting = ledger.query.Definitions.future(SHORT)
    until(lambda: metric(ledger, "waiting") == 1)
    waiting.cancel()
    until(lambda: metric(ledger, "waiting") == 0)
    for call in calls:
        call.cancel()
    until(lambda: is_idle(ledger))
    assert ledger.query.Definitions(SHORT).as_of == 2


def test_others_get_their_answers_meanwhile(ledger: Running) -> None:
    call = ledger.query.Agents.future(LONG)
    until(lambda: metric(ledger, "running") == 1)
    assert {ledger.query.DeadLetters(query_pb2.DeadLettersRequest()).total for _ in range(10)} == {0}
    assert ledger.send(content(events=[event(1)])) > 2
    assert not call.done()
    call.cancel()
    until(lambda: is_idle(ledger))


def test_the_ledger_has_a_limit_of_its_own(tmp_path: Path) -> None:
    with serving(tmp_path / "store", queries={"timeout_s": 0.5}) as running:
        with pytest.raises(grpc.RpcError) as error:
            running.query.Agents(LONG)
        assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED  # type: ignore[attr-defined]
        assert error.value.details() == (  # type: ignore[attr-defined]
            "no answer within 0.5 s, the ledger's queries.timeout_s: ask for a shorter range or fewer meters and tenants, or "
            "have the limit raised"
        )
        until(lambda: is_idle(running))
        assert metric(running, "stopped_total", reason="timeout") == 1
        assert running.query.Definitions(SHORT).as_of == 1


def test_a_check_of_the_book_ends_when_nobody_reads_it(ledger: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(View, "rows", lambda view, *_: view.tables.query(ENDLESS))
    call = ledger.query.Verify(query_pb2.VerifyRequest())
    until(lambda: metric(ledger, "running") == 1)
    call.cancel()
    until(lambda: is_idle(ledger))


def test_a_check_of_the_book_takes_longer_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_end, count = threading.Event(), Journal.view

    def slowly(journal: Journal, position: int = 0) -> View:
        may_end.wait()
        return count(journal, position)

    with serving(tmp_path / "store", queries={"timeout_s": 0.1}) as running:
        monkeypatch.setattr(Journal, "view", slowly)
        call = running.query.Verify(query_pb2.VerifyRequest())
        until(lambda: metric(running, "running") == 1)
        assert code(lambda: running.query.Definitions(SHORT)) == "DEADLINE_EXCEEDED"
        may_end.set()
        assert [answer.verdict.holds for answer in call][-1]


def test_stopping_stops_questions(tmp_path: Path) -> None:
    with serving(tmp_path / "store") as running:
        call = running.query.Agents.future(LONG)
        until(lambda: metric(running, "running") == 1)
    assert call.done()


def test_the_command_gives_up(ledger: Running) -> None:
    assert ledger.error("agents", "--timeout-s", "0.2") == (
        f"{ledger.address} gave no answer within --timeout-s 0.2: give it more time, or ask for less"
    )
    until(lambda: is_idle(ledger))
    assert "as of position" in ledger.cli("definitions", "--timeout-s", "60")
    assert "Invalid value for '--timeout-s'" in ledger.cli("definitions", "--timeout-s", "0", code=2)
