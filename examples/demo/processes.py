"""The demo's processes: started as a user would start them, killed as a power cut would end them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

READY_S_MAX = 60.0


class DemoFailed(Exception):
    """Something did not go as it must; the message says what."""


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on just now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@dataclass
class Program:
    """One process: its command, where it logs, and the page that answers 200 once it works."""

    name: str
    command: Sequence[str]
    log: Path
    page: str
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start, and wait until it works. Raises DemoFailed."""
        with self.log.open("ab") as log:
            # A group of its own: Ctrl-C at the terminal then reaches the demo alone, which stops the others in order.
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + READY_S_MAX
        while not self._works():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise DemoFailed(f"{self.name} did not start; the end of {self.log}:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Ask it to end, and make sure that it does. Safe to call at any time."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()

    def _works(self) -> bool:
        try:
            return httpx.get(self.page, trust_env=False, timeout=1).status_code == 200
        except httpx.HTTPError:
            return False


def meterbook(*arguments: str) -> list[str]:
    """The command line of ``meterbook`` in this very environment."""
    return [str(Path(sys.executable).with_name("meterbook")), *arguments]


def run(command: Sequence[str]) -> str:
    """Standard output of a command. Raises DemoFailed with what it said where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DemoFailed(f"{' '.join(command)} exited with {done.returncode}: {done.stderr}{done.stdout}")
    return done.stdout
