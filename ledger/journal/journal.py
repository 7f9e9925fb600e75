"""The journal under one roof: open a store, append records, and see the book as it stood.

Appending goes to the log and is durable when the future resolves; a view waits until the tables hold everything
that was durable when it was asked for, so a caller always reads its own writes.
"""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

from ledger.journal.errors import StoreRefused, TablesUnavailable
from ledger.journal.frames import Kind
from ledger.journal.log import Committed, Log
from ledger.journal.materialiser import Materialiser
from ledger.journal.store import StoreDirectory
from ledger.journal.tables import Tables
from ledger.journal.view import View

_CATCH_UP_S_MAX = 30.0


class Journal:
    """An opened store. Raises StoreRefused and its kinds; close it to let the next process in."""

    def __init__(self, root: Path) -> None:
        self.store = StoreDirectory(root)
        try:
            self.tables = Tables(self.store.tables)
            self.log = Log(self.store.log, settled=self.tables.watermark)
            self.materialiser = Materialiser(self.log, self.tables)
            self.materialiser.catch_up()
            self.materialiser.start()
        except OSError as error:
            self.close()
            raise StoreRefused(f"{root}: cannot be opened ({error.strerror}); make it readable and writable") from error
        except BaseException:
            self.close()
            raise

    def append(self, kind: Kind, payload: bytes, after: Future[Committed] | None = None) -> Future[Committed]:
        """A future that gives the record's position once it is durable, or raises LogUnavailable; ``after`` as in ``Log.append``."""
        return self.log.append(kind, payload, after)

    def view(self, position: int = 0) -> View:
        """The book at ``position``, or at the newest one for 0.

        Raises LookupError for a position beyond the book, TablesUnavailable where the tables lag too far behind.
        """
        end = self.log.end
        if position < 0 or position > end:
            raise LookupError(f"position {position} is not in the book, which ends at {end}")
        if not self.materialiser.wait_for(position or end, _CATCH_UP_S_MAX):
            trouble = self.materialiser.trouble or f"they are at position {self.materialiser.watermark} of {end}"
            raise TablesUnavailable(f"the tables are behind the log: {trouble}; try again")
        return View.at(self.tables.snapshot(), position or end)

    def close(self) -> None:
        """Stop, in the order that loses nothing. Safe to call twice, and on a journal that failed to open."""
        for name in ("materialiser", "log", "tables"):
            part = getattr(self, name, None)
            if part is not None:
                (part.stop if name == "materialiser" else part.close)()
        self.store.close()
