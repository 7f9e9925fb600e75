"""Whether a ledger could work with a store, found out by reading alone: for ``doctor``, beside a ledger that has it open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ledger.journal.errors import StoreRefused
from ledger.journal.lake import CATALOG
from ledger.journal.place import FilePlace, Place
from ledger.journal.store import check_version
from meterbook.doctor import machine
from meterbook.doctor.findings import Finding, failure, ok

#: Room for some days of a middling log and its tables; from a tenth of it on nothing is said to be well.
ROOM_BYTES = 10 << 30


def looked(place: Place, archive: Path | None) -> Iterator[Finding]:
    """What is found of a store, and of where its old segments go."""
    if not isinstance(place, FilePlace):
        # Loaded here: a ledger of one machine has neither library.
        from ledger.journal.shared.looking import looked as looked_at_services

        yield from looked_at_services(place)
        return
    root = place.directory
    yield from machine.writable("permissions", "store", root)
    yield from machine.room("store", root, ROOM_BYTES, "where the book grows")
    if archive is not None:
        yield from machine.writable("permissions", "retention.archive", archive)
        yield from machine.room("retention.archive", archive, ROOM_BYTES, "where old segments go")
    if not root.is_dir() or not any(root.iterdir()):
        yield ok("store", f"{root} is empty: a new book begins there")
        return
    try:
        check_version(root)
    except StoreRefused as error:
        yield failure("store", str(error), "name another directory, or use that version")
        return
    user = "a process has it open" if is_open(place) else "nobody has it open"
    yield ok("store", f"{root} holds a book that this version reads, and {user}")


def is_open(place: Place) -> bool:
    """Whether a process has the store open. Of a shared store nobody can say, nor where the lock cannot be looked at."""
    with suppress(OSError):
        return isinstance(place, FilePlace) and machine.is_locked(place.directory / "LOCK")
    return False


def has_tables(place: Place) -> bool:
    """Whether there is a book that can be asked; where there is a log alone, the ledger makes its tables when it starts. Raises JournalError."""
    if isinstance(place, FilePlace):
        return (place.directory / "tables" / CATALOG).exists()
    # As above.
    from ledger.journal.shared.looking import has_book

    return has_book(place)
