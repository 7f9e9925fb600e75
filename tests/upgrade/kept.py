"""The golden set: what an earlier build wrote (see ``record``), unpacked for a test, and today's programs on top of it."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.kill.programs import wait_for
from tests.kill.world import ledger
from tests.servers.process import free_ports
from tests.upgrade.builds import GOLDEN, BuildFailed, today
from tests.upgrade.fleet import Versioned
from tests.upgrade.record import by_hour


def answers() -> dict[str, Any]:
    """What the earlier build answered itself."""
    found: dict[str, Any] = json.loads((GOLDEN / "answers.json").read_text(encoding="utf-8"))
    return found


def unpacked(name: str, directory: Path) -> Path:
    """A packed part of the set, in a directory that a test may change."""
    with tarfile.open(GOLDEN / name) as packed:
        packed.extractall(directory, filter="data")
    return directory


class Today:
    """Today's ledger on a store."""

    def __init__(self, program: Versioned, port: int) -> None:
        self.program, self.address = program, f"127.0.0.1:{port}"

    def asked(self, *arguments: str) -> str:
        """What today's command prints. Raises BuildFailed."""
        return today().run(*arguments, "--ledger", self.address)

    def fails(self, *arguments: str) -> str:
        """What a command says that must not go well."""
        try:
            self.asked(*arguments)
        except BuildFailed as error:
            return str(error)
        raise AssertionError(f"{arguments} went well")

    def usage(self) -> dict[str, str]:
        """Quantities by meter, tenant and hour."""
        return by_hour(json.loads(self.asked("usage", "--window", "hour", "--json")))


@contextmanager
def serving(directory: Path, book: Path) -> Iterator[Today]:
    """Today's ledger, once it works."""
    port, http = free_ports(2)
    program = Versioned(ledger(directory, "ledger", f"file:{book}", port, http), today())
    try:
        program.start()
        wait_for("the ledger works", lambda: program.works() or not program.is_running)
        assert program.is_running, program.last_words()
        yield Today(program, port)
    finally:
        program.close()
