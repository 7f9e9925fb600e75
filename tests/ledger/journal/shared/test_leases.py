"""Leases, one contract for a ledger of its own and for replicas that share a database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from ledger.journal.leases import LEASE_S, Leases, OwnLeases
from ledger.journal.shared.connection import Connection
from ledger.journal.shared.database import Database
from ledger.journal.shared.leases import SharedLeases
from ledger.journal.shared.migrations import migrate


class Book:
    """Leases, and a way to let their time pass."""

    def __init__(self, replicas: list[Leases], passes: Callable[[float], None]) -> None:
        self.replicas, self.passes = replicas, passes

    def take(self, agent: str, *sources: str, replica: int = 0) -> dict[str, str]:
        return self.replicas[replica % len(self.replicas)].take(agent, sources)


@pytest.fixture(params=["own", "shared"])
def book(request: pytest.FixtureRequest) -> Iterator[Book]:
    """The leases of one process, and those of two replicas of a real PostgreSQL."""
    if request.param == "own":
        now = [0.0]

        def passes(seconds: float) -> None:
            now[0] += seconds

        yield Book([OwnLeases(lambda: now[0])], passes)
        return
    server = request.getfixturevalue("place").server
    with closing(Database(server)) as one, closing(Database(server)) as two:
        one.run(migrate)

        def elapse(seconds: float) -> None:
            def shift(connection: Connection) -> Any:
                return connection.execute("UPDATE lease SET until = until - make_interval(secs => %s)", [seconds])

            one.run(shift)

        yield Book([SharedLeases(one), SharedLeases(two)], elapse)


def test_the_first_that_asks_has_it(book: Book) -> None:
    assert book.take("one", "a", "b") == {}
    assert book.take("two", "b", "c", replica=1) == {"b": "one"}
    assert book.take("one", "a", "b", "c") == {"c": "two"}


def test_whoever_asks_in_time_keeps_it(book: Book) -> None:
    book.take("one", "a")
    for _ in range(3):
        book.passes(LEASE_S - 1)
        assert book.take("one", "a", replica=1) == {}
        assert book.take("two", "a") == {"a": "one"}
    book.passes(LEASE_S + 1)
    assert book.take("two", "a") == {}
    assert book.take("one", "a") == {"a": "two"}


def test_what_is_not_named_any_more_is_free(book: Book) -> None:
    book.take("one", "a", "b")
    book.take("one", "b")
    assert book.take("two", "a", "b") == {"b": "one"}
    book.take("one")
    assert book.take("two", "a", "b") == {}


def test_any_text_is_a_name(book: Book) -> None:
    names = ["%s' OR 1=1 --", "é\u200b", "{a,b}", "a" * 1_000]
    assert book.take("one", *names, *names) == {}
    assert book.take("two", *names) == dict.fromkeys(names, "one")


def test_agents_that_ask_together_get_each_source_once(book: Book) -> None:
    sources = [f"source-{number}" for number in range(50)]
    taken: dict[str, dict[str, str]] = {}

    def ask(agent: str, replica: int) -> None:
        for _ in range(5):
            taken[agent] = book.take(agent, *(sources if replica else reversed(sources)), replica=replica)

    threads = [threading.Thread(target=ask, args=(f"agent-{n}", n % 2)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for agent in sorted(taken):
        taken[agent] = book.take(agent, *sources)
    readers = {source: [agent for agent, held in taken.items() if source not in held] for source in sources}
    assert all(len(agents) == 1 for agents in readers.values()), readers
