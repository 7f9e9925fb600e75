"""Compaction: the many small files that frequent commits leave behind become few.

It runs as ``python -m ledger.journal.compaction``, a process that does its work and ends, because merging
inside a long-lived one makes its memory grow for ever. Nobody may write to the tables meanwhile, and who may read is told in
``gate``; the log goes on. The first line of its standard input tells the child where the tables lie, with the keys. The
parent holds it open: the child ends when its parent does, also by ``kill -9``, so that it can never work on a store that
somebody else has opened by then.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from ledger.journal.lake import EmbeddedLake, Lake, from_json
from ledger.journal.tables import Tables

#: Commits after which compaction is worth its start.
COMMITS_BETWEEN = 500
#: Seconds that readers may be kept out.
PATIENCE_S = 60.0
_POLL_S = 0.05

logger = logging.getLogger(__name__)


def compact_in_child(where: Path | Lake, stopping: threading.Event) -> None:
    """Compact the tables of a place that nobody writes to just now. Raises nothing: the next time may succeed.

    The child is ended, and changes nothing, when ``stopping`` is set or it takes too long.
    """
    lake = EmbeddedLake(where) if isinstance(where, Path) else where
    command = [sys.executable, "-m", "ledger.journal.compaction"]
    began_s = time.monotonic()
    try:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603
    except OSError as error:
        logger.warning("the tables were not compacted: %s", error)
        return
    with child:
        assert child.stdin is not None
        with suppress(BrokenPipeError):
            child.stdin.write(lake.to_json().encode() + b"\n")
            child.stdin.flush()
        while child.poll() is None:
            if stopping.wait(_POLL_S) or time.monotonic() - began_s > PATIENCE_S:
                child.kill()
                break
        assert child.stderr is not None
        said = lake.hidden(child.stderr.read().decode(errors="replace").strip())
    if child.returncode != 0 and not stopping.is_set():
        logger.warning("the tables were not compacted: %s", said[-500:] or f"exit code {child.returncode}")


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    described = sys.stdin.buffer.readline()
    if not described:
        sys.exit(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    tables = Tables(from_json(described.decode()))
    tables.compact()
    tables.close()
    # Without the usual end, which would wait for the thread that reads.
    os._exit(0)
