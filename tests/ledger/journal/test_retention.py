"""Old segments go to the archive when nobody needs them in the store, and stay part of the book."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.journal import embedded
from ledger.journal.backup import back_up
from ledger.journal.disk import Disk
from ledger.journal.errors import StoreDamaged, StoreRefused
from ledger.journal.journal import Journal
from ledger.journal.rebuild import rebuild_tables
from ledger.journal.retention import CHECKPOINT, Archived, archive_segments
from ledger.journal.store import log_of
from tests.ledger.batches import Sender, append, everything, minute

RECORDS = 40


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """A book in many small segments, with an archive; closed."""
    monkeypatch.setattr(embedded.EmbeddedLog.__init__, "__defaults__", _small(embedded.EmbeddedLog))
    found = Journal(tmp_path / "store", tmp_path / "archive")
    append(found, *(minute(number) for number in range(1, RECORDS + 1)))
    found.view()
    found.close()
    return found


def _small(log: type[embedded.EmbeddedLog]) -> tuple[object, ...]:
    known, _, *more = log.__init__.__defaults__ or ()
    return (known, 20_000, *more)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("*.seg"))


def test_what_is_archived_is_still_read(tmp_path: Path, journal: Journal) -> None:
    store, archive = tmp_path / "store", tmp_path / "archive"
    before = names(store / "log")
    assert len(before) > 4
    done = archive_segments(log_of(store), RECORDS, "signed", 0)
    assert done == Archived(len(before) - 1, len(before) - 1)
    assert names(archive) == before[:-1]
    assert names(store / "log") == before[-1:]
    assert (archive / CHECKPOINT).read_text() == "signed"
    assert archive_segments(log_of(store), RECORDS, "later", 0) == Archived(0, 0)
    assert (archive / CHECKPOINT).read_text() == "signed"

    opened = Journal(store)
    expected = everything(opened)
    assert opened.log.frontier == journal.log.frontier
    assert len(opened.log.reader(stored=True).read(1 << 30)) == RECORDS
    append(opened, minute(99), sender=Sender(sequence=RECORDS, digest=opened.log.head(_chain(opened)).hash))
    opened.close()

    assert rebuild_tables(store).size == RECORDS + 1
    again = Journal(store)
    assert {
        name: [row for row in rows if row["position"] <= RECORDS] for name, rows in everything(again).items()
    } == expected
    again.close()
    assert back_up(store, tmp_path / "backup").size == RECORDS + 1
    assert len(names(tmp_path / "backup" / "log")) == len(before)


def _chain(journal: Journal) -> str:
    (name,) = {record.draft.chain for record in journal.log.reader().read(1 << 30)}
    return name


def test_only_what_tables_and_checkpoint_cover_goes(tmp_path: Path, journal: Journal) -> None:
    disk = log_of(tmp_path / "store")
    starts = [int(name[:20]) for name in names(tmp_path / "store" / "log")]
    assert archive_segments(disk, starts[1] - 2, "signed", 0) == Archived(0, 0)
    assert archive_segments(disk, starts[2] - 1, "signed", 0) == Archived(2, 2)
    assert names(tmp_path / "archive") == [f"{start:020d}.seg" for start in starts[:2]]


def test_some_may_stay(tmp_path: Path, journal: Journal) -> None:
    log = tmp_path / "store" / "log"
    before = names(log)
    newest = (log / before[-2]).stat().st_size
    assert archive_segments(log_of(tmp_path / "store"), RECORDS, "signed", newest).removed == len(before) - 2
    assert names(log) == before[-2:]
    assert names(tmp_path / "archive") == before[:-1]


def test_a_copy_that_was_cut_off_is_completed_before_anything_goes(tmp_path: Path, journal: Journal) -> None:
    store, archive = tmp_path / "store", tmp_path / "archive"
    first = names(store / "log")[0]
    whole = (store / "log" / first).read_bytes()
    (archive / first).write_bytes(whole[:700])
    archive_segments(log_of(store), RECORDS, "signed", 0)
    assert (archive / first).read_bytes() == whole


def test_a_damaged_segment_stays_where_it_is(tmp_path: Path, journal: Journal) -> None:
    log = tmp_path / "store" / "log"
    path = log / names(log)[1]
    data = bytearray(path.read_bytes())
    data[900] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreDamaged, match="is damaged"):
        archive_segments(log_of(tmp_path / "store"), RECORDS, "signed", 0)
    assert len(names(log)) > 4


def test_the_archive_is_found_again_and_not_moved_by_a_setting(tmp_path: Path, journal: Journal) -> None:
    assert log_of(tmp_path / "store").archive == tmp_path / "archive"
    with pytest.raises(StoreRefused, match=r"its archive is .*/archive, not .*/other"):
        Journal(tmp_path / "store", tmp_path / "other")
    archive_segments(log_of(tmp_path / "store"), RECORDS, "signed", 0)
    (tmp_path / "archive").rename(tmp_path / "other")
    found = Disk(tmp_path / "store" / "log", tmp_path / "archive")
    assert found.names() == names(tmp_path / "store" / "log")
    with pytest.raises(StoreDamaged, match="restore their segments from the archive"):
        rebuild_tables(tmp_path / "store")
