"""The tables of a place for reading alone, in a process that is neither its ledger nor one of its replicas.

As of a position a book is the same for everybody, so whoever is told a place and a position sees what the ledger sees. Of a directory
that is so only on machines that have it, and as long as the ledger holds a snapshot: it does not compact what somebody reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from ledger.journal.errors import StoreRefused
from ledger.journal.lake import EmbeddedLake, Lake
from ledger.journal.place import FilePlace, Place
from ledger.journal.store import check_version
from ledger.journal.tables import Tables
from ledger.journal.view import View


@contextmanager
def reading(place: Place, position: int = 0) -> Iterator[View]:
    """The book of a place at a position, or for 0 as far as the tables have it. Raises StoreRefused, LogUnavailable, TablesUnavailable and LookupError."""
    with closing(Tables(_lake(place), reads_only=True)) as tables:
        yield View.at(tables.snapshot(), position or tables.watermark)


def _lake(place: Place) -> Lake:
    if isinstance(place, FilePlace):
        check_version(place.directory)
        return EmbeddedLake(place.directory / "tables")
    try:
        from ledger.journal.shared.store import shared_lake
    except ModuleNotFoundError as error:
        raise StoreRefused(
            f"{place}: the package {error.name} is missing; install meterbook[ledger,distributed]"
        ) from error
    return shared_lake(place)
