"""Compaction: the many small files that frequent commits leave behind become few.

It runs as ``python -m ledger.journal.compaction DIRECTORY``, a process that does its work and ends, because merging
inside a long-lived one makes its memory grow for ever. The catalog has one writer at a time, so the materialiser waits
for it; the log goes on meanwhile. What is merged away stays on disk for a while, for the queries that still read it.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

from ledger.journal.tables import Tables

#: Commits after which compaction is worth its start.
COMMITS_BETWEEN = 500
#: How long the longest query may still read files that were merged away.
GRACE_S = 120
_PATIENCE_S = 600

logger = logging.getLogger(__name__)


def compact_in_child(directory: Path) -> None:
    """Compact the tables of a directory that nobody writes to just now. Raises nothing: the next time may succeed."""
    command = [sys.executable, "-m", "ledger.journal.compaction", str(directory)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        logger.warning("the tables were not compacted: %s", error)
        return
    if done.returncode != 0:
        logger.warning("the tables were not compacted: %s", done.stderr.strip()[-500:])


if __name__ == "__main__":
    tables = Tables(Path(sys.argv[1]))
    tables.compact(GRACE_S)
    tables.close()
