"""Verify holds on a good book and finds whatever was changed behind the ledger's back."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.journal.frames import Kind
from ledger.journal.journal import Journal
from ledger.metering.booking import Booker
from ledger.query.applying import Applier
from ledger.query.verify import verify
from meterbook.ledger.v1 import admin_pb2, journal_pb2, query_pb2
from meterbook.wire.instants import HOUR_US
from tests.ledger.batches import Sender, append, content, coverage, opened, sealed
from tests.ledger.books import DEFINITIONS, TEN, first, late
from tests.ledger.running import Running, serving


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed store with definitions, usage, runs and a correction."""
    root = tmp_path_factory.mktemp("verify") / "store"
    request = admin_pb2.ApplyRequest(author="ada", manifests=[admin_pb2.Manifest(name="all.yaml", text=DEFINITIONS)])
    with opened(root) as journal:
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


def verdict(journal: Journal) -> query_pb2.Verdict:
    *_, last = verify(journal)
    return last.verdict


def change(journal: Journal, sql: str) -> None:
    """Change the tables as somebody would who has their files."""
    journal.tables._connection.execute(sql)


def test_a_good_book_holds(book: Journal) -> None:
    found = verdict(book)
    view = book.view()
    assert (found.holds, list(found.faults), found.position) == (True, [], view.position)
    assert (found.batches, found.samples, found.events) == (2, 94, 4)
    assert found.entries == view.count("entries") == 12
    assert found.head == book.log.head.hex()


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
        ("DELETE FROM entries WHERE meter = 'sales'", "entries of meter sales, tenant acme, hour 2026-03-10T10:00:00Z are off by 2.5"),
        ("UPDATE entries SET observed_us = 0 WHERE meter = 'memory'", "have another coverage than was measured"),
        ("DELETE FROM definitions WHERE kind = 'plan'", "table definitions holds"),
        ("UPDATE records SET head = 'x' WHERE position = 1", "table records holds"),
        ("DELETE FROM dead_letters", "table dead_letters holds 0 rows"),
    ],
)  # fmt: skip
def test_a_change_of_the_tables_is_found(book: Journal, sql: str, fault: str) -> None:
    change(book, sql)
    found = verdict(book)
    assert not found.holds
    assert any(fault in each for each in found.faults), found.faults


def test_a_byte_changed_in_the_log_is_found(book: Journal) -> None:
    (path,) = book.store.log.glob("*.seg")
    data = bytearray(path.read_bytes())
    data[data.index(b"shop-agent")] ^= 1
    path.write_bytes(data)
    found = verdict(book)
    assert not found.holds
    assert "the record at byte" in found.faults[0] and "is damaged" in found.faults[0]


def test_a_batch_that_was_never_sealed_is_found(journal: Journal) -> None:
    """As if somebody with the ledger's own code had written into the log."""
    sender = Sender()
    what = content(coverage=[coverage(0)])
    batch = sealed(sender.place(), what, hash=bytes([1] * 32))
    for each in (batch, batch):
        stored = journal_pb2.BatchRecord(agent=sender.agent, epoch=sender.epoch, batch=each)
        journal.append(Kind.BATCH, stored.SerializeToString()).result()
    faults = list(verdict(journal).faults)
    assert any("has another content than its hash says" in each for each in faults)
    assert any("does not follow 1" in each for each in faults)
    assert any("is not sealed to the batch before it" in each for each in faults)


def test_an_entry_that_no_measuring_gives_is_found(book: Journal) -> None:
    """A run in the log that books what nobody used: the tables follow from the log, but the log lies."""
    entry = journal_pb2.Entry(tenant="acme", dimensions="{}", hour_us=TEN, quantity_nano="1", estimated_nano="0")
    run = journal_pb2.RunRecord(
        meter="sales", version=1, start_us=TEN, end_us=TEN + HOUR_US, at_position=book.view().position, entries=[entry]
    )
    book.append(Kind.RUN, run.SerializeToString()).result()
    (fault,) = verdict(book).faults
    assert (
        fault == "entries of meter sales, tenant acme, hour 2026-03-10T10:00:00Z are off by -1E-9" or "off by" in fault
    )


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
