"""The programs that are killed. They are launched and not waited for, so that they can be killed while they start.

``tests.servers`` knows how a server is run, killed with all of its children, and ended when the harness itself is killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import httpx

from examples.demo.processes import meterbook
from tests.servers.postgres import PostgresServer
from tests.servers.process import ServerProcess
from tests.servers.seaweed import SeaweedServer

PATIENCE_S = 300.0
_LOOK_S = 0.1
_LOG_CHARACTERS = 4_000


class Failed(Exception):
    """Something is not as it has to be; the message says what."""


class Program(ServerProcess):
    """One program; ``start`` returns at once, whether it will work or not."""

    def answers(self) -> bool:
        """Nobody waits for it."""
        return True

    def works(self) -> bool:
        """Whether it does what it is there for."""
        return super().answers()

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-_LOG_CHARACTERS:]


class Meterbook(Program):
    """A ledger or an agent. Its log outlives it."""

    def __init__(
        self, name: str, arguments: list[str], http: int, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        super().__init__()
        self.log = log
        self.environment = MappingProxyType(dict(environment or {}))
        self.http = f"http://127.0.0.1:{http}"
        self._arguments = arguments

    def command(self) -> list[str]:
        """As a user would type it."""
        return meterbook(*self._arguments)

    def works(self) -> bool:
        """Whether it is ready."""
        try:
            return httpx.get(f"{self.http}/readyz", trust_env=False, timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def metrics(self) -> dict[str, float]:
        """What it says of itself now, by name and labels. Raises httpx.HTTPError."""
        text = httpx.get(f"{self.http}/metrics", trust_env=False, timeout=30).raise_for_status().text
        lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}


class Postgres(Program, PostgresServer):
    """PostgreSQL."""


class Seaweed(Program, SeaweedServer):
    """SeaweedFS."""


def wait_for(what: str, holds: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Return as soon as it holds. Raises Failed when patience is over."""
    deadline_s = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > deadline_s:
            raise Failed(f"waited {patience_s:g} s in vain: {what}")
        time.sleep(_LOOK_S)
