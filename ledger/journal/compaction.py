"""Compaction: the many small files that frequent commits leave behind become few.

It runs as ``python -m ledger.journal.compaction DIRECTORY``, a process that does its work and ends, because merging
inside a long-lived one makes its memory grow for ever. Nobody may read or write the tables meanwhile (see ``gate``); the
log goes on. The child ends when its parent does, also by ``kill -9``, so that it can never work on a store that somebody
else has opened by then: it reads its standard input, which the parent holds open and never writes to.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from ledger.journal.tables import Tables

#: Commits after which compaction is worth its start.
COMMITS_BETWEEN = 500
#: Seconds for which files that were merged away are kept.
GRACE_S = 120
#: Seconds that readers may be kept out.
PATIENCE_S = 60.0
_POLL_S = 0.05

logger = logging.getLogger(__name__)


def compact_in_child(directory: Path, stopping: threading.Event) -> None:
    """Compact the tables of a directory that nobody uses just now. Raises nothing: the next time may succeed.

    The child is ended, and changes nothing, when ``stopping`` is set or it takes too long.
    """
    command = [sys.executable, "-m", "ledger.journal.compaction", str(directory)]
    began_s = time.monotonic()
    try:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603
    except OSError as error:
        logger.warning("the tables were not compacted: %s", error)
        return
    with child:
        while child.poll() is None:
            if stopping.wait(_POLL_S) or time.monotonic() - began_s > PATIENCE_S:
                child.kill()
                break
        assert child.stderr is not None
        said = child.stderr.read().decode(errors="replace").strip()
    if child.returncode != 0 and not stopping.is_set():
        logger.warning("the tables were not compacted: %s", said[-500:] or f"exit code {child.returncode}")


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    tables = Tables(Path(sys.argv[1]))
    tables.compact(GRACE_S)
    tables.close()
    # Without the usual end, which would wait for the thread that reads.
    os._exit(0)
