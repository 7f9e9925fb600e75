"""However a commit ends, a record is in the log once, and who sent it is told the position that it has."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from ledger.journal.errors import LogUnavailable
from ledger.journal.place import SharedPlace
from ledger.journal.shared import commit as committing
from ledger.journal.shared import database as databases
from ledger.journal.shared import log as logs
from ledger.journal.shared.commit import Committed, Offer
from ledger.journal.shared.database import Database as Connections
from tests.ledger.journal.shared.cutting import CuttingProxy, Moment
from tests.ledger.journal.shared.places import WAIT_S, address, batch, place_of, records_of, replica
from tests.servers.fixtures import Bucket, Database


class Held:
    """Stops the first thread that comes by until it is let go."""

    def __init__(self) -> None:
        self.arrived, self.let_go = threading.Event(), threading.Event()

    def stop(self) -> None:
        if not self.arrived.is_set():
            self.arrived.set()
            assert self.let_go.wait(WAIT_S)


def before(function: Callable[..., Any], held: Held) -> Callable[..., Any]:
    def stopped(*arguments: Any, **named: Any) -> Any:
        held.stop()
        return function(*arguments, **named)

    return stopped


def test_one_that_stalls_before_its_commit_finds_that_another_took_over(
    place: SharedPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held()
    first, other = batch("a", 1), batch("a", 1, payload=b"other")
    with replica(place) as one, replica(place) as two:
        with monkeypatch.context() as patched:
            patched.setattr(logs, "settled", before(logs.settled, held))
            stalled = one.append(first)
            assert held.arrived.wait(WAIT_S)
        assert two.append(first).result(WAIT_S) == 1
        assert not stalled.done()
        held.let_go.set()
        assert stalled.result(WAIT_S) == 1
        assert [record.draft for record in records_of(two)] == [first]
        assert isinstance(one.append(other).exception(WAIT_S), Exception)


def test_one_that_stalls_in_its_transaction_holds_the_others_up_for_a_while_only(
    place: SharedPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held()
    draft = batch("a", 1)
    monkeypatch.setattr(databases, "_IDLE_S", 1)
    with replica(place) as one, replica(place) as two:
        with monkeypatch.context() as patched:
            patched.setattr(committing, "admit", before(committing.admit, held))
            stalled = one.append(draft)
            assert held.arrived.wait(WAIT_S)
            assert two.append(draft).result(WAIT_S) == 1
        assert not stalled.done()
        held.let_go.set()
        assert stalled.result(WAIT_S) == 1
        one.refresh()
        assert [record.draft for record in records_of(one)] == [draft]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_connection_that_breaks_at_commit(
    moment: Moment, place: SharedPlace, database: Database, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[Committed] = []
    real = committing.commit

    def counted(connection: Any, offer: Offer, unknown: Committed | None = None) -> Committed:
        attempts.append(real(connection, offer, unknown))
        if unknown is not None:
            assert (attempts[-1] is unknown) == (moment == "after")
        return attempts[-1]

    monkeypatch.setattr(committing, "commit", counted)
    with CuttingProxy(database.server.port) as proxy:
        through = place_of(address(database, bucket, port=proxy.port))
        with replica(through) as log:
            log.append(batch("a", 1)).result(WAIT_S)
            proxy.moment = moment
            assert log.append(batch("b", 1)).result(WAIT_S) == 2
            assert proxy.cuts == 1
            assert log.append(batch("c", 1)).result(WAIT_S) == 3
            assert len(attempts) == 3
            assert [record.draft.chain for record in records_of(log, stored=True)] == ["a", "b", "c"]
            assert records_of(log) == records_of(log, stored=True)


def test_an_outcome_that_cannot_be_found_out_is_said_and_a_repeat_is_harmless(
    place: SharedPlace, database: Database, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committing, "_PATIENCE_S", 0.5)
    with CuttingProxy(database.server.port) as proxy:
        through = place_of(address(database, bucket, port=proxy.port))
        with replica(through) as log:
            log.append(batch("a", 1)).result(WAIT_S)
            proxy.moment = "after"
            connect = Connections.connect
            with monkeypatch.context() as patched:

                def down(_: Connections) -> Any:
                    raise LogUnavailable("down")

                patched.setattr(Connections, "connect", down)
                with pytest.raises(LogUnavailable, match="could not be found out: send them again"):
                    log.append(batch("b", 1)).result(WAIT_S)
            assert Connections.connect is connect
            assert log.append(batch("b", 1)).result(WAIT_S) == 2
            assert log.end == 2


@pytest.mark.slow
def test_sessions_that_are_terminated_at_any_moment_lose_and_double_nothing(
    place: SharedPlace, database: Database
) -> None:
    """With PostgreSQL restarted in between, as after a crash."""
    terminate = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'meterbook' AND random() < 0.5"
    )
    acknowledged: dict[str, list[int]] = {name: [] for name in "abcdefgh"}
    stopping = threading.Event()

    def feed(name: str, log_number: int) -> None:
        previous, sequence = bytes(32), 1
        while not stopping.is_set():
            draft = batch(name, sequence, previous)
            try:
                acknowledged[name].append(both[log_number].append(draft).result(WAIT_S))
            except LogUnavailable:
                continue
            previous, sequence = draft.hash, sequence + 1

    with replica(place) as one, replica(place) as two:
        both = [one, two]
        threads = [threading.Thread(target=feed, args=(name, number % 2)) for number, name in enumerate(acknowledged)]
        for thread in threads:
            thread.start()
        for round_ in range(30):
            if round_ in (10, 20):
                database.server.stop(immediate=True)
                database.server.start()
            with psycopg.connect(database.dsn, autocommit=True) as killing:
                killing.execute(terminate)
            time.sleep(random.uniform(0.0, 0.1))
        stopping.set()
        for thread in threads:
            thread.join()
        one.refresh()
        records = records_of(one, stored=True)
        assert one.frontier.size == len(records)
    assert sum(map(len, acknowledged.values())) > 50
    for name, positions in acknowledged.items():
        own = [record for record in records if record.draft.chain == name]
        assert [record.draft.sequence for record in own] == list(range(1, len(own) + 1))
        assert [record.position for record in own] == positions
