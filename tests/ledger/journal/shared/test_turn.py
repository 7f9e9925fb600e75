"""One replica at a time fills the tables; when it goes, stalls or loses its lock, another one does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from ledger.journal import materialiser
from ledger.journal.derive import Rows
from ledger.journal.errors import LogUnavailable
from ledger.journal.journal import Journal
from ledger.journal.place import SharedPlace
from ledger.journal.record import DEFINITIONS_CHAIN, Kind
from ledger.journal.shared import turn as turns
from ledger.journal.shared.store import SharedStore
from ledger.journal.tables import Tables
from tests.ledger.journal.shared.places import WAIT_S
from tests.servers.fixtures import Database


@contextmanager
def journals(place: SharedPlace, count: int) -> Iterator[list[Journal]]:
    opened: list[Journal] = []
    try:
        for _ in range(count):
            opened.append(Journal(place))  # noqa: PERF401 - each is closed, also when the next cannot be opened
        yield opened
    finally:
        for journal in opened:
            journal.close()


def write(journal: Journal) -> int:
    head = journal.log.head(DEFINITIONS_CHAIN)
    return journal.extend(Kind.DEFINITIONS, DEFINITIONS_CHAIN, head, b"").position


def test_one_has_it_until_it_passes_it_on_or_loses_its_session(
    place: SharedPlace, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_ASK_S", 0.0)
    store = SharedStore(place)
    one, two = store.turn(), store.turn()
    assert (one.is_mine(), two.is_mine(), one.is_mine()) == (True, False, True)
    one.pass_on()
    assert (two.is_mine(), one.is_mine()) == (True, False)
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        )
    assert one.is_mine()
    with pytest.raises(LogUnavailable):
        two.is_mine()
    assert not two.is_mine()
    one.pass_on()
    two.pass_on()
    store.close()


@pytest.mark.slow
def test_only_one_of_several_replicas_fills_the_tables(place: SharedPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    applied: list[Tables] = []
    apply = Tables.apply

    def noted(tables: Tables, rows: Rows, previous: int, position: int) -> None:
        applied.append(tables)
        apply(tables, rows, previous, position)

    monkeypatch.setattr(Tables, "apply", noted)
    with journals(place, 3) as (one, two, three):
        for number, journal in enumerate([three, two, one, three], 1):
            assert write(journal) == number
            assert one.view().position == two.view().position == three.view().position == number
        assert set(applied) == {one.tables}
        one.close()
        assert write(two) == 5
        assert two.view().position == three.view().position == 5
        assert len(set(applied)) == 2


def test_one_that_stalls_with_the_turn_is_not_waited_for_for_ever(
    place: SharedPlace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It comes back with rows that were derived from a book long gone by, and adds none."""
    monkeypatch.setattr(materialiser, "_STALLED_S", 0.5)
    stalled, may_go_on = threading.Event(), threading.Event()
    apply: Callable[..., Any] = Tables.apply
    with journals(place, 2) as (one, two):
        write(one)
        assert one.view().position == two.view().position == 1

        def stalling(tables: Tables, rows: Rows, previous: int, position: int) -> None:
            if tables is one.tables and not stalled.is_set():
                stalled.set()
                assert may_go_on.wait(WAIT_S)
            apply(tables, rows, previous, position)

        monkeypatch.setattr(Tables, "apply", stalling)
        write(two)
        assert stalled.wait(WAIT_S)
        assert two.view().position == 2
        may_go_on.set()
        assert write(two) == 3
        assert one.view().position == two.view().position == 3
        assert one.view().count("definitions") == two.view().count("definitions")
        assert (one.materialiser.trouble, two.materialiser.trouble) == (None, None)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
