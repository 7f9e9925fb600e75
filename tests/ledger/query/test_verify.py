"""Verify holds on a good book and finds whatever was changed behind the ledger's back in the tables or in the book's logic."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.journal.derive import TABLES
from ledger.journal.errors import LogUnavailable, TablesUnavailable
from ledger.journal.journal import Journal
from ledger.journal.record import Kind, runs_chain
from ledger.metering.booking import Booker
from ledger.proof.keyfile import KeyFile
from ledger.proof.signer import Signer
from ledger.query.applying import Applier
from ledger.query.questions import BadQuestion
from ledger.query.verify import verify
from meterbook.ledger.v1 import admin_pb2, journal_pb2, query_pb2
from meterbook.proof.leaf import agent_chain
from meterbook.wire.instants import HOUR_US
from meterbook.wire.sections import STALE
from tests.ledger.batches import Sender, append, content, coverage, draft, extend, opened, sealed
from tests.ledger.books import DEFINITIONS, TEN, first, late
from tests.ledger.running import Running, serving


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed store with definitions, usage, runs and a correction."""
    root = tmp_path_factory.mktemp("verify") / "store"
    request = admin_pb2.ApplyRequest(author="ada", manifests=[admin_pb2.Manifest(name="all.yaml", text=DEFINITIONS)])
    with opened(root) as journal:
        Signer(journal, KeyFile(root / "keys" / "signing.key"))
        Applier(journal).apply(request)
        append(journal, first())
        Booker(journal).book()
        append(journal, late(), sender=Sender("late-agent"))
        Booker(journal).book()
    return root


@pytest.fixture
def book(store: Path, tmp_path: Path) -> Iterator[Journal]:
    """The store, opened; each test may spoil its own."""
    shutil.copytree(store, tmp_path / "copy")
    with opened(tmp_path / "copy") as journal:
        yield journal


def verdict(journal: Journal, first: int = 0, last: int = 0) -> query_pb2.Verdict:
    *_, end = verify(journal, first, last)
    return end.verdict


def change(journal: Journal, sql: str) -> None:
    """Change the tables as somebody would who has their files."""
    journal.tables._connection.execute(sql)


def test_a_good_book_holds(book: Journal) -> None:
    found = verdict(book)
    view = book.view()
    assert (found.holds, list(found.faults), found.position) == (True, [], view.position)
    assert (found.batches, found.samples, found.events) == (2, 94, 4)
    assert found.entries == view.count("entries") == 12
    assert found.root == book.log.frontier.root().hex()


def test_progress_rises_to_the_verdict(book: Journal) -> None:
    steps = list(verify(book))
    assert [step.stage for step in steps] == ["log and tables", *["entries"] * 4, "done"]
    assert all(0 <= step.done <= step.total for step in steps)
    assert [step.HasField("verdict") for step in steps] == [False] * 5 + [True]


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("DELETE FROM samples WHERE series_id = 1 AND value = 28", "table samples holds 93 rows of positions 1 to"),
        ("UPDATE samples SET value = 29 WHERE series_id = 1 AND value = 28", "table samples holds"),
        ("UPDATE events SET tenant = 'blue' WHERE id = '1'", "table events holds"),
        ("INSERT INTO samples VALUES (1, TIMESTAMP '2026-03-10 10:01:00', 5, 2)", "table samples holds 95 rows"),
        ("INSERT INTO samples VALUES (1, TIMESTAMP '2026-03-10 10:01:00', 5, 0)", "table samples holds 1 rows of no record"),
        ("INSERT INTO samples VALUES (1, TIMESTAMP '2026-03-10 10:01:00', 5, 99)", "table samples holds 1 rows of no record"),
        ("INSERT INTO samples VALUES (1, TIMESTAMP '2026-03-10 10:01:00', 5, NULL)", "table samples holds 1 rows of no record"),
        ("UPDATE coverage SET status = 'complete'", "table coverage holds"),
        ("UPDATE entries SET quantity = quantity + 0.000000001 WHERE tenant = '@shared'", "are off by -0.000000001"),
        ("DELETE FROM entries WHERE meter = 'sales'", "entries of meter sales, tenant acme, window 2026-03-10T10:00:00Z are off by 2.5"),
        ("UPDATE entries SET observed_us = 0 WHERE meter = 'memory'", "have another coverage than was measured"),
        ("DELETE FROM definitions WHERE kind = 'plan'", "table definitions holds"),
        ("UPDATE records SET hash = 'x' WHERE position = 1", "table records holds"),
        ("UPDATE records SET time = time + INTERVAL 1 SECOND WHERE position = 2", "table records holds"),
        ("DELETE FROM records WHERE position = (SELECT max(position) FROM records)", "table records holds"),
        ("UPDATE acts SET author = 'eve'", "table acts holds"),
        ("INSERT INTO tiles VALUES (8, 0, repeat('0', 64), 3)", "table tiles holds 1 rows"),
        ("DELETE FROM dead_letters", "table dead_letters holds 0 rows"),
    ],
)  # fmt: skip
def test_a_change_of_the_tables_is_found(book: Journal, sql: str, fault: str) -> None:
    change(book, sql)
    found = verdict(book)
    assert not found.holds
    assert any(fault in each for each in found.faults), found.faults


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES)
def test_rows_missing_doubled_or_made_up_are_found_in_every_table(book: Journal, table: str) -> None:
    if not book.view().count(table):
        change(book, f"INSERT INTO {table} (position) VALUES (1)")
        assert f"table {table} holds" in str(verdict(book).faults)
        return
    change(book, f"INSERT INTO {table} SELECT * FROM {table} LIMIT 1")
    assert f"table {table} holds" in str(verdict(book).faults)
    change(book, f"DELETE FROM {table}")
    assert f"table {table} holds 0 rows" in str(verdict(book).faults)


def test_a_batch_that_was_never_sealed_is_found(book: Journal) -> None:
    """As if somebody with the ledger's own code had written into the log."""
    sender = Sender("nobody")
    batch = sealed(sender.place(), content(coverage=[coverage(0)]), hash=bytes([1] * 32))
    book.append(draft(batch, sender.agent, sender.epoch)).result()
    (fault,) = verdict(book).faults
    assert fault.endswith(f"record 1 of {agent_chain('nobody', sender.epoch)} has another content than its hash says")


def test_an_entry_that_no_measuring_gives_is_found(book: Journal) -> None:
    """A run in the log that books what nobody used: the tables follow from the log, but the log lies."""
    entry = journal_pb2.Entry(tenant="acme", dimensions="{}", hour_us=TEN, quantity_nano="1", estimated_nano="0")
    run = journal_pb2.RunRecord(
        meter="sales", version=1, start_us=TEN, end_us=TEN + HOUR_US, at_position=book.view().position, entries=[entry]
    )
    extend(book, Kind.RUN, runs_chain("sales"), run.SerializeToString())
    (fault,) = verdict(book).faults
    assert fault == "entries of meter sales, tenant acme, window 2026-03-10T10:00:00Z are off by -0.000000001"


@pytest.mark.slow
def test_parts_of_the_book_hold_and_show_only_their_own_faults(book: Journal) -> None:
    end = book.view().position
    whole = verdict(book)
    for begin in range(1, end + 1):
        for last in (begin, end):
            found = verdict(book, begin, last)
            assert (found.holds, found.from_position, found.position) == (True, begin, last), found.faults
    assert verdict(book, 1, end).root == whole.root == verdict(book, end, end).root
    change(book, "UPDATE samples SET value = 29 WHERE series_id = 1 AND value = 28 AND position = 3")
    assert not verdict(book, 2, 3).holds
    assert verdict(book, 1, 2).holds and verdict(book, 4, end).holds
    change(book, "UPDATE records SET hash = repeat('0', 64) WHERE position = 2")
    assert "another tree of 3 records" in str(verdict(book, 4).faults)


def test_a_part_that_is_not_in_the_book(book: Journal) -> None:
    end = book.view().position
    for begin, last in ((3, 2), (end + 1, 0), (0, end + 1), (-1, 0)):
        with pytest.raises(BadQuestion, match=f"which ends at {end}"):
            verdict(book, begin, last)


def test_what_cannot_be_read_just_now_is_no_fault(book: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise TablesUnavailable("busy")

    with monkeypatch.context() as patch:
        patch.setattr(book.tables, "snapshot", fail)
        with pytest.raises(TablesUnavailable):
            verdict(book)

    def refuse(*_: object, **__: object) -> None:
        raise LogUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(book.log, "reader", refuse)
        with pytest.raises(LogUnavailable):
            verdict(book)
    assert verdict(book).holds


def test_the_tables_can_be_compacted_between_two_steps(book: Journal) -> None:
    for _ in verify(book):
        with book.tables.alone(0.0) as is_alone:
            assert is_alone


def test_a_log_that_says_another_root_than_its_files_give(book: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = book.log.frontier
    forged = type(wrong)(wrong.size, tuple(bytes(32) for _ in wrong.hashes))
    monkeypatch.setattr(book.log, "_frontier", forged)
    (fault,) = verdict(book).faults
    assert fault.startswith(f"the ledger says that the root at position {wrong.size} is {forged.root().hex()}")


def test_what_was_superseded_is_no_fault(book: Journal) -> None:
    text = "kind: meter\nname: sales\neffective_from: 2026-03-10T10:30:00Z\nspec: {source: {event: x}, aggregation: sum, unit: items}\n"
    request = admin_pb2.ApplyRequest(author="ada", manifests=[admin_pb2.Manifest(name="a.yaml", text=text)])
    Applier(book).apply(request)
    assert verdict(book).holds
    Booker(book).book(TEN)
    assert verdict(book).holds
    Booker(book).book()
    assert verdict(book).holds


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with serving(tmp_path / "store") as found:
        yield found


@pytest.mark.slow
def test_verify_while_the_book_grows(running: Running, tmp_path: Path) -> None:
    running.apply(tmp_path, DEFINITIONS)
    stop = threading.Event()

    def repeat(work: Callable[[], object]) -> None:
        while not stop.wait(0.05):
            work()

    numbers = iter(range(10_000))
    jobs = [
        lambda: running.send(content(coverage=[coverage(next(numbers))]), agent="grower"),
        lambda: running.admin.Book(admin_pb2.BookRequest()),
    ]
    threads = [threading.Thread(target=repeat, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            *_, last = running.query.Verify(query_pb2.VerifyRequest())
            assert last.verdict.holds, last.verdict.faults
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_book_with_series_that_ended_holds(book: Journal) -> None:
    ended = content(
        series=[(77, 1, "x", "up", "gauge", "", "{}", "{}", None, "acme", TEN)],
        samples=[(77, TEN, 1.0), (77, TEN + 1, STALE)],
    )
    append(book, ended, sender=Sender("third-agent"))
    Booker(book).book()
    assert list(verdict(book).faults) == []
    for value in ("NULL", "0", "'inf'"):
        change(
            book,
            f"UPDATE samples SET value = {value} WHERE series_id = 77 AND (isnan(value) OR value IS NULL OR value <> 1)",
        )
        (fault,) = verdict(book).faults
        assert "table samples holds" in fault
