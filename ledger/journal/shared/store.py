"""Opens what the replicas of a ledger share: looks whether it can be used, and gives its parts.

The bucket's prefix and the database name the same book, or they are refused: put together wrongly, each would be whole
and both together be nobody's.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace

from ledger.journal.errors import StoreDamaged, StoreRefused
from ledger.journal.lake import SharedLake
from ledger.journal.log import Known
from ledger.journal.place import SharedPlace
from ledger.journal.shared import soundness
from ledger.journal.shared.connection import Connection
from ledger.journal.shared.database import Database
from ledger.journal.shared.leases import SharedLeases
from ledger.journal.shared.log import SharedLog
from ledger.journal.shared.migrations import migrate
from ledger.journal.shared.objects import BOOK, NameTaken, Objects
from ledger.journal.shared.turn import SharedTurn

logger = logging.getLogger(__name__)


def shared_lake(place: SharedPlace) -> SharedLake:
    """Where the tables of a place lie, for whoever only reads them. Raises StoreRefused, LogUnavailable."""
    return _lake(place, Objects(place.bucket), Database(place.server))


def _lake(place: SharedPlace, objects: Objects, database: Database) -> SharedLake:
    bucket = replace(place.bucket, region=objects.region)
    return SharedLake(bucket, database.given, f"{place.server.schema}_tables", objects.keys)


class SharedStore:
    """An opened place. Raises StoreRefused, LogUnavailable. ``warnings`` say what its services do not promise."""

    def __init__(self, place: SharedPlace) -> None:
        self.place = place
        self.objects, self.database = Objects(place.bucket), Database(place.server)
        try:
            self.warnings = soundness.warnings(self.objects, self.database)
            self.database.run(migrate)
            self._check_book()
        except BaseException:
            self.close()
            raise
        for warning in self.warnings:
            logger.warning("%s", warning)

    def log(self, known: Known | None = None) -> SharedLog:
        """The log. Raises StoreDamaged, LogUnavailable."""
        return SharedLog(self.database, self.objects, known)

    def lake(self) -> SharedLake:
        """Where the tables lie: beside the log, with a catalog in a schema of its own. Raises LogUnavailable."""
        return _lake(self.place, self.objects, self.database)

    def turn(self) -> SharedTurn:
        """Whose turn it is to fill the tables."""
        return SharedTurn(self.database)

    def leases(self) -> SharedLeases:
        """Who reads which source."""
        return SharedLeases(self.database)

    def close(self) -> None:
        """Let go of all connections. Safe to call twice."""
        self.database.close()
        self.objects.close()

    def _check_book(self) -> None:
        def ask(connection: Connection) -> str:
            (found,) = connection.execute("SELECT book::text FROM log").fetchone() or ("nothing",)
            return str(found)

        book = self.database.run(ask).encode()
        try:
            found = self.objects.get(BOOK)
        except StoreDamaged:
            # Where two begin at once, one of them finds the other's below.
            with suppress(NameTaken):
                self.objects.put(BOOK, book)
            found = self.objects.get(BOOK)
        if found != book:
            raise StoreRefused(
                f"{self.place.bucket} holds the book {found[:36].decode(errors='replace')}, {self.place.server} the book "
                f"{book.decode()}; name the two that belong together"
            )
