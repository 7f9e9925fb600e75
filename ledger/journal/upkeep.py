"""When the tables are compacted: after so many commits, in a quiet moment, while nobody reads them.

The tables are then opened anew, so that what DuckLake remembers of all commits does not pile up. The child is prepared
while work goes on, so that the tables stand still only for the merging itself. Under much load files are large anyway and
compaction waits, though not for ever.
"""

from __future__ import annotations

import threading

from ledger.journal.compaction import Compaction
from ledger.journal.tables import Tables

#: Commits after which compaction is worth its start, and after which it is no longer put off.
COMMITS_BETWEEN, COMMITS_MAX = 500, 5_000
#: Records in a commit that are a sign of much load.
_MANY_RECORDS = 100
_ALONE_S = 0.2


class Upkeep:
    """Counts commits and has the tables compacted; for the one thread that writes to them."""

    def __init__(self, tables: Tables, stopping: threading.Event) -> None:
        self._tables, self._stopping = tables, stopping
        self._commits = 0
        self._is_busy = False
        self._child: Compaction | None = None

    def committed(self, records: int) -> None:
        """A commit of so many records was made."""
        self._commits += 1
        self._is_busy = records > _MANY_RECORDS

    def step(self) -> None:
        """Take compaction one step on, where it is time. Raises TablesUnavailable where they cannot be opened after it."""
        if self._child is None:
            if self._commits >= (COMMITS_MAX if self._is_busy else COMMITS_BETWEEN):
                self._child = Compaction(self._tables.lake, self._stopping)
        elif self._child.is_over:
            self.close()
        elif self._child.is_prepared:
            with self._tables.alone(_ALONE_S) as is_alone:
                if is_alone:
                    self._child.run()
                    self.close()
                    self._tables.renew()

    def close(self) -> None:
        """End what is under way."""
        if self._child is not None:
            is_unfinished = self._child.close()
            self._child = None
            # The next child goes on at once with what this one left.
            self._commits = COMMITS_MAX if is_unfinished else 0
