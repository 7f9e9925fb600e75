"""A server of another make that runs beside the tests, in a temporary directory and on loopback only.

What PostgreSQL and the S3 server have in common: they are started and waited for until they really answer, stopped,
killed, paused like a machine that hangs, and started again on the same ports with the same data. They never outlive the
tests (see ``guard``). One that does not start is an error that shows its log: a test of a real service is never skipped.
"""

from __future__ import annotations

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from tests.servers import guard

_START_S_MAX = 60.0
_POLL_S = 0.02
_LOG_BYTES_SHOWN = 8_000


class ServerDidNotStart(Exception):
    """The message says what was started and shows the end of its log."""


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on.

    They lie below those that the kernel gives to outgoing connections (32768 and up), so that none is taken while the
    server is down.
    """
    found: set[int] = set()
    while len(found) < count:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as attempt:
            try:
                attempt.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.add(port)
    return sorted(found)


class ServerProcess:
    """One server. Subclasses say how it is prepared, what its command is and whether it answers."""

    name: str
    #: Files outside the directory that the server leaves behind when it is killed.
    litter: Sequence[str] = ()
    #: Added to the environment that it inherits.
    environment: Mapping[str, str] = MappingProxyType({})

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=f"meterbook-{self.name.lower()}-"))
        self.log = self.directory / "log"
        self.user: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Make the data directory; called once."""

    def command(self) -> list[str]:
        """What is run."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether it does what it is there for."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """Of the process that was started."""
        assert self._process is not None, f"{self.name} is not running"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there, be it paused."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start it and wait until it answers. Raises ServerDidNotStart."""
        if not any(self.directory.iterdir()):
            self.prepare()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env={**os.environ, **self.environment},
                start_new_session=True,
                user=self.user,
                group=self.user,
                extra_groups=None if self.user is None else [],
            )
        self._dismiss_guard()
        self._guard = self._watched()
        give_up_s = time.monotonic() + _START_S_MAX
        while not self.answers():
            if self._process.poll() is not None:
                raise self._failure(f"ended with exit code {self._process.returncode}")
            if time.monotonic() > give_up_s:
                raise self._failure(f"did not answer within {_START_S_MAX:g} s")
            time.sleep(_POLL_S)
        return self

    def _watched(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-S", "-E", guard.__file__, str(self.pid), str(self.directory), *self.litter]
        return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    def _dismiss_guard(self) -> None:
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
            self._guard = None

    def _failure(self, what: str) -> ServerDidNotStart:
        said = self.log.read_bytes()[-_LOG_BYTES_SHOWN:].decode(errors="replace")
        self.close()
        return ServerDidNotStart(f"{self.name} {what} while it was started; its log ends with:\n{said}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server alone."""
        os.kill(self.pid, number)

    def stop(self) -> None:
        """End it in its own way and wait until it is gone; its data stay. Safe to call twice."""
        if self.is_running:
            self.signal(signal.SIGTERM)
            self._gone()

    def kill(self) -> None:
        """``kill -9`` of all of it, as when the machine loses power; its data stay. Safe to call twice."""
        if self.is_running:
            family = guard.family(self.pid)
            guard.signal_family(self.pid, signal.SIGKILL)
            self._gone()
            # One that still holds the data would keep a new server from starting.
            while any(guard.lives(pid) for pid in family):
                time.sleep(_POLL_S)

    def restart(self) -> Self:
        """Start it again, on the same ports and with the same data; what still runs is stopped first."""
        self.stop()
        return self.start()

    def pause(self) -> None:
        """Make it hang: connections stay open, are even accepted, and nobody answers."""
        guard.signal_family(self.pid, signal.SIGSTOP)
        # A process of many threads goes on for a moment after it was told to stop.
        while not all(guard.is_stopped(pid) for pid in guard.family(self.pid)):
            time.sleep(_POLL_S)

    def resume(self) -> None:
        """Let it go on after :meth:`pause`."""
        guard.signal_family(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """Kill it and remove its data. Safe to call twice."""
        self.kill()
        self._dismiss_guard()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _gone(self) -> None:
        assert self._process is not None
        self._process.wait()
        for path in self.litter:
            Path(path).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self if self.is_running else self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def unprivileged_user() -> int | None:
    """The id of a user who may do nothing, where the tests run as root; else None."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        return 65_534
