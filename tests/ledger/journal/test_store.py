"""A store is opened by one process at a time, and only where it is one, of the version that is understood."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.journal import store
from ledger.journal.errors import StoreDamaged, StoreInUse, StoreRefused
from ledger.journal.journal import Journal
from ledger.journal.record import DEFINITIONS_CHAIN, Kind
from ledger.journal.store import VERSION_LINE, StoreDirectory
from tests.ledger.batches import append, extend, minute, opened

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys
from pathlib import Path
from ledger.journal.store import StoreDirectory
held = StoreDirectory(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_new_store_says_its_version(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "store"
    StoreDirectory(root).close()
    assert (root / "FORMAT").read_text() == VERSION_LINE == "meterbook journal 2\n"
    assert sorted(path.name for path in root.iterdir()) == ["FORMAT", "LOCK", "log", "tables"]
    StoreDirectory(root).close()


@pytest.mark.parametrize(
    "text", ["meterbook journal 1\n", "meterbook journal 3\n", "", "meterbook journal 2", "\xff\xfe" * 100]
)
def test_another_version_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "FORMAT").write_bytes(text.encode("latin-1"))
    with pytest.raises(StoreRefused, match="this software reads 'meterbook journal 2'"):
        StoreDirectory(tmp_path)
    (tmp_path / "FORMAT").write_text(VERSION_LINE)
    StoreDirectory(tmp_path).close()


def test_somebody_elses_directory_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(StoreRefused, match="not empty and not a store"):
        StoreDirectory(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]
    (tmp_path / "LOCK").touch()
    with pytest.raises(StoreRefused, match="not empty and not a store"):
        StoreDirectory(tmp_path)


@pytest.mark.parametrize("left", [["LOCK"], ["LOCK", "FORMAT.new"], ["FORMAT.new"], []])
def test_a_first_start_that_was_cut_off_is_begun_again(left: list[str], tmp_path: Path) -> None:
    for name in left:
        (tmp_path / name).touch()
    StoreDirectory(tmp_path).close()
    assert (tmp_path / "FORMAT").read_text() == VERSION_LINE


def test_one_process_at_a_time(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreInUse, match="another process has this store open"):
            Journal(tmp_path)
        holder.kill()
        holder.communicate()
    StoreDirectory(tmp_path).close()


def test_one_opening_at_a_time_in_one_process(tmp_path: Path) -> None:
    held = StoreDirectory(tmp_path)
    with pytest.raises(StoreInUse):
        StoreDirectory(tmp_path)
    held.close()
    held.close()
    StoreDirectory(tmp_path).close()


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for root in (tmp_path / "file", tmp_path / "file" / "store"):
        with pytest.raises(StoreRefused, match="cannot be used as a store"):
            StoreDirectory(root)


@pytest.mark.parametrize("call", ["open", "fsync"])
@pytest.mark.parametrize("new", [True, False])
def test_a_directory_that_cannot_be_written(
    call: str, new: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not new:
        StoreDirectory(tmp_path).close()
    with monkeypatch.context() as patched:

        def refuse(*_: object) -> int:
            raise OSError(errno.EROFS, "Read-only file system")

        patched.setattr(store.os, call, refuse)
        with pytest.raises(StoreRefused, match="Read-only file system"):
            StoreDirectory(tmp_path)
    StoreDirectory(tmp_path).close()


def test_a_log_that_cannot_be_opened_is_a_store_that_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path) as journal:
        append(journal, minute(1))
    with monkeypatch.context() as patched:

        def refuse(*_: object) -> int:
            raise OSError(errno.EROFS, "Read-only file system")

        patched.setattr("ledger.journal.disk.os.ftruncate", refuse)
        (segment,) = (tmp_path / "log").iterdir()
        with segment.open("ab") as file:
            file.write(b"torn")
        with pytest.raises(StoreRefused, match="Read-only file system"):
            Journal(tmp_path)
    with opened(tmp_path) as journal:
        assert journal.log.end == 1


def test_tables_ahead_of_the_log_are_damage_and_nothing_is_touched(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        append(journal, minute(1), minute(2))
        journal.view()
    (segment,) = (tmp_path / "log").iterdir()
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-1])
    with pytest.raises(StoreDamaged, match="ends at position 1, but the tables have seen 2"):
        Journal(tmp_path)
    assert segment.read_bytes() == whole[:-1]
    segment.write_bytes(whole)
    with opened(tmp_path) as journal:
        assert journal.view().count("batches") == 2


def test_a_store_that_is_refused_lets_the_next_one_in(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        extend(journal, Kind.DEFINITIONS, DEFINITIONS_CHAIN, b"")
        journal.view()
    before = len(list(Path("/proc/self/fd").iterdir()))
    (segment,) = (tmp_path / "log").iterdir()
    whole = segment.read_bytes()
    segment.write_bytes(b"")
    for _ in range(3):
        with pytest.raises(StoreDamaged):
            Journal(tmp_path)
    segment.write_bytes(whole)
    opened_again = Journal(tmp_path)
    opened_again.close()
    opened_again.close()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_what_a_killed_process_left_of_its_questions_goes(tmp_path: Path) -> None:
    StoreDirectory(tmp_path).close()
    left = tmp_path / "tables" / "spill" / "0a" / "duckdb_temp_storage_DEFAULT-0.tmp"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"rows")
    StoreDirectory(tmp_path).close()
    assert not left.exists()
