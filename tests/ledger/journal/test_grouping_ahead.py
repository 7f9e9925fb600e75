"""Groups that are prepared before they are committed: several at once if much waits, committed in the order they were begun."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from ledger.journal import grouping
from ledger.journal.errors import LogUnavailable
from ledger.journal.grouping import GroupCommit
from ledger.journal.record import Draft
from tests.ledger.journal.logs import WAIT_S, drafts


class Store:
    """Prepares each group when it is let, by the payload of its first draft; commits at once."""

    def __init__(self) -> None:
        self.preparing: list[bytes] = []
        self.committed: list[list[bytes]] = []
        self.begun = threading.Semaphore(0)
        self._let: dict[bytes, threading.Event] = {}
        self._lock = threading.Lock()

    def let(self, payload: bytes) -> threading.Event:
        with self._lock:
            return self._let.setdefault(payload, threading.Event())

    def prepare(self, offered: Sequence[Draft]) -> Sequence[Draft]:
        first = offered[0].payload
        self.preparing.append(first)
        self.begun.release()
        assert self.let(first).wait(WAIT_S)
        if first.startswith(b"bad"):
            raise LogUnavailable("cannot be sent")
        return offered

    def commit(self, offered: Sequence[Draft]) -> list[int]:
        before = sum(map(len, self.committed))
        self.committed.append([draft.payload for draft in offered])
        return [before + number for number, _ in enumerate(offered, 1)]

    def wait_begun(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.begun.acquire(timeout=WAIT_S)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def groups(store: Store, monkeypatch: pytest.MonkeyPatch) -> GroupCommit:
    """Each large draft is a group, and enough for one more to be begun."""
    monkeypatch.setattr(grouping, "GROUP_BYTES_MAX", 10)
    monkeypatch.setattr(grouping, "PREPARED_BYTES_MIN", 10)
    return GroupCommit(store.commit, "here", store.prepare)


def test_commits_keep_the_order_whatever_is_prepared_first(store: Store, groups: GroupCommit) -> None:
    sent = drafts(*(b"%d" % number * 10 for number in range(4)))
    futures = []
    for draft in sent:
        futures.append(groups.append(draft))
        store.wait_begun()
    for draft in reversed(sent[1:]):
        store.let(draft.payload).set()
    assert not any(future.done() for future in futures)
    store.let(sent[0].payload).set()
    assert [future.result(WAIT_S) for future in futures] == [1, 2, 3, 4]
    assert store.committed == [[draft.payload] for draft in sent]
    groups.close()


def test_no_more_than_some_are_under_way(store: Store, groups: GroupCommit) -> None:
    sent = drafts(*(b"%d" % number * 10 for number in range(grouping.UNDER_WAY_MAX + 2)))
    futures = [groups.append(draft) for draft in sent]
    store.wait_begun(grouping.UNDER_WAY_MAX)
    # The second cannot be committed before the first, so there is room for nothing new.
    store.let(sent[1].payload).set()
    assert not store.begun.acquire(timeout=0.05)
    store.let(sent[0].payload).set()
    store.wait_begun(2)
    for draft in sent:
        store.let(draft.payload).set()
    assert [future.result(WAIT_S) for future in futures] == list(range(1, len(sent) + 1))
    groups.close()


def test_little_that_comes_meanwhile_shares_the_next_group(store: Store, groups: GroupCommit) -> None:
    sent = drafts(*(b"%d" % number for number in range(6)))
    futures = [groups.append(sent[0])]
    store.wait_begun()
    futures += [groups.append(draft) for draft in sent[1:]]
    for draft in sent:
        store.let(draft.payload).set()
    assert [future.result(WAIT_S) for future in futures] == [1, 2, 3, 4, 5, 6]
    assert [len(group) for group in store.committed] == [1, 5]
    groups.close()


def test_a_group_that_cannot_be_prepared_fails_alone(store: Store, groups: GroupCommit) -> None:
    sent = drafts(b"first 1234", b"bad 123456", b"third 1234")
    futures = []
    for draft in sent:
        futures.append(groups.append(draft))
        store.wait_begun()
        store.let(draft.payload).set()
    assert futures[0].result(WAIT_S) == 1
    with pytest.raises(LogUnavailable, match="cannot be sent"):
        futures[1].result(WAIT_S)
    assert futures[2].result(WAIT_S) == 2
    groups.close()


def test_closing_finishes_what_was_begun_and_what_waits(store: Store, groups: GroupCommit) -> None:
    sent = drafts(*(b"%d" % number * 10 for number in range(8)))
    futures = [groups.append(draft) for draft in sent]
    closing = threading.Thread(target=groups.close)
    closing.start()
    for draft in sent:
        store.let(draft.payload).set()
    closing.join()
    assert [future.result(0) for future in futures] == list(range(1, 9))
    with pytest.raises(LogUnavailable, match="closed"):
        groups.append(sent[0]).result(0)
