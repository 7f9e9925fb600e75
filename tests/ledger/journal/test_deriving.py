"""The rows are the same wherever they are derived, and a process that fails loses none and adds none."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
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
from ledger.journal.disk import Disk
from ledger.journal.embedded import EmbeddedLog
from ledger.journal.errors import TablesUnavailable
from ledger.journal.journal import Journal
from ledger.journal.record import ACTS_CHAIN, Kind, Record
from meterbook.wire.sections import SCHEMAS, Sections
from tests.ledger.batches import DAY, Sender, append, content, draft, everything, minute, own, series
from tests.wire.tables import section_table

PATIENCE_S = 60.0
ANY_SECTIONS = st.builds(Sections, **{name: section_table(name) for name in SCHEMAS})


CONTENTS = st.lists(
    st.lists(st.one_of(ANY_SECTIONS, st.integers(1, 5).map(minute)), min_size=1, max_size=3), min_size=1, max_size=3
)


class NotInFiles(EmbeddedLog):
    """A log that only this process can read."""

    files = None  # type: ignore[assignment]


LOGS = [EmbeddedLog, NotInFiles]


class Book:
    """A log, whose rows are derived; in a process of its own as soon as :meth:`hand_over` has been called."""

    def __init__(self, log: EmbeddedLog, folder: Path | None = None) -> None:
        self.log, self.sender = log, Sender()
        #: What is known when the rows of the records so far have been derived, for a test that derives them itself.
        self.state = initial_state()
        self.deriving = Deriving(log, folder)
        self.deriving.begin(initial_state().series, 0)

    def append(self, *contents: Sections) -> list[Record]:
        """Append batches, and a record of another kind; gives all of them."""
        before = self.log.end
        drafts = [draft(self.sender.next(what)) for what in contents]
        for future in [
            self.log.append(each) for each in [*drafts, own(Kind.ACT, b"", ACTS_CHAIN, self.log.head(ACTS_CHAIN))]
        ]:
            future.result()
        return self.log.reader(before).read(1 << 30)

    def hand_over(self) -> Child:
        """Wait until a process goes on from here."""
        here = self.deriving._here
        ends_s = time.monotonic() + PATIENCE_S
        while self.deriving._here is not None:
            assert here is not None and time.monotonic() < ends_s, "the process did not get ready"
            if self.deriving._child is None:
                self.deriving._begin_process()
            assert self.deriving._child is not None
            self.deriving._hand_over(self.deriving._child, here)
            time.sleep(0.01)
        assert self.deriving._child is not None
        return self.deriving._child

    def rows(self) -> dict[str, pa.Table]:
        """All rows that are still to come."""
        parts: dict[str, list[pa.Table]] = {}
        while found := list(self.deriving.derive()):
            for derived in found:
                for name, rows in derived.rows.items():
                    parts.setdefault(name, []).append(pq.read_table(rows) if isinstance(rows, Path) else rows)
        return {name: pa.concat_tables(tables) for name, tables in parts.items()}

    def close(self) -> None:
        self.deriving.forget()
        self.log.close()


@pytest.fixture
def once(book: Callable[..., Book]) -> Callable[[type[EmbeddedLog]], Book]:
    """A book with many segments whose rows are derived elsewhere, always the same one."""
    made: list[Book] = []

    def found(kind: type[EmbeddedLog]) -> Book:
        if not made:
            made.append(book(kind, segment_bytes=2_000))
            made[0].hand_over()
        return made[0]

    return found


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Callable[..., Book]]:
    opened: list[Book] = []

    def made(kind: type[EmbeddedLog] = EmbeddedLog, folder: Path | None = None, segment_bytes: int = 1 << 20) -> Book:
        (tmp_path / "log").mkdir()
        opened.append(Book(kind(Disk(tmp_path / "log"), segment_bytes=segment_bytes), folder))
        return opened[-1]

    yield made
    for each in opened:
        each.close()


def samples(count: int) -> Sections:
    return content(samples=[(1, DAY + number, float(number)) for number in range(count)])


def test_few_records_are_derived_here(book: Callable[..., Book]) -> None:
    found = book()
    expected, _ = derive(found.append(minute(1), minute(2)), initial_state())
    assert found.rows() == expected
    assert found.rows() == {}
    assert found.deriving._child is None


@pytest.mark.slow
@pytest.mark.parametrize("kind", LOGS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CONTENTS)
def test_the_same_rows_come_from_elsewhere(
    kind: type[EmbeddedLog], once: Callable[[type[EmbeddedLog]], Book], contents: list[list[Sections]]
) -> None:
    """With every example the same process goes on in the same log."""
    found = once(kind)
    for each in contents:
        expected, found.state = derive(found.append(*each), found.state)
        assert found.rows() == expected
    assert found.deriving._here is None


@pytest.mark.parametrize("kind", LOGS)
def test_what_was_known_goes_with_it(kind: type[EmbeddedLog], book: Callable[..., Book]) -> None:
    found = book(kind)
    found.append(minute(1))
    found.rows()
    found.hand_over()
    found.append(content(series=[series(1, identity=9)], samples=[(1, DAY, -1.0), (1, DAY + 1, 1.0)]))
    rows = found.rows()
    assert rows["samples"].num_rows == 1
    assert rows["dead_letters"]["reason"].to_pylist() == [
        "series_id 1 already stands for another series",
        "value -1.0 cannot be metered",
    ]


@pytest.mark.parametrize("bound", ["MANY_BYTES", "MANY_CONTENT_BYTES"])
@pytest.mark.parametrize("kind", LOGS)
def test_much_is_handed_over_by_itself(
    kind: type[EmbeddedLog], bound: str, book: Callable[..., Book], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deriving, bound, 100)
    found, state = book(kind), initial_state()
    ends_s = time.monotonic() + PATIENCE_S
    number = 0
    while found.deriving._here is not None or number < 5:
        assert time.monotonic() < ends_s, "it was never handed over"
        number += 1
        expected, state = derive(found.append(minute(number)), state)
        assert found.rows() == expected


def test_many_rows_come_as_files_in_parts(
    book: Callable[..., Book], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = book(folder=tmp_path / "data")
    found.hand_over()
    found.append(minute(1), samples(parquet.FORMS["samples"].rows_min))
    (derived,) = found.deriving.derive()
    file = derived.rows["samples"]
    assert isinstance(file, Path)
    assert file.parent == tmp_path / "data" / "main" / "samples"
    assert pq.read_table(file).num_rows == parquet.FORMS["samples"].rows_min + 1
    assert (derived.position, derived.records) == (3, 3)
    found.deriving.begin(initial_state().series, 0)
    monkeypatch.setattr(deriver, "PART_BYTES_MAX", 1)
    (derived,) = found.deriving.derive()
    assert (derived.position, derived.records) == (3, 3)
    found.deriving.begin(initial_state().series, 0)
    monkeypatch.setattr(deriver, "HELD_BYTES_MAX", 1)
    assert [derived.position for derived in found.deriving.derive()] == [1, 2, 3]


@pytest.mark.parametrize("kind", LOGS)
def test_a_disk_that_is_full_is_told_and_not_a_failure_of_the_process(
    kind: type[EmbeddedLog], book: Callable[..., Book], tmp_path: Path
) -> None:
    (tmp_path / "data").write_text("no directory")
    found = book(kind, tmp_path / "data")
    child = found.hand_over()
    found.append(minute(1), samples(parquet.FORMS["samples"].rows_min))
    with pytest.raises(TablesUnavailable, match=r"cannot be written .*; free space"):
        list(found.deriving.derive())
    assert child._process.poll() is None


def test_damage_is_told(book: Callable[..., Book], tmp_path: Path) -> None:
    found = book()
    child = found.hand_over()
    found.append(minute(1))
    (segment,) = (tmp_path / "log").iterdir()
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    with pytest.raises(TablesUnavailable, match="is damaged"):
        list(found.deriving.derive())
    assert child._process.poll() is None


def used(journal: Journal, sender: Sender, until: Callable[[Deriving], bool]) -> None:
    """Append until it is so."""
    ends_s = time.monotonic() + PATIENCE_S
    while not until(journal.materialiser._deriving):
        assert time.monotonic() < ends_s, "no process was ever used"
        append(journal, minute(sender.sequence + 1), sender=sender)
        journal.view()


def is_elsewhere(found: Deriving) -> bool:
    return found.has_begun and found._here is None


def test_a_process_that_is_killed_costs_nothing_but_time(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(materialiser, "_RETRY_S", 0.01)
    monkeypatch.setattr(deriving, "MANY_BYTES", 100)
    monkeypatch.setattr(deriving, "_AGAIN_S", 0.0)
    sender = Sender()
    for _ in range(2):
        used(journal, sender, is_elsewhere)
        child = journal.materialiser._deriving._child
        assert child is not None
        os.kill(child._process.pid, signal.SIGKILL)
        used(journal, sender, lambda found, child=child: found._child is not child)  # type: ignore[misc]
    view = journal.view()
    assert view.count("samples") == view.count("batches") == sender.sequence
    assert view.count("dead_letters") == 0
    assert journal.materialiser.trouble is None
    assert "the process that derives their rows failed" in caplog.text


@pytest.mark.slow
def test_after_one_that_failed_rows_are_derived_here_for_a_while(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(materialiser, "_RETRY_S", 0.01)
    monkeypatch.setattr(deriving, "MANY_BYTES", 100)
    sender, found = Sender(), journal.materialiser._deriving
    used(journal, sender, is_elsewhere)
    assert found._child is not None
    os.kill(found._child._process.pid, signal.SIGKILL)
    used(journal, sender, lambda found: found._child is None)
    for _ in range(20):
        append(journal, minute(sender.sequence + 1), sender=sender)
        journal.view()
        assert found._child is None
    assert journal.view().count("samples") == sender.sequence


def test_closing_does_not_wait_for_a_process_that_hangs(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deriving, "MANY_BYTES", 100)
    sender = Sender()
    used(journal, sender, is_elsewhere)
    child = journal.materialiser._deriving._child
    assert child is not None
    os.kill(child._process.pid, signal.SIGSTOP)
    append(journal, minute(sender.sequence + 1), sender=sender)
    monkeypatch.setattr(deriving, "_PATIENCE_S", 3_600.0)
    journal.close()
    assert child._process.poll() == -signal.SIGKILL


def test_acknowledging_comes_before_filling_the_tables(book: Callable[..., Book]) -> None:
    child = book().hand_over()
    assert os.getpriority(os.PRIO_PROCESS, child._process.pid) > os.getpriority(os.PRIO_PROCESS, 0)


def test_what_was_archived_is_read_there(book: Callable[..., Book], tmp_path: Path) -> None:
    found = book(segment_bytes=2_000)
    found.log.files.archive = tmp_path / "archive"
    (tmp_path / "archive").mkdir()
    for number in range(1, 30):
        found.append(minute(number))
    expected, _ = derive(found.log.reader().read(1 << 30), initial_state())
    found.hand_over()
    segments = sorted((tmp_path / "log").iterdir())
    assert len(segments) > 4
    for segment in segments[:3]:
        segment.rename(tmp_path / "archive" / segment.name)
    assert found.rows() == expected


def test_a_process_that_nobody_needs_any_more_is_ended(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    sender = Sender()
    with monkeypatch.context() as patched:
        patched.setattr(deriving, "MANY_BYTES", 100)
        used(journal, sender, is_elsewhere)
    child = journal.materialiser._deriving._child
    assert child is not None
    monkeypatch.setattr(deriving, "_REST_S", 0.0)
    child._process.wait()
    append(journal, minute(sender.sequence + 1), sender=sender)
    assert journal.view().count("samples") == sender.sequence
    assert journal.materialiser._deriving._child is None


def test_a_process_that_cannot_be_begun_is_done_without(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(deriving, "MANY_BYTES", 100)
    monkeypatch.setattr("ledger.journal.child.sys.executable", "/nowhere/python")
    sender = Sender()
    for number in range(1, 4):
        append(journal, minute(number), sender=sender)
        assert len(everything(journal)["samples"]) == number
    assert "rows are derived in the ledger itself" in caplog.text


def test_the_tables_know_their_columns(book: Callable[..., Book]) -> None:
    found = book()
    found.hand_over()
    found.append(minute(1))
    for name, rows in found.rows().items():
        assert rows.schema.equals(TABLES[name])
