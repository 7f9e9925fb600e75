"""Ends a server whose test process is gone, however it went.

Run as ``python guard.py PID DIRECTORY [PATH...]`` with a pipe as standard input that the test process holds open and never
writes to: the kernel closes it also after ``kill -9``. The guard then kills the server with everything it started, stopped
or not, and removes what it left on disk. It needs Linux, for /proc, and nothing but the standard library.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

_POLL_S = 0.02


def family(pid: int) -> list[int]:
    """A process and everything that descends from it, parents first; empty where it is gone.

    PostgreSQL gives each child a session of its own, so a signal to the process group does not reach them.
    """
    children: dict[int, list[int]] = {}
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            with suppress(OSError):
                # The name in parentheses may hold anything; what follows it are the state and the parent.
                parent = int((directory / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(directory.name))
    found = [pid] if Path(f"/proc/{pid}").exists() else []
    for each in found:
        found.extend(children.get(each, []))
    return found


def lives(pid: int) -> bool:
    """Whether a process is there; one that has ended and waits to be noticed is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def is_stopped(pid: int) -> bool:
    """Whether no thread of a process runs any more; also true of one that is gone."""
    try:
        states = [
            (task / "stat").read_text().rpartition(")")[2].split()[0] for task in Path(f"/proc/{pid}/task").iterdir()
        ]
    except OSError:
        return not lives(pid)
    return all(state in "TtZX" for state in states)


def signal_family(pid: int, number: signal.Signals) -> None:
    """Send a signal to all of them, the eldest first, so that none is started anew meanwhile."""
    for each in family(pid):
        with suppress(ProcessLookupError):
            os.kill(each, number)


def main() -> None:
    """Wait for the end of standard input; then clear up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    pid, directory, *paths = sys.argv[1:]
    sys.stdin.buffer.read()
    ending = family(int(pid))
    signal_family(int(pid), signal.SIGKILL)
    while any(lives(each) for each in ending):
        time.sleep(_POLL_S)
    for path in paths:
        Path(path).unlink(missing_ok=True)
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
