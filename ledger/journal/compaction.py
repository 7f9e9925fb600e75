"""Compaction: the many small files that frequent commits leave behind become few.

It runs as ``python -m ledger.journal.compaction``, a process that does its work and ends, because merging
inside a long-lived one makes its memory grow for ever. Nobody may write to the tables meanwhile, and who may read is told in
``gate``; the log goes on. So the child is *prepared* first, which takes most of the time, and waits; told to go on, it
merges for about a second and ends. What is left is left for the next time.

The first line of its standard input tells it where the tables lie, with the keys, the second to go on. The parent holds it
open: the child ends when its parent does, also by ``kill -9``, so that it can never work on a store that
somebody else has opened by then.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time

from ledger.journal.lake import Lake, from_json
from ledger.journal.tables import Tables
from meterbook.lean import leave_out

#: Seconds that merging goes on for; the last merge may take it a little beyond.
BUDGET_S = 0.7
#: Seconds that preparing, and then the work itself, may take.
PATIENCE_S = 60.0
_POLL_S = 0.02
#: Exit code of a child that left something to do.
_MORE = 3

logger = logging.getLogger(__name__)


class Compaction:
    """A child that is prepared to compact the tables of a place, once. It raises nothing: the next one may succeed."""

    def __init__(self, lake: Lake, stopping: threading.Event) -> None:
        self._lake = lake
        self._stopping = stopping
        self._child: subprocess.Popen[bytes] | None = None
        self._has_answered = False
        self._began_s = time.monotonic()
        command = [sys.executable, "-m", "ledger.journal.compaction"]
        try:
            self._child = subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        except OSError as error:
            logger.warning("the tables were not compacted: %s", error)
            return
        assert self._child.stdout is not None
        os.set_blocking(self._child.stdout.fileno(), False)
        self._say(self._lake.to_json().encode())

    @property
    def is_prepared(self) -> bool:
        """Whether the child waits to be told to go on."""
        if self._child is not None and self._child.stdout is not None and not self._has_answered:
            self._has_answered = bool(self._child.stdout.read())
        return self._has_answered

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to be waited for: it could not be begun, has failed, or took too long."""
        return self._child is None or self._child.poll() is not None or time.monotonic() - self._began_s > PATIENCE_S

    def run(self) -> None:
        """Tell the child to go on, and wait for it. It is ended, and changes nothing, when the ledger stops."""
        assert self._child is not None
        self._began_s = time.monotonic()
        self._say(b"go on")
        while not self.is_over and not self._stopping.wait(_POLL_S):
            pass

    def close(self) -> bool:
        """End the child if it has not ended; say what went wrong. Gives whether it left something to do."""
        child, self._child = self._child, None
        if child is None:
            return False
        with child:
            unfinished = child.poll() is None
            if unfinished:
                child.kill()
            assert child.stderr is not None
            said = self._lake.hidden(child.stderr.read().decode(errors="replace").strip())
        if child.returncode not in (0, _MORE) and not self._stopping.is_set():
            reason = "it took too long" if unfinished else said[-500:] or f"exit code {child.returncode}"
            logger.warning("the tables were not compacted: %s", reason)
        return child.returncode == _MORE

    def _say(self, line: bytes) -> None:
        assert self._child is not None and self._child.stdin is not None
        try:
            self._child.stdin.write(line + b"\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            # It has ended; close() tells why.
            return


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def _main() -> None:
    described = sys.stdin.buffer.readline()
    if not described:
        sys.exit(1)
    tables = Tables(from_json(described.decode()))
    sys.stdout.buffer.write(b"prepared\n")
    sys.stdout.buffer.flush()
    if not sys.stdin.buffer.readline():
        sys.exit(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    is_done = tables.compact(budget_s=BUDGET_S)
    tables.close()
    # Without the usual end, which would wait for the thread that reads.
    os._exit(0 if is_done else _MORE)


if __name__ == "__main__":
    leave_out()
    _main()
