"""A question ends when nobody waits for it any more: in a statement, between statements, in a loop, and while it waits itself."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest

from ledger.journal.cancelling import Cancellation, Cancelled, check, checked, interruptible
from ledger.journal.errors import TablesUnavailable
from ledger.journal.gate import Gate
from ledger.journal.journal import Journal
from tests.ledger.batches import append, minute

#: What takes years.
ENDLESS = (
    "SELECT count(*) AS rows FROM range(100000) AS one, range(100000) AS two, range(100000) AS three"
    " WHERE one.range * two.range * three.range % 7 = 3"
)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as found:
        yield found


def stopped(cancellation: Cancellation, question: Future[Any]) -> None:
    """Cancel until the question has ended, and see that this is why."""
    while not question.done():
        cancellation.cancel()
        time.sleep(0.001)
    with pytest.raises(Cancelled):
        question.result()


def test_a_statement_is_interrupted_and_the_snapshot_can_be_asked_again(
    journal: Journal, threads: ThreadPoolExecutor
) -> None:
    append(journal, minute(1))
    journal.view()
    snapshot, cancellation = journal.tables.snapshot(), Cancellation()
    question = threads.submit(cancellation.run, snapshot.query, ENDLESS)
    while not cancellation._interrupts:
        time.sleep(0.001)
    # Now in the middle of it, most probably.
    time.sleep(0.05)
    stopped(cancellation, question)
    # Under no cancellation, or another one, nothing is stopped.
    assert snapshot.query("SELECT count(*) AS rows FROM events")["rows"].to_pylist() == [1]
    assert Cancellation().run(snapshot.query, "SELECT 1 AS one").num_rows == 1


def test_what_is_read_ahead_in_another_thread_is_interrupted_too(journal: Journal, threads: ThreadPoolExecutor) -> None:
    append(journal, minute(1))
    journal.view()
    cancellation = Cancellation()

    def ahead() -> None:
        endless = ENDLESS.replace("count(*) AS rows", "one.range AS number")
        parts = journal.tables.stream(endless.replace("% 7 = 3", "= -1"))
        threads.submit(copy_context().run, list, parts).result()

    question = threads.submit(cancellation.run, ahead)
    while not cancellation._interrupts:
        time.sleep(0.001)
    time.sleep(0.05)
    stopped(cancellation, question)
    with journal.tables.alone(30) as is_alone:
        assert is_alone
    rows = list(Cancellation().run(journal.tables.stream, "SELECT * FROM events"))
    assert sum(part.num_rows for part in rows) == 1


def test_others_are_not_disturbed(journal: Journal, threads: ThreadPoolExecutor) -> None:
    append(journal, minute(1))
    cancellation = Cancellation()
    question = threads.submit(cancellation.run, lambda: journal.tables.query(ENDLESS))
    others = [threads.submit(Cancellation().run, lambda: journal.view().count("events")) for _ in range(20)]
    assert {other.result() for other in others[:10]} == {1}
    assert not question.done()
    stopped(cancellation, question)
    assert {other.result() for other in others} == {1}


@pytest.mark.parametrize("seed", range(3))
def test_whenever_it_is_cancelled_nothing_is_left_behind(
    journal: Journal, threads: ThreadPoolExecutor, seed: int
) -> None:
    append(journal, *(minute(number) for number in range(1, 20)))
    chosen = random.Random(seed)

    def asked() -> int:
        view = journal.view()
        return view.count("samples") + view.count("events") + len(view.tenants()) + view.coverage(0, 1 << 60).num_rows

    whole = asked()
    ends = []
    for _ in range(25):
        cancellation = Cancellation()
        question = threads.submit(cancellation.run, asked)
        time.sleep(chosen.random() * 0.02)
        while not question.done():
            cancellation.cancel()
        ends.append(type(question.exception()))
        assert question.exception() is not None or question.result() == whole
    assert set(ends) <= {Cancelled, type(None)}
    assert asked() == whole
    question = None  # type: ignore[assignment]
    # Nobody holds a snapshot: compaction finds its moment.
    with journal.tables.alone(30) as is_alone:
        assert is_alone


def test_a_statement_that_is_wrong_is_told_as_it_is(journal: Journal) -> None:
    with pytest.raises(TablesUnavailable, match="nothing_like_it"):
        Cancellation().run(journal.tables.query, "SELECT nothing_like_it")


def test_a_loop_over_rows_ends() -> None:
    cancellation, seen = Cancellation(), 0

    def looped() -> None:
        nonlocal seen
        for number in checked(range(1_000_000)):
            seen = number
            if number == 10_000:
                cancellation.cancel()

    with pytest.raises(Cancelled):
        cancellation.run(looped)
    assert 10_000 <= seen < 20_000
    assert list(checked(range(5_000))) == list(range(5_000))


def test_what_was_cancelled_before_it_began_never_begins() -> None:
    cancellation, done = Cancellation(), list[int]()
    cancellation.cancel()
    with pytest.raises(Cancelled):
        cancellation.run(done.append, 1)
    assert not done
    check()
    with interruptible(lambda: done.append(2)):
        pass
    assert not done


def test_an_interrupt_comes_only_while_a_statement_is_executed() -> None:
    cancellation, interrupts = Cancellation(), list[str]()

    def asked() -> None:
        with interruptible(lambda: interrupts.append("inside")):
            pass
        cancellation.cancel()
        cancellation.cancel()
        with interruptible(lambda: interrupts.append("late")):
            interrupts.append("executed")

    with pytest.raises(Cancelled):
        cancellation.run(asked)
    assert not interrupts


@pytest.mark.parametrize("waits", ["for the gate", "for the tables"])
def test_who_waits_ends_too(
    journal: Journal, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch, waits: str
) -> None:
    cancellation = Cancellation()
    gate = Gate()
    waiting: Callable[[], object] = gate.enter
    if waits == "for the tables":
        monkeypatch.setattr(journal.materialiser, "wait_for", lambda _, timeout_s: threading.Event().wait(timeout_s))
        append(journal, minute(1))
        waiting = journal.view
    with gate.alone(0):
        question = threads.submit(cancellation.run, waiting)
        time.sleep(0.01)
        stopped(cancellation, question)
    with gate.alone(0) as is_alone:
        assert is_alone
