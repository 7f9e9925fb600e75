"""Whether a ledger could work with the services of a place, found out by reading alone: for ``doctor``, while replicas are at work."""

from __future__ import annotations

from collections.abc import Iterator

from ledger.journal.errors import JournalError
from ledger.journal.place import SharedPlace
from ledger.journal.shared.connection import Connection
from ledger.journal.shared.database import Database
from ledger.journal.shared.objects import Objects
from ledger.journal.shared.soundness import of_postgresql
from meterbook.doctor.findings import Finding, failure, ok, warning
from meterbook.doctor.machine import clock_difference
from meterbook.wire.instants import SECOND_US, now_us

_BOOK = "BOOK"


def looked(place: SharedPlace) -> Iterator[Finding]:
    """What is found of the database, its clock, and the bucket."""
    try:
        yield from _database(Database(place.server))
    except JournalError as error:
        advice = "look at its address, at credentials (PGPASSWORD, ~/.pgpass or the URL), and whether it runs"
        yield failure("store", str(error), advice)
    try:
        holds = "holds a book" if has_book(place) else "holds no book yet"
        yield ok("store", f"{place.bucket} can be read, and {holds}")
    except JournalError as error:
        advice = "look at the bucket's name and region, at the credentials that AWS clients find, and at their policy"
        yield failure("store", str(error), advice)


def has_book(place: SharedPlace) -> bool:
    """Whether the bucket holds a book. Raises JournalError."""
    objects = Objects(place.bucket)
    try:
        return any(each.name == _BOOK for page in objects.listed(_BOOK) for each in page)
    finally:
        objects.close()


def _database(database: Database) -> Iterator[Finding]:
    began_us = now_us()
    theirs_us = database.run(_time_us)
    middle_us = (began_us + now_us()) / 2
    try:
        yield ok("store", f"{database.server} answers")
        for each in of_postgresql(database):
            yield warning("store", each, "change that setting, unless this is a machine for tests")
        yield clock_difference((middle_us - theirs_us) / SECOND_US, f"that of {database.server}")
    finally:
        database.forget()


def _time_us(connection: Connection) -> int:
    found = connection.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").fetchone()
    assert found is not None
    return int(found[0])
