"""The directory of an embedded store: its version, and the lock that keeps a second process out.

Two processes appending to one log would each be right and together be wrong, so the lock is taken before anything is
read. It is the kernel's (``flock``): it goes with the process, also after ``kill -9``, and is never left behind.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

from ledger.journal.disk import Disk, sync_directory
from ledger.journal.errors import StoreInUse, StoreRefused
from ledger.journal.lake import EmbeddedLake

VERSION_LINE = "meterbook journal 2\n"
_NEW_FORMAT = "FORMAT.new"
_ARCHIVE = "ARCHIVE"


def write_durably(path: Path, text: str) -> None:
    """Write a small file by renaming, so that a crash in between leaves the old one or the new one."""
    new = path.with_name(path.name + ".new")
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync_directory(path.parent)


def _make_durably(directory: Path) -> None:
    """Make a directory and those above it that are missing, so that a power cut right after does not lose them."""
    if not directory.is_dir():
        _make_durably(directory.parent)
        directory.mkdir(exist_ok=True)
        sync_directory(directory.parent)


def check_version(root: Path) -> None:
    """That a directory is a store that this software reads. Raises StoreRefused."""
    try:
        found = (root / "FORMAT").read_text(errors="replace")
    except OSError as error:
        raise StoreRefused(f"{root}: is not a store (FORMAT: {error.strerror}); give a ledger's directory") from error
    if found != VERSION_LINE:
        raise StoreRefused(
            f"{root}: the store says {found.strip()[:60]!r}, this software reads {VERSION_LINE.strip()!r}; "
            "use the version of Meterbook that wrote it"
        )


def log_of(root: Path) -> Disk:
    """The log of a store, with its archive if it has one."""
    told = root / _ARCHIVE
    return Disk(root / "log", Path(told.read_text(encoding="utf-8").strip()) if told.exists() else None)


class StoreDirectory:
    """An opened store directory, made if it does not exist. Raises StoreRefused, StoreInUse."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "log"
        self.tables = root / "tables"
        self._lock = -1
        try:
            self._open()
        except BlockingIOError:
            self.close()
            raise StoreInUse(
                f"{root}: another process has this store open; stop it or choose another directory"
            ) from None
        except OSError as error:
            self.close()
            raise StoreRefused(
                f"{root}: cannot be used as a store ({error.strerror}); choose another directory"
            ) from error
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        _make_durably(self.root)
        # Looked at before a lock is put there, so that nothing is left in a directory that is somebody else's.
        if not (self.root / "LOCK").exists():
            self._check_ours()
        self._lock = os.open(self.root / "LOCK", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._check_version()
        for directory in (self.log, self.tables):
            directory.mkdir(exist_ok=True)
        shutil.rmtree(EmbeddedLake(self.tables).spill, ignore_errors=True)
        sync_directory(self.root)

    def _check_ours(self) -> None:
        names = {entry.name for entry in self.root.iterdir()}
        if "FORMAT" not in names and names - {"LOCK", _NEW_FORMAT}:
            raise StoreRefused(f"{self.root}: not empty and not a store; choose an empty directory")

    def _check_version(self) -> None:
        self._check_ours()
        path = self.root / "FORMAT"
        if path.exists():
            check_version(self.root)
            return
        write_durably(path, VERSION_LINE)

    def archive_to(self, directory: Path) -> None:
        """Say for good where the archive is, so that whoever opens the store finds what was moved there.

        Raises StoreRefused where it was elsewhere before: the segments would be missing.
        """
        before, directory = log_of(self.root).archive, directory.absolute()
        if before is not None and before != directory:
            raise StoreRefused(
                f"{self.root}: its archive is {before}, not {directory}; move the files there and change the file "
                f"{_ARCHIVE} in the store"
            )
        directory.mkdir(parents=True, exist_ok=True)
        write_durably(self.root / _ARCHIVE, f"{directory}\n")

    def close(self) -> None:
        """Let the next process in. Safe to call twice."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
