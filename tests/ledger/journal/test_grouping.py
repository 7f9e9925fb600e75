"""Drafts of many threads become groups; what waits is bounded, and everybody is told in the end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest

from ledger.journal import grouping
from ledger.journal.errors import LogUnavailable, Overtaken
from ledger.journal.grouping import GroupCommit
from ledger.journal.record import Draft
from tests.ledger.journal.logs import WAIT_S, drafts


class Store:
    """Where groups go: each waits until it is let through."""

    def __init__(self) -> None:
        self.groups: list[list[bytes]] = []
        self.begun = threading.Semaphore(0)
        self.may_go = threading.Semaphore(0)

    def commit(self, offered: Sequence[Draft]) -> list[int | Overtaken]:
        self.begun.release()
        assert self.may_go.acquire(timeout=WAIT_S)
        before = sum(map(len, self.groups))
        self.groups.append([draft.payload for draft in offered])
        return [before + number for number, _ in enumerate(offered, 1)]

    def let_through(self, count: int = 1) -> None:
        self.may_go.release(count)

    def wait_begun(self) -> None:
        assert self.begun.acquire(timeout=WAIT_S)


@pytest.fixture
def store() -> Store:
    return Store()


def test_what_gathers_while_one_group_is_written_is_the_next(store: Store) -> None:
    groups = GroupCommit(store.commit, "here")
    sent = drafts(*(b"%d" % number for number in range(50)))
    first = groups.append(sent[0])
    store.wait_begun()
    futures = [first, *(groups.append(draft) for draft in sent[1:])]
    store.let_through(2)
    assert [future.result(WAIT_S) for future in futures] == list(range(1, 51))
    assert [len(group) for group in store.groups] == [1, 49]
    groups.close()


def test_a_group_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "GROUP_BYTES_MAX", 10)
    groups = GroupCommit(store.commit, "here")
    first = groups.append(drafts(b"x")[0])
    store.wait_begun()
    futures = [groups.append(draft) for draft in drafts(*[b"1234"] * 7, b"larger than any group may be", b"x")]
    store.let_through(9)
    wait([first, *futures], WAIT_S)
    assert [len(group) for group in store.groups] == [1, 3, 3, 2, 1]
    groups.close()


def test_who_appends_is_held_while_too_much_waits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "WAITING_BYTES_MAX", 20)
    groups = GroupCommit(store.commit, "here")
    sent = drafts(*[b"1234567890"] * 5)
    futures = [groups.append(sent[0])]
    store.wait_begun()
    futures += [groups.append(draft) for draft in sent[1:3]]
    with ThreadPoolExecutor(2) as pool:
        held = [pool.submit(groups.append, draft) for draft in sent[3:]]
        assert not wait(held, 0.05).done
        store.let_through()
        # The next group is taken, so there is room.
        futures += [each.result(WAIT_S) for each in held]
        store.let_through(2)
        assert [future.result(WAIT_S) for future in futures[:3]] == [1, 2, 3]
        assert sorted(future.result(WAIT_S) for future in futures[3:]) == [4, 5]
    groups.close()


def test_who_is_held_is_told_when_the_log_is_closed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "WAITING_BYTES_MAX", 1)
    groups = GroupCommit(store.commit, "here")
    one, two, three = drafts(b"one", b"two", b"three")
    first = groups.append(one)
    store.wait_begun()
    second = groups.append(two)
    with ThreadPoolExecutor(2) as pool:
        held = pool.submit(groups.append, three)
        assert not wait([held], 0.05).done
        closing = pool.submit(groups.close)
        with pytest.raises(LogUnavailable, match="here: the log is closed; start the ledger again"):
            held.result(WAIT_S).result(WAIT_S)
        assert not first.done()
        store.let_through(2)
        closing.result(WAIT_S)
    assert (first.result(0), second.result(0)) == (1, 2)


def test_closing_commits_what_waits_and_takes_nothing_more(store: Store) -> None:
    store.let_through(1_000)
    groups = GroupCommit(store.commit, "here")
    sent = drafts(*(b"%d" % number for number in range(300)))
    futures = [groups.append(draft) for draft in sent]
    groups.close()
    groups.close()
    assert [future.result(0) for future in futures] == list(range(1, 301))
    with pytest.raises(LogUnavailable, match="closed"):
        groups.append(sent[0]).result(0)


def test_nobody_waits_for_ever_whoever_closes_and_appends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "WAITING_BYTES_MAX", 30)
    monkeypatch.setattr(grouping, "GROUP_BYTES_MAX", 20)
    for _ in range(20):
        store = Store()
        store.let_through(10_000)
        groups = GroupCommit(store.commit, "here")

        def send(groups: GroupCommit = groups) -> list[Future[int]]:
            return [groups.append(draft) for draft in drafts(*[b"1234567"] * 30)]

        with ThreadPoolExecutor(6) as pool:
            senders = [pool.submit(send) for _ in range(4)]
            for closer in [pool.submit(groups.close) for _ in range(2)]:
                closer.result(WAIT_S)
            futures = [future for sender in senders for future in sender.result(WAIT_S)]
        settled = [future.exception(0) for future in futures]
        assert all(each is None or isinstance(each, LogUnavailable) for each in settled)
        assert sum(map(len, store.groups)) == settled.count(None)


def failing(error: Exception) -> Callable[[Sequence[Draft]], list[int]]:
    def commit(offered: Sequence[Draft]) -> list[int]:
        if any(draft.payload == b"bad" for draft in offered):
            raise error
        return [7] * len(offered)

    return commit


@pytest.mark.parametrize("error", [RuntimeError("a bug"), MemoryError("a bug"), LogUnavailable("a bug")])
def test_an_error_is_told_to_all_of_the_group_and_the_next_goes_on(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    groups = GroupCommit(failing(error), "here")
    bad, good = drafts(b"bad", b"good")
    with pytest.raises(LogUnavailable, match="a bug"):
        groups.append(bad).result(WAIT_S)
    assert groups.append(good).result(WAIT_S) == 7
    groups.close()
    told = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert told == ([] if isinstance(error, LogUnavailable) else ["a group of 1 records could not be written"])


def test_each_draft_gets_its_own_outcome() -> None:
    fault = Overtaken("it does not follow")
    groups = GroupCommit(lambda offered: [fault if draft.payload == b"bad" else 3 for draft in offered], "here")
    bad, good = drafts(b"bad", b"good")
    assert groups.append(good).result(WAIT_S) == 3
    assert groups.append(bad).exception(WAIT_S) is fault
    groups.close()


def test_a_future_cannot_be_cancelled(store: Store) -> None:
    groups = GroupCommit(store.commit, "here")
    future = groups.append(drafts(b"x")[0])
    assert not future.cancel()
    store.let_through()
    assert future.result(WAIT_S) == 1
    groups.close()


def test_groups_that_are_prepared_are_committed_in_the_order_in_which_they_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the first is still on its way others are begun, where there is much; none overtakes it."""
    monkeypatch.setattr(grouping, "GROUP_BYTES_MAX", 1)
    monkeypatch.setattr(grouping, "PREPARED_BYTES_MIN", 1)
    may_go, begun = threading.Event(), threading.Semaphore(0)
    committed: list[bytes] = []

    def prepare(offered: Sequence[Draft]) -> list[bytes]:
        begun.release()
        if offered[0].payload == b"0":
            assert may_go.wait(WAIT_S)
        return [draft.payload for draft in offered]

    def commit(prepared: list[bytes]) -> list[int]:
        committed.extend(prepared)
        return [len(committed)]

    groups = GroupCommit(commit, "here", prepare)
    sent = drafts(*(b"%d" % number for number in range(10)))
    futures = [groups.append(draft) for draft in sent]
    for _ in range(grouping.UNDER_WAY_MAX):
        assert begun.acquire(timeout=WAIT_S)
    assert not begun.acquire(timeout=0.05)
    assert not committed
    may_go.set()
    assert [future.result(WAIT_S) for future in futures] == list(range(1, 11))
    assert committed == [draft.payload for draft in sent]
    groups.close()


def test_what_cannot_be_prepared_fails_alone_and_closing_still_settles_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "GROUP_BYTES_MAX", 1)

    def prepare(offered: Sequence[Draft]) -> int:
        if offered[0].payload == b"bad":
            raise LogUnavailable("it cannot be sent")
        return len(offered)

    groups = GroupCommit(lambda count: [5] * count, "here", prepare)
    futures = [groups.append(draft) for draft in drafts(b"good", b"bad", b"good", b"good")]
    groups.close()
    assert [future.exception(0) is None for future in futures] == [True, False, True, True]
