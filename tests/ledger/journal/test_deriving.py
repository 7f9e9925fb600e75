"""The rows are the same wherever they are derived, and a process that fails loses none and adds none."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.journal import deriver, deriving, materialiser, parquet
from ledger.journal.child import Child
from ledger.journal.derive import TABLES, derive, initial_state
from ledger.journal.deriving import Deriving
from ledger.journal.errors import TablesUnavailable
from ledger.journal.journal import Journal
from ledger.journal.record import Kind, Record
from meterbook.wire.sections import SCHEMAS, Sections
from tests.ledger.batches import DAY, MINUTE, Sender, append, content, everything, minute, own, record, series
from tests.wire.tables import section_table

PATIENCE_S = 60.0
ANY_SECTIONS = st.builds(Sections, **{name: section_table(name) for name in SCHEMAS})


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Deriving]:
    """One that derives in a process, already."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(deriving, "MANY_BYTES", 0)
        found = handed_over(Deriving(None))
    yield found
    found.forget()


def handed_over(found: Deriving) -> Deriving:
    found.begin(initial_state())
    ends_s = time.monotonic() + PATIENCE_S
    while found._here is not None:
        assert time.monotonic() < ends_s, "the process did not get ready"
        found._hand_over(found._here)
        time.sleep(0.01)
    return found


def begun_anew(found: Deriving) -> None:
    """As if it were before the first record, in the same process: to begin one takes a while."""
    assert found._child is not None
    found._child.tell(deriver.beginning(deriver.Deriver(initial_state(), found._folder)))


def rows_of(found: Deriving, records: Sequence[Record]) -> dict[str, pa.Table]:
    parts: dict[str, list[pa.Table]] = {}
    position = 0
    for derived in found.derive(records):
        position = derived.position
        for name, rows in derived.rows.items():
            parts.setdefault(name, []).append(pq.read_table(rows) if isinstance(rows, Path) else rows)
    assert position == records[-1].position
    return {name: pa.concat_tables(tables) for name, tables in parts.items()}


def test_few_records_are_derived_here() -> None:
    found = Deriving(None)
    found.begin(initial_state())
    assert rows_of(found, [record(minute(1), 1)])["samples"].num_rows == 1
    assert found._child is None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(ANY_SECTIONS, st.integers(1, 5).map(minute)), min_size=1, max_size=4), st.integers(1, 3))
def test_the_same_rows_come_from_elsewhere(elsewhere: Deriving, contents: list[Sections], at_once: int) -> None:
    begun_anew(elsewhere)
    records = [record(what, position) for position, what in enumerate(contents, 1)]
    records.append(Record(len(records) + 1, DAY, own(Kind.ACT, b"")))
    state = initial_state()
    for begin in range(0, len(records), at_once):
        asked = records[begin : begin + at_once]
        expected, state = derive(asked, state)
        assert rows_of(elsewhere, asked) == expected


def test_what_was_known_goes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Deriving(None)
    found.begin(initial_state())
    list(found.derive([record(minute(1), 1)]))
    monkeypatch.setattr(deriving, "MANY_BYTES", 0)
    found._child = ready(Child("ledger.journal.deriver"))
    rows = rows_of(found, [record(content(series=[series(1, identity=9)], samples=[(1, DAY + MINUTE, 1.0)]), 2)])
    assert found._here is None
    assert rows["samples"].num_rows == 1
    assert rows["dead_letters"]["reason"].to_pylist() == ["series_id 1 already stands for another series"]
    found.forget()


def ready(child: Child) -> Child:
    ends_s = time.monotonic() + PATIENCE_S
    while not child.is_ready:
        assert time.monotonic() < ends_s, "the process did not get ready"
        time.sleep(0.01)
    return child


def test_many_rows_come_as_files_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deriving, "MANY_BYTES", 0)
    found = handed_over(Deriving(tmp_path))
    count = parquet.ROWS_MIN
    many = [(1, DAY + number, float(number)) for number in range(count)]
    records = [record(minute(1), 1), record(content(samples=many), 2, DAY + MINUTE)]
    (derived,) = found.derive(records)
    assert isinstance(derived.rows["samples"], Path)
    assert derived.rows["samples"].parent == tmp_path / "main" / "samples"
    assert pq.read_table(derived.rows["samples"]).num_rows == count + 1
    assert (derived.position, derived.time_us, derived.records) == (2, DAY + MINUTE, 2)
    found.forget()


def test_a_disk_that_is_full_is_told_and_not_a_failure_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deriving, "MANY_BYTES", 0)
    blocked = tmp_path / "data"
    blocked.write_text("no directory")
    found = handed_over(Deriving(blocked))
    many = [(1, DAY + number, 1.0) for number in range(parquet.ROWS_MIN)]
    with pytest.raises(TablesUnavailable, match=r"cannot be written .*; free space"):
        list(found.derive([record(minute(1), 1), record(content(samples=many), 2)]))
    assert found._child is not None and found._child._process.poll() is None
    found.forget()


def test_a_process_that_is_killed_costs_nothing_but_time(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(materialiser, "_RETRY_S", 0.01)
    monkeypatch.setattr(deriving, "MANY_BYTES", 0)
    sender, used = Sender(), journal.materialiser._deriving
    killed = 0
    for number in range(1, 400):
        append(journal, minute(number), sender=sender)
        if number % 10 == 0:
            journal.view()
        if killed < 2 and used._child is not None and used._here is None:
            os.kill(used._child._process.pid, signal.SIGKILL)
            killed += 1
        if killed == 2 and used._child is not None and used._here is None:
            break
    assert killed == 2, "no process was ever used"
    view = journal.view()
    assert view.count("samples") == view.count("batches") == number
    assert view.count("dead_letters") == 0
    assert journal.materialiser.trouble is None
    assert "the process that derives their rows failed" in caplog.text


def test_a_process_that_nobody_needs_any_more_is_ended(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    used, sender = journal.materialiser._deriving, Sender()
    with monkeypatch.context() as patched:
        patched.setattr(deriving, "MANY_BYTES", 0)
        ends_s = time.monotonic() + PATIENCE_S
        while used._child is None or used._here is not None:
            assert time.monotonic() < ends_s, "no process was ever used"
            append(journal, minute(sender.sequence + 1), sender=sender)
            journal.view()
    child = used._child
    monkeypatch.setattr(deriving, "_REST_S", 0.0)
    while child._process.poll() is None:
        assert time.monotonic() < ends_s, "the process was not ended"
        time.sleep(0.01)
    append(journal, minute(sender.sequence + 1), sender=sender)
    assert journal.view().count("samples") == sender.sequence
    assert used._child is None


def test_a_process_that_cannot_be_begun_is_done_without(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(deriving, "MANY_BYTES", 0)
    monkeypatch.setattr("ledger.journal.child.sys.executable", "/nowhere/python")
    append(journal, *(minute(number) for number in range(1, 4)))
    assert len(everything(journal)["samples"]) == 3
    assert "rows are derived in the ledger itself" in caplog.text


def test_the_tables_know_their_columns(elsewhere: Deriving) -> None:
    begun_anew(elsewhere)
    for name, rows in rows_of(elsewhere, [record(minute(1), 1)]).items():
        assert rows.schema.equals(TABLES[name])
