"""Finalized invoices in the log and in the tables: numbers without gaps, nothing lost, found by what they are of; in both kinds of store."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ledger.journal.backup import back_up
from ledger.journal.errors import Overtaken
from ledger.journal.journal import Journal
from ledger.journal.place import Place
from ledger.journal.rebuild import rebuild_tables
from ledger.journal.record import Kind, Record, invoices_chain, series_of
from ledger.journal.view import View
from ledger.query.verify import verify
from ledger.query.verify.records import RecordCheck
from meterbook.ledger.v1 import journal_pb2
from tests.ledger.batches import DAY, MINUTE, everything, extend, opened, own
from tests.ledger.journal.logs import WAIT_S, records_of
from tests.ledger.journal.shared.places import address, credentials, place_of

#: As large as that of a tenant with thousands of lines.
LARGE = json.dumps([{"line": number, "amount": "0.01"} for number in range(3_000)], separators=(",", ":"))


def made(number: int, series: str = "INV", **changes: Any) -> journal_pb2.InvoiceRecord:
    """An invoice of a series."""
    fields: dict[str, Any] = {
        "kind": "invoice",
        "series": series,
        "number": number,
        "id": f"{series}-{number:06}",
        "tenant": "acme",
        "subscription": "acme-pro",
        "start_us": DAY,
        "end_us": DAY + MINUTE,
        "at_position": 1,
        "currency": "EUR",
        "total": "12.30",
        "author": "ada",
        "caller": "k1",
        "document": "{}",
        "finalized_us": DAY + 2 * MINUTE,
    }
    return journal_pb2.InvoiceRecord(**fields | changes)


def keep(journal: Journal, record: journal_pb2.InvoiceRecord) -> int:
    """Write an invoice; gives its position."""
    return extend(journal, Kind.INVOICE, invoices_chain(record.series), record.SerializeToString())


def fill(journal: Journal) -> None:
    """Positions 1 to 5: three invoices, an act between them, and a credit note."""
    keep(journal, made(1))
    keep(journal, made(2, tenant="blue", subscription="blue-pro", document=LARGE))
    act = journal_pb2.ActRecord(kind="period.closed", name="p", document="{}", author="ada")
    extend(journal, Kind.ACT, "periods", act.SerializeToString())
    keep(journal, made(3, subscription="acme-extra"))
    keep(journal, made(1, "CN", kind="credit-note", total="-12.30", corrects="INV-000001"))


@pytest.fixture(params=["embedded", "shared"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place | Path:
    if request.param == "embedded":
        return tmp_path / "store"
    database, bucket = request.getfixturevalue("database"), request.getfixturevalue("bucket")
    for name, value in credentials(bucket.server).items():
        monkeypatch.setenv(name, value)
    return place_of(address(database, bucket))


@pytest.fixture
def book(place: Place | Path) -> Iterator[Journal]:
    journal = Journal(place)
    try:
        yield journal
    finally:
        journal.close()


def ids(view: View, **wanted: Any) -> list[str]:
    found: list[str] = view.invoices(**wanted)["id"].to_pylist()
    assert found == view.invoices(**wanted, documents=False)["id"].to_pylist()
    return found


def test_they_are_found_by_what_they_are_of(book: Journal) -> None:
    fill(book)
    view = book.view()
    assert ids(view) == ["INV-000001", "INV-000002", "INV-000003", "CN-000001"]
    assert ids(view, tenants=["acme"]) == ["INV-000001", "INV-000003", "CN-000001"]
    assert ids(view, tenants={"blue", "acme"}) == ids(view)
    assert ids(view, subscriptions=["acme-pro", "blue-pro"]) == ["INV-000001", "INV-000002", "CN-000001"]
    assert ids(view, tenants=["acme"], subscriptions=["blue-pro"]) == ids(view, tenants=["nobody"]) == []
    assert ids(view, ids=["CN-000001", "INV-000002"]) == ["INV-000002", "CN-000001"]
    assert ids(view, series=["CN"]) == ids(view, corrects=["INV-000001"]) == ["CN-000001"]
    assert ids(view, tenants=["acme"], after=1) == ["INV-000003", "CN-000001"]


def test_a_view_shows_those_of_its_position(book: Journal) -> None:
    fill(book)
    assert [len(ids(book.view(position))) for position in range(1, 6)] == [1, 2, 2, 3, 4]
    assert View.at(book.tables, 0).invoices().num_rows == 0
    assert ids(book.view(3), series=["CN"]) == []


def test_everything_that_was_written_is_read(book: Journal) -> None:
    fill(book)
    (row,) = book.view().invoices(ids=["CN-000001"]).to_pylist()
    said = made(1, "CN", kind="credit-note", total="-12.30", corrects="INV-000001")
    said_of = {field.name: getattr(said, field.name) for field in said.DESCRIPTOR.fields if field.name != "run"}
    assert row == said_of | {"position": 5}
    assert book.view().invoices(tenants=["blue"])["document"].to_pylist() == [LARGE]
    listed = book.view().invoices(ids=["CN-000001"], documents=False)
    assert listed.to_pylist() == [{name: value for name, value in row.items() if name != "document"}]


def test_of_those_who_want_one_number_one_gets_it(book: Journal) -> None:
    """Each was computed from the same book: the others have to look again."""
    keep(book, made(1))
    view, ready = book.view(), threading.Barrier(4)
    head = book.head(invoices_chain("INV"), view)

    def finalize(name: int) -> bool:
        ready.wait(WAIT_S)
        try:
            record = made(head.sequence + 1, author=f"{name}")
            book.extend(Kind.INVOICE, invoices_chain("INV"), head, record.SerializeToString())
        except Overtaken:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(finalize, range(4))) == [False, False, False, True]
    with pytest.raises(Overtaken, match="invoices/INV: record 2 is newer than the book that was read; read it again"):
        book.head(invoices_chain("INV"), view)
    assert book.view().invoices()["number"].to_pylist() == [1, 2]
    assert keep(book, made(3)) == 3


def test_what_is_sent_again_keeps_its_number(book: Journal) -> None:
    head = book.head(invoices_chain("INV"), book.view())
    once, again = (book.extend(Kind.INVOICE, invoices_chain("INV"), head, made(1).SerializeToString()) for _ in "12")
    assert once == again
    assert book.view().invoices().num_rows == 1


def test_the_book_holds_with_them(book: Journal) -> None:
    fill(book)
    *_, end = verify(book)
    assert end.verdict.holds, end.verdict.faults


@pytest.mark.parametrize("record", [made(2), made(1, series="OTHER")])
def test_one_that_says_another_number_than_its_chain_is_found(
    journal: Journal, record: journal_pb2.InvoiceRecord
) -> None:
    extend(journal, Kind.INVOICE, invoices_chain("INV"), record.SerializeToString())
    *_, end = verify(journal)
    (fault,) = end.verdict.faults
    said = f"{record.number} of {record.series}"
    assert fault == f"position 1: record 1 of invoices/INV says of itself that it is {said}"


def test_one_that_cannot_be_read_is_found() -> None:
    draft = own(Kind.INVOICE, b"\xff", invoices_chain("INV"))
    check = RecordCheck()
    check.group([Record(1, DAY, draft)])
    (fault,) = check.faults
    assert fault.startswith("position 1: record 1 of invoices/INV cannot be read: ")


def test_tables_made_anew_and_a_backup_have_the_same_rows(tmp_path: Path) -> None:
    with opened(tmp_path / "store") as journal:
        fill(journal)
        expected, records = everything(journal), records_of(journal.log)
    assert len(expected["invoices"]) == 4
    rebuild_tables(tmp_path / "store")
    back_up(tmp_path / "store", tmp_path / "backup")
    for root in ("store", "backup"):
        with opened(tmp_path / root) as journal:
            assert everything(journal) == expected
            assert records_of(journal.log) == records


def test_tables_of_before_there_were_any_get_the_table(tmp_path: Path) -> None:
    with opened(tmp_path / "store") as journal:
        extend(journal, Kind.ACT, "acts", b"")
        journal.view()
        journal.tables._connection.execute("DROP TABLE invoices")
    with opened(tmp_path / "store") as journal:
        assert journal.view().invoices().num_rows == 0
        keep(journal, made(1))
        assert ids(journal.view()) == ["INV-000001"]


def test_any_name_can_be_a_series() -> None:
    for series in ("INV", "2026/EU", "invoices/", "größe", ""):
        assert series_of(invoices_chain(series)) == series
