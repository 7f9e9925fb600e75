"""What a process of its own finds in batches is what is found on the spot, and its end is nobody else's."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing

import numpy as np
import pytest

from ledger.intake import checkers as module
from ledger.intake.checkers import MANY, Checker, Checkers
from ledger.intake.contents import Checked, IntakeLimits, checked
from ledger.intake.refusals import Refused
from ledger.journal import child
from ledger.journal.child import ChildFailed
from meterbook.intake.v1 import intake_pb2
from meterbook.wire import sections
from tests.ledger.batches import DAY, Sender, content, event, minute, series

LIMITS = IntakeLimits(batch_bytes_max=20_000, rows_max=100)
PATIENCE_S = 60.0


@pytest.fixture
def pool() -> Iterator[Checkers]:
    pool = Checkers(LIMITS)
    yield pool
    pool.close()


def batches(count: int) -> list[intake_pb2.Batch]:
    sender = Sender()
    return [sender.next(minute(number)) for number in range(1, count + 1)]


def until_elsewhere(pool: Checkers) -> Checker:
    """The process of this thread, once it is ready."""
    ends_s = time.monotonic() + PATIENCE_S
    while (checker := pool._checker()) is None:
        assert time.monotonic() < ends_s, "the process did not get ready"
        time.sleep(0.01)
    return checker


def found(pool: Checkers, asked: Sequence[intake_pb2.Batch], *, with_ids: bool = True) -> list[Checked | Refused]:
    told: list[Checked | Refused] = []
    with closing(pool.looks(asked, with_ids=with_ids)) as looks:
        for look in looks:
            try:
                told.append(look())
            except Refused as refused:
                told.append(refused)
    return told


def same(one: Checked | Refused, other: Checked | Refused) -> bool:
    if isinstance(one, Refused) or isinstance(other, Refused):
        return type(one) is type(other) and vars(one) == vars(other)
    hashes = list(one.section_hashes) == list(other.section_hashes)
    return hashes and one.defined == other.defined and np.array_equal(one.used_ids(), other.used_ids())


def on_the_spot(batch: intake_pb2.Batch) -> Checked | Refused:
    try:
        return checked(batch, LIMITS)
    except Refused as refused:
        return refused


def test_few_are_looked_into_on_the_spot(pool: Checkers) -> None:
    told = found(pool, batches(MANY - 1))
    assert [isinstance(each, Checked) and each.content is not None for each in told] == [True] * (MANY - 1)
    assert not pool._begun


def test_nobody_waits_for_a_process_to_begin(pool: Checkers) -> None:
    assert len(found(pool, batches(MANY))) == MANY
    assert len(pool._begun) == 1


@pytest.mark.parametrize("count", [MANY, 8, 9, 40])
def test_the_same_is_found_elsewhere(pool: Checkers, count: int) -> None:
    until_elsewhere(pool)
    many = Sender().next(
        content(series=[series(number) for number in range(1, 4)], samples=[(2, DAY, 1.0), (3, DAY, 1.0)])
    )
    over = intake_pb2.Batch(sequence=8, events=sections.encode(content(events=[event(n) for n in range(101)]).events))
    asked = [
        *batches(count),
        many,
        intake_pb2.Batch(sequence=9, samples=b"no Arrow"),
        intake_pb2.Batch(sequence=10),
        intake_pb2.Batch(sequence=11, samples=bytes(30_000)),
        over,
    ]
    told = found(pool, asked)
    assert [isinstance(each, Checked) and each.content is None for each in told[:count]] == [True] * count
    assert len(told) == len(asked)
    for batch, each in zip(asked, told, strict=True):
        assert same(each, on_the_spot(batch)), (batch.sequence, each)
    refused = [each.limit for each in told if isinstance(each, Refused)]
    assert refused == ["", "batch_bytes_max", "rows_max"]


def test_the_other_sections_are_at_hand_all_the_same(pool: Checkers) -> None:
    until_elsewhere(pool)
    asked = batches(MANY)
    (first, *_) = found(pool, asked)
    assert isinstance(first, Checked)
    assert first.without_samples(asked[0]).series.equals(minute(1).series)
    assert first.without_samples(asked[0]).samples.num_rows == 0


def test_who_stops_half_way_gets_the_right_answers_next_time(pool: Checkers) -> None:
    until_elsewhere(pool)
    with closing(pool.looks(batches(40), with_ids=False)) as looks:
        next(looks)()
    asked = batches(50)[40:]
    assert all(same(each, on_the_spot(batch)) for batch, each in zip(asked, found(pool, asked), strict=True))


def test_a_process_that_is_killed_refuses_what_it_had_and_another_takes_its_place(pool: Checkers) -> None:
    checker = until_elsewhere(pool)
    asked = batches(40)
    with closing(pool.looks(asked, with_ids=False)) as looks:
        next(looks)()
        os.kill(checker.child._process.pid, signal.SIGKILL)
        checker.child._process.wait()
        others = list(looks)
        # Each of them may be somebody else's, who has to be told.
        assert len(others) == 39
        with pytest.raises(Refused, match="send it again") as refused:
            others[-1]()
    assert refused.value.code == intake_pb2.REFUSAL_CODE_UNAVAILABLE
    assert until_elsewhere(pool) is not checker
    assert all(same(each, on_the_spot(batch)) for batch, each in zip(asked, found(pool, asked), strict=True))


def test_a_process_that_hangs_is_given_up(pool: Checkers, monkeypatch: pytest.MonkeyPatch) -> None:
    checker = until_elsewhere(pool)
    monkeypatch.setattr(module, "_PATIENCE_S", 0.1)
    os.kill(checker.child._process.pid, signal.SIGSTOP)
    assert [isinstance(each, Refused) for each in found(pool, batches(MANY))] == [True] * MANY
    assert checker.child._process.poll() is not None


def test_nobody_waits_for_a_process_that_is_stopped(pool: Checkers) -> None:
    checker = until_elsewhere(pool)
    os.kill(checker.child._process.pid, signal.SIGSTOP)
    stopping = threading.Timer(0.1, pool.stop)
    stopping.start()
    assert [isinstance(each, Refused) for each in found(pool, batches(MANY))] == [True] * MANY
    stopping.join()


def test_a_process_that_cannot_begin_is_done_without(pool: Checkers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child.sys, "executable", "/nowhere/python")
    assert all(isinstance(each, Checked) for each in found(pool, batches(MANY)))
    assert not pool._begun


def test_it_ends_with_the_ledger() -> None:
    pool = Checkers(LIMITS)
    process = until_elsewhere(pool).child._process
    pool.close()
    assert process.poll() is not None


def test_it_ends_when_the_parent_is_no_more() -> None:
    checker = Checker(LIMITS)
    # As the kernel does it when a process dies.
    checker.child._connection.close()
    assert checker.child._process.wait() == 0
    with pytest.raises(ChildFailed):
        checker.ask(batches(1), with_ids=False)
