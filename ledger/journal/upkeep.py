"""When the tables are compacted: after so many commits, in a quiet moment, while nobody reads them.

The tables are then opened anew, so that what DuckLake remembers of all commits does not pile up. The child is prepared
while work goes on, so that the tables stand still only for the merging itself. Under much load files are large anyway and
compaction waits, though not for ever; nor does it go on where the tables are behind, which it would only make worse, until
there are so many files that they are what holds the tables up.
"""

from __future__ import annotations

import threading
import time

from ledger.journal.compaction import Compaction
from ledger.journal.tables import Tables

#: Commits after which compaction is worth its start, after which much load is no reason to put it off, and after which
#: nothing is.
COMMITS_BETWEEN, COMMITS_MAX, COMMITS_TOO_MANY = 500, 5_000, 10_000
#: Records in a commit that are a sign of much load, seconds for which it is one, and how far behind the tables may be.
_MANY_RECORDS, _QUIET_S, _LAG_S_MAX = 100, 10.0, 1.0
_ALONE_S = 0.2


class Upkeep:
    """Counts commits and has the tables compacted; for the one thread that writes to them."""

    def __init__(self, tables: Tables, stopping: threading.Event) -> None:
        self._tables, self._stopping = tables, stopping
        self._commits = 0
        self._many_s = float("-inf")
        self._child: Compaction | None = None

    def committed(self, records: int) -> None:
        """A commit of so many records was made."""
        self._commits += 1
        if records > _MANY_RECORDS:
            self._many_s = time.monotonic()

    def step(self, lag_s: float) -> None:
        """Take compaction one step on, where it is time; the tables are ``lag_s`` behind.

        Raises TablesUnavailable where they cannot be opened after it.
        """
        may_go_on = lag_s < _LAG_S_MAX or self._commits >= COMMITS_TOO_MANY
        if self._child is None:
            is_quiet = time.monotonic() - self._many_s > _QUIET_S
            if self._commits >= (COMMITS_BETWEEN if is_quiet else COMMITS_MAX) and may_go_on:
                self._child = Compaction(self._tables.lake, self._stopping)
        elif self._child.is_over:
            self.close()
        elif self._child.is_prepared and may_go_on:
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
            # The next child goes on at once with what this one left, or after a while if there is much load.
            self._commits = COMMITS_MAX - COMMITS_BETWEEN if is_unfinished else 0
