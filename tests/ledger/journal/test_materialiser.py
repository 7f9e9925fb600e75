"""Every record's rows are in the tables once, whatever happened while they were moved there."""

from __future__ import annotations

import logging
import shutil
import threading
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.journal import deriver, deriving, materialiser, parquet
from ledger.journal import journal as journal_module
from ledger.journal.derive import Rows
from ledger.journal.errors import JournalError, StoreRefused, TablesUnavailable
from ledger.journal.journal import Journal
from ledger.journal.record import DEFINITIONS_CHAIN, Kind
from ledger.journal.samples import near
from ledger.journal.tables import OvertakenError, Tables
from meterbook.wire.sections import SCHEMAS, Sections
from tests.ledger.batches import DAY, Sender, append, content, event, everything, extend, minute, opened, series
from tests.wire.tables import section_table

ANY_SECTIONS = st.builds(Sections, **{name: section_table(name) for name in SCHEMAS})


class Killed(BaseException):
    """Stands for kill -9: nobody catches it."""


def batches(count: int) -> list[Sections]:
    return [minute(number) for number in range(1, count + 1)]


def test_rows_appear_once_over_restarts(tmp_path: Path) -> None:
    sender = Sender()
    for life in range(1, 4):
        with opened(tmp_path) as journal:
            append(journal, minute(2 * life - 1), minute(2 * life), sender=sender)
            assert journal.view().count("samples") == 2 * life
            assert journal.view().count("records") == 2 * life
    with opened(tmp_path) as journal:
        found = everything(journal)
        assert [row["position"] for row in found["samples"]] == [1, 2, 3, 4, 5, 6]
        assert len(found["series"]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_applying(moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path / "whole") as journal:
        append(journal, *batches(4))
        expected = everything(journal)
    store = tmp_path / "store"
    shutil.copytree(tmp_path / "whole", store)
    shutil.rmtree(store / "tables")
    apply = Tables.apply

    def killed(tables: Tables, rows: Rows, previous: int, position: int) -> None:
        if moment == "after":
            apply(tables, rows, previous, position)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Tables, "apply", killed)
        with pytest.raises(Killed):
            Journal(store)
    with opened(store) as journal:
        assert everything(journal) == expected
        assert journal.view().count("samples") == 4


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_apply_that_fails_is_tried_again(
    moment: str, journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After the commit is the hard one: the tables have moved, and the materialiser does not know."""
    monkeypatch.setattr(materialiser, "_RETRY_S", 0.01)
    failed = threading.Event()
    apply = Tables.apply

    def failing(tables: Tables, rows: Rows, previous: int, position: int) -> None:
        if moment == "after" or failed.is_set():
            apply(tables, rows, previous, position)
        if not failed.is_set():
            failed.set()
            raise RuntimeError("disk on fire")

    monkeypatch.setattr(Tables, "apply", failing)
    append(journal, *batches(3))
    assert failed.wait(30)
    view = journal.view()
    assert view.count("samples") == view.count("batches") == 3
    assert view.count("series") == 1
    assert extend(journal, Kind.DEFINITIONS, DEFINITIONS_CHAIN, b"") == 4
    assert journal.view().position == 4
    assert journal.materialiser.trouble is None
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [
        "the tables could not be filled; trying again every 0.01 s"
    ]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_apply_that_fails_leaves_no_files_of_nobody(
    moment: str, journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(materialiser, "_RETRY_S", 0.01)
    forms = {name: replace(form, rows_min=1) for name, form in parquet.FORMS.items()}
    monkeypatch.setattr(parquet, "FORMS", forms)
    tries = iter(range(5))
    apply = Tables.apply

    def failing(tables: Tables, rows: Rows, previous: int, position: int) -> None:
        if moment == "after":
            apply(tables, rows, previous, position)
        if next(tries, None) is not None:
            raise TablesUnavailable("the catalog is locked")
        if moment == "before":
            apply(tables, rows, previous, position)

    monkeypatch.setattr(Tables, "apply", failing)
    append(journal, *batches(3))
    assert journal.view().count("samples") == 3
    assert next(tries, None) is None or moment == "after"
    known = journal.tables.query("SELECT data_file FROM ducklake_list_files('book', 'samples')")
    assert len(list((tmp_path).rglob("main/samples/*.parquet"))) == known.num_rows


def test_trouble_that_stays_is_told(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise OvertakenError("disk on fire")

    monkeypatch.setattr(materialiser, "_RETRY_S", 0.01)
    monkeypatch.setattr(journal_module, "_CATCH_UP_S_MAX", 0.2)
    with monkeypatch.context() as patched:
        patched.setattr(Tables, "apply", failing)
        append(journal, minute(1))
        with pytest.raises(TablesUnavailable, match=r"behind the log: .*disk on fire.*try again"):
            journal.view()
        assert journal.materialiser.trouble == "the tables are not being filled: disk on fire"
        # What was accepted is durable all the same, and the rest of the book can be read.
        assert journal.log.end == 1
    monkeypatch.setattr(journal_module, "_CATCH_UP_S_MAX", 30.0)
    assert journal.view().count("samples") == 1


def test_tables_that_were_deleted_are_made_again(tmp_path: Path) -> None:
    bad = content(series=[series(1, "gauge")], samples=[(8, DAY, 1.0)], events=[event(1), event(2, properties="")])
    with opened(tmp_path) as journal:
        sender = Sender()
        append(journal, *batches(3), bad, sender=sender)
        extend(journal, Kind.DEFINITIONS, DEFINITIONS_CHAIN, b"")
        append(journal, minute(4), sender=sender)
        expected = everything(journal)
    assert len(expected["dead_letters"]) == 3
    shutil.rmtree(tmp_path / "tables")
    with opened(tmp_path) as journal:
        assert everything(journal) == expected


@pytest.mark.slow
def test_a_rebuild_in_any_grouping_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path) as journal:
        append(journal, *batches(6))
        expected = everything(journal)
    whole = 1 << 30
    for read, part, apply in ((1, 1, 1), (700, 1, whole), (1, whole, 1), (whole, 700, 700), (whole, whole, whole)):
        monkeypatch.setattr(deriving, "HERE_BYTES_MAX", read)
        monkeypatch.setattr(deriver, "PART_BYTES_MAX", part)
        monkeypatch.setattr(deriver, "CONTENT_BYTES_MAX", apply)
        shutil.rmtree(tmp_path / "tables")
        with opened(tmp_path) as journal:
            assert everything(journal) == expected


def test_a_group_is_bounded_by_what_its_rows_take_in_memory(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred small payloads can stand for gigabytes."""
    applied: list[int] = []
    apply = Tables.apply

    def counted(tables: Tables, rows: Rows, previous: int, position: int) -> None:
        applied.append(sum(table.nbytes for table in rows.values()))
        apply(tables, rows, previous, position)

    monkeypatch.setattr(Tables, "apply", counted)
    monkeypatch.setattr(deriver, "PART_BYTES_MAX", 1 << 18)
    monkeypatch.setattr(deriver, "HELD_BYTES_MAX", 1 << 20)
    sender = Sender()
    append(journal, *(content(events=[event(n, subject="x" * 600_000)]) for n in range(8)), sender=sender)
    journal.view()
    assert max(applied) < 2 << 20


def test_a_series_known_from_before_a_restart_is_known(tmp_path: Path) -> None:
    sender = Sender()
    with opened(tmp_path) as journal:
        append(journal, content(series=[series(1)]), sender=sender)
    with opened(tmp_path) as journal:
        append(journal, content(series=[series(1, identity=99)], samples=[(1, DAY, 1.0)]), sender=sender)
        view = journal.view()
        assert view.count("samples") == 1
        assert [row["reason"] for row in view.dead_letters(9).to_pylist()] == [
            "series_id 1 already stands for another series"
        ]


def test_tables_whose_files_are_gone_are_refused_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.journal.lake.INLINED_ROWS_MAX", 0)
    with opened(tmp_path) as journal:
        append(journal, *batches(2))
        expected = everything(journal)
    shutil.rmtree(tmp_path / "tables" / "data")
    with pytest.raises(JournalError, match="made anew"):
        Journal(tmp_path)
    shutil.rmtree(tmp_path / "tables")
    with opened(tmp_path) as journal:
        assert everything(journal) == expected
    (tmp_path / "tables" / "catalog.sqlite").write_bytes(b"garbage" * 999)
    with pytest.raises(StoreRefused, match="made anew"):
        Journal(tmp_path)


def test_events_come_through_files_as_they_are(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "FORMS", {"events": replace(parquet.FORMS["events"], rows_min=1)})
    sent = [
        event(
            number,
            subject="é" * (number % 3),
            value=Decimal(number * (-1) ** number).scaleb(-9),
            id=f"{number:09}" * 30,
        )
        for number in range(300)
    ]
    last = append(journal, content(events=sent))
    kept = journal.view().rows("events", last, last)
    gathered = parquet.GatheredRows(tmp_path / "data")
    gathered.add({"events": kept})
    file = gathered.finished()["events"]
    assert isinstance(file, Path)
    journal.tables.apply({"events": file}, last, last)
    found = journal.view().rows("events", last, last).to_pylist()
    assert len(found) == 600
    assert sorted(map(repr, found)) == sorted(map(repr, [*kept.to_pylist(), *kept.to_pylist()]))


@pytest.mark.slow
@pytest.mark.parametrize("rows_min", [1, 10_000])
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(contents=st.lists(ANY_SECTIONS, min_size=1, max_size=3))
def test_whatever_the_wire_allows_reaches_the_tables(
    journal: Journal, contents: list[Sections], rows_min: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row that does not would hold up every later one, for everybody."""
    forms = {name: replace(form, rows_min=rows_min) for name, form in parquet.FORMS.items()}
    monkeypatch.setattr(parquet, "FORMS", forms)
    # Every example is an agent of its own: the journal is that of the examples before.
    last = append(journal, *contents, sender=Sender(f"agent-{journal.log.end}"))
    view = journal.view()
    assert view.position == last
    assert journal.materialiser.trouble is None
    for name in SCHEMAS:
        view.rows(name, last, last).to_pylist()
    near(view, view.rows("series", 1, last)["series_id"].to_numpy(), 0, 1)
    view.events("sale", ["size"], 0, 1)
    view.coverage(-(2**55), 2**55)
    view.observation()
    view.polls()
    view.beginning()
    for metric in set(view.rows("series", last, last)["metric"].to_pylist()):
        assert view.series(metric).num_rows > 0
