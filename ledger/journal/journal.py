"""The journal under one roof: open a place, append records, and see the book as it stood.

Appending goes to the log and is durable when the future resolves; a view waits until the tables hold everything
that was durable when it was asked for, so a caller always reads its own writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from ledger.journal import cancelling
from ledger.journal.embedded import EmbeddedLog
from ledger.journal.errors import Overtaken, StoreRefused, TablesUnavailable
from ledger.journal.leases import Leases, OwnLeases
from ledger.journal.log import Known, Log
from ledger.journal.materialiser import Materialiser
from ledger.journal.place import FilePlace, Place, SharedPlace
from ledger.journal.record import Draft, Head, Kind, follow
from ledger.journal.remembered import Remembered
from ledger.journal.store import StoreDirectory, log_of
from ledger.journal.tables import Tables
from ledger.journal.view import View

# How long a question waits for the tables, and after how long it looks whether anybody still waits for it.
_CATCH_UP_S_MAX, _LOOK_S = 30.0, 0.25


class Journal:
    """An opened place; a path is the place of a directory, which may have an ``archive`` for old segments.

    Close it to let the next process in.

    Raises StoreRefused and its kinds, LogUnavailable, TablesUnavailable. ``warnings`` are sentences on what the services
    behind it do not promise.
    """

    def __init__(self, place: Place | Path, archive: Path | None = None) -> None:
        self.place: Place = FilePlace(place) if isinstance(place, Path) else place
        self.warnings: Sequence[str] = ()
        self._remembered = Remembered()
        try:
            if isinstance(self.place, FilePlace):
                self._open_directory(self.place.directory, archive)
            else:
                self._open_shared(self.place)
            self.materialiser.catch_up()
            self.materialiser.start()
        except OSError as error:
            self.close()
            raise StoreRefused(
                f"{self.place}: cannot be opened ({error.strerror}); make it readable and writable"
            ) from error
        except BaseException:
            self.close()
            raise

    def _open_directory(self, root: Path, archive: Path | None) -> None:
        self.store = StoreDirectory(root)
        if archive is not None:
            self.store.archive_to(archive)
        self.tables = Tables(self.store.tables)
        self.tables.remove_orphans()
        self.log: Log = EmbeddedLog(log_of(root), self._known())
        self.materialiser = Materialiser(self.log, self.tables)
        self.leases: Leases = OwnLeases()

    def _open_shared(self, place: SharedPlace) -> None:
        try:
            from ledger.journal.shared.store import SharedStore
        except ModuleNotFoundError as error:
            raise StoreRefused(
                f"{place}: the package {error.name} is missing; install meterbook[ledger,distributed]"
            ) from error
        self._services = SharedStore(place)
        self.warnings = self._services.warnings
        self.tables = Tables(self._services.lake())
        self.log = self._services.log(self._known())
        self.materialiser = Materialiser(self.log, self.tables, self._services.turn())
        self.leases = self._services.leases()

    def append(self, draft: Draft) -> Future[int]:
        """A future that gives the record's position once it is durable; see ``Log.append``."""
        return self.log.append(draft)

    def head(self, chain: str, view: View) -> Head:
        """The last record of a chain, provided that the view has it. Raises Overtaken where the chain has moved on."""
        head = self.log.head(chain)
        if head.position > view.position:
            raise Overtaken(f"{chain}: record {head.sequence} is newer than the book that was read; read it again")
        return head

    def extend(self, kind: Kind, chain: str, head: Head, payload: bytes) -> Head:
        """Append a record of the ledger's own after ``head``, and wait; gives the new head.

        What the record says may depend on the chain being there: raises Overtaken where it is not any more, and
        LogUnavailable.
        """
        draft = follow(kind, chain, head, payload)
        return Head(draft.sequence, draft.hash, self.log.append(draft).result())

    def view(self, position: int = 0) -> View:
        """The book at ``position``, or at the newest one for 0.

        Raises LookupError for a position beyond the book, TablesUnavailable where the tables lag too far behind, Cancelled.
        """
        end = self.log.refresh()
        if position < 0 or position > end:
            raise LookupError(f"position {position} is not in the book, which ends at {end}")
        if not self._has_caught_up(position or end):
            trouble = self.materialiser.trouble or f"they are at position {self.materialiser.watermark} of {end}"
            raise TablesUnavailable(f"the tables are behind the log: {trouble}; try again")
        return View.at(self.tables.snapshot(), position or end, self._remembered)

    def _has_caught_up(self, position: int) -> bool:
        left_s = _CATCH_UP_S_MAX
        while left_s > 0:
            cancelling.check()
            if self.materialiser.wait_for(position, min(_LOOK_S, left_s)):
                return True
            left_s -= _LOOK_S
        return False

    def _known(self) -> Known:
        found = View.at(self.tables.snapshot(), self.tables.watermark)
        return Known(found.position, found.heads())

    def close(self) -> None:
        """Stop, in the order that loses nothing. Safe to call twice, and on a journal that failed to open."""
        for name in ("materialiser", "log", "tables", "store", "_services"):
            part = getattr(self, name, None)
            if part is not None:
                (part.stop if name == "materialiser" else part.close)()
