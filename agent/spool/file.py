"""The spool's file: one SQLite database, opened by one process, with its errors in our own words.

WAL with ``synchronous=FULL`` makes a commit durable before it returns; the journal's size is bounded, and freed
pages are used again, so the file stays near the largest amount that ever waited. A lock file beside the database
keeps a second process out, because two of them would fork the chain. ``FORMAT`` is stored, and another one is
refused: guessing at an unknown layout could lose what waits.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from sqlite_utils import Database

from agent.errors import SpoolFull, SpoolUnusable
from meterbook.wire.seal import GENESIS

FORMAT = 1

_WAL_BYTES_MAX = 64 << 20

#: What appends leave free on the disk. Deleting needs room, too: SQLite first moves up to 4 MiB that were written before from
#: the journal into the database, and a disk filled to its last byte could never let go of what the ledger holds.
DISK_RESERVE_BYTES = 8 << 20

# Small columns stand before the sections: SQLite reads a row from its front, page by page.
_TABLES: dict[str, tuple[dict[str, type], tuple[str, ...]]] = {
    "spool": (
        {
            "id": int, "format": int, "agent": str, "epoch": int, "sequence": int, "hash": bytes,
            "acked_sequence": int, "acked_hash": bytes,
        },
        ("id",),
    ),
    "batches": (
        {
            "epoch": int, "sequence": int, "previous_hash": bytes, "hash": bytes, "samples_count": int,
            "events_count": int, "created_us": int, "bytes": int, "accounts": str, "series": bytes, "samples": bytes,
            "events": bytes, "coverage": bytes, "dead_letters": bytes, "charges": bytes, "bills": bytes,
        },
        ("epoch", "sequence"),
    ),
    "acknowledged": ({"sequence": int, "created_us": int, "accounts": str}, ("sequence",)),
    "checkpoints": ({"source": str, "checkpoint": str, "window_end_us": int, "gap": str}, ("source",)),
    "series": (
        {
            "series_id": int, "identity": int, "source": str, "metric": str, "kind": str, "unit": str, "labels": str,
            "attributes": str, "start": int, "tenant": str, "since": int, "epoch": int, "seen_day": int,
        },
        ("series_id", "since"),
    ),
    "trust": ({"id": int, "document": str}, ("id",)),
}  # fmt: skip


class SpoolFile:
    """The database. Its caller sees to it that only one thread uses it at a time."""

    def __init__(self, path: Path, agent: str, epoch: int) -> None:
        """Opens the file, or makes it with ``epoch``, readable by nobody else. Raises SpoolUnusable."""
        self.path = path
        with self.translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(path)
            try:
                self._connect()
                try:
                    self._prepare(agent, epoch)
                    #: What was opened, to notice when it is not what the names stand for any more.
                    self._opened = {each: _inode(each) for each in (path, Path(f"{path}-wal"))}
                except BaseException:
                    self.database.close()
                    raise
            except BaseException:
                self._lock.close()
                raise

    def rows(self, sql: str, *parameters: object) -> list[dict[str, Any]]:
        """The rows that a query gives."""
        cursor = self.database.conn.execute(sql, parameters)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def write(self, sql: str, *parameters: object) -> None:
        """One statement; for use inside a transaction."""
        self.database.conn.execute(sql, parameters)

    def write_many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """One statement for each row of parameters; for use inside a transaction."""
        self.database.conn.executemany(sql, rows)

    def demand_room(self, added: int) -> None:
        """Raises SpoolFull where the disk has no room for ``added`` bytes more beside the reserve."""
        disk = os.statvfs(self.path.parent)
        free = disk.f_bavail * disk.f_frsize
        pages = self.rows("SELECT freelist_count * page_size AS bytes FROM pragma_freelist_count, pragma_page_size")
        # Where it takes the place of what has gone, the database does not grow, and the journal has most of its room already.
        is_growing = added > pages[0]["bytes"]
        needed = 2 * added + DISK_RESERVE_BYTES if is_growing else added + DISK_RESERVE_BYTES // 4
        if free < needed:
            raise SpoolFull(
                f"spool {self.path} is full: the disk has no room for more, {free} bytes are free and {needed} are needed"
            )

    def settle(self) -> None:
        """Moves what stands in the journal into the database, so that the next few writes need no room."""
        with suppress(sqlite3.Error):  # another time, then: nothing depends on it
            self.write("PRAGMA wal_checkpoint(PASSIVE)")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, durable at its end."""
        with self.translated(), self.database.atomic():
            yield

    @contextmanager
    def translated(self) -> Iterator[None]:
        """SQLite's errors as ours: a full disk is a full spool, anything else needs a person."""
        with translated(self.path):
            yield

    @property
    def is_displaced(self) -> bool:
        """Whether the file was deleted, or another one is in its place: what is written goes where nobody finds it again."""
        try:
            return any(found is not None and found != _inode(path) for path, found in self._opened.items())
        except OSError:
            # Nobody can say, and nothing is wrong with what is open.
            return False

    def close(self) -> None:
        """Lets go of the file. Safe to call twice."""
        self.database.close()
        self._lock.close()

    def _connect(self) -> None:
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA journal_size_limit={_WAL_BYTES_MAX}")
            self.database = Database(connection, execute_plugins=False)
        except BaseException:
            connection.close()
            raise

    def _prepare(self, agent: str, epoch: int) -> None:
        """Makes the tables of a new file, and refuses a file that is damaged or not this agent's."""
        names = self.database.table_names()
        if not names:
            with self.database.atomic():
                for name, (columns, primary_key) in _TABLES.items():
                    self.database.table(name).create(columns, pk=primary_key)
                first = {"id": 0, "format": FORMAT, "agent": agent, "epoch": epoch, "sequence": 0, "hash": GENESIS}
                self.database.table("spool").insert(first | {"acked_sequence": 0, "acked_hash": GENESIS})
            sync_directory(self.path.parent)
        check_owner(self.database.conn, self.path, agent)
        if "trust" not in self.database.table_names():
            # A spool from before agents were witnesses.
            self.database.table("trust").create(*_TABLES["trust"][:1], pk="id")
        for name in ("batches", "acknowledged"):
            # A spool from before losses were told source by source.
            if "accounts" not in self.database.table(name).columns_dict:
                self.write(f"ALTER TABLE {name} ADD COLUMN accounts TEXT NOT NULL DEFAULT '[]'")
        for name in ("charges", "bills"):
            # A spool from before there were bills.
            if name not in self.database.table("batches").columns_dict:
                self.write(f"ALTER TABLE batches ADD COLUMN {name} BLOB NOT NULL DEFAULT x''")
        check_pages(self.database.conn)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """See :meth:`SpoolFile.translated`."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise SpoolFull(f"spool {path} is full: the disk has no room for more") from error
        raise SpoolUnusable(f"spool {path} cannot be used: {error}") from error
    except sqlite3.DatabaseError as error:
        raise SpoolUnusable(
            f"spool {path} is damaged ({error}): move it away, and the agent starts an empty one"
        ) from error
    except OSError as error:
        raise SpoolUnusable(f"spool {path} cannot be opened: {error.strerror or error}") from error


def check_owner(connection: sqlite3.Connection, path: Path, agent: str) -> None:
    """That a database is a spool, and that of this agent. Raises SpoolUnusable."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'spool'").fetchone():
        raise SpoolUnusable(f"{path} is a database but no spool: name another file in spool.path")
    written, owner = connection.execute("SELECT format, agent FROM spool").fetchone()
    if written != FORMAT:
        raise SpoolUnusable(
            f"spool {path} has format {written} and this agent writes {FORMAT}: "
            "run the version that made it until it is empty, then move it away"
        )
    if owner != agent:
        raise SpoolUnusable(
            f"spool {path} belongs to agent {owner!r}, not {agent!r}: "
            "name another file in spool.path, or the agent as before"
        )


def check_pages(connection: sqlite3.Connection) -> None:
    """That a database holds together. Raises sqlite3.DatabaseError."""
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(str(verdict).replace("\n", " "))


def lock_of(path: Path) -> Path:
    """The file whose lock an agent holds for as long as it has the spool open."""
    return Path(f"{path}.lock")


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _locked(path: Path) -> IO[bytes]:
    """The lock, held until it is closed or the process ends, however it ends. The file stays: it is only a handle."""
    lock = lock_of(path).open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise SpoolUnusable(f"spool {path} is in use by another process: two agents need two spools") from error
    except BaseException:
        lock.close()
        raise
    return lock


def sync_directory(directory: Path) -> None:
    """The name of a new file must be as durable as what is in it."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
