"""A ledger and an agent as real processes that read real sources, and what the ledger says in the end.

Unlike ``tests.kill`` nothing happens here by itself: each test kills, fills, restores and replaces at moments of its own choice.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml

from examples.demo.processes import meterbook
from tests.kill import world
from tests.kill.programs import Failed, Meterbook, wait_for
from tests.servers.process import free_ports

AGENT = "edge-1"
INTERVAL_S = 0.25
RULES: list[dict[str, Any]] = [{"from": "label:tenant"}, {"from": "subject"}]
#: How long anything may take that has to happen some time.
PATIENCE_S = 120.0

Usage = dict[tuple[str, str], Decimal]


class Stage:
    """One ledger and one agent under a directory; both end with the block."""

    def __init__(
        self,
        directory: Path,
        sources: Sequence[Mapping[str, Any]],
        *,
        rules: Sequence[Mapping[str, Any]] = RULES,
        spool: Mapping[str, Any] | None = None,
        agent_command: Callable[[list[str]], list[str]] = lambda command: command,
    ) -> None:
        """``spool`` are settings of the spool; ``agent_command`` may wrap the agent's command line."""
        self.directory = directory
        self.port, self._ledger_http, agent_http = free_ports(3)
        self.book = directory / "book"
        self.ledger = self.new_ledger(self.book)
        self.spool = directory / "spool" / "agent.spool"
        config = {
            "agent": AGENT,
            "ledger": {"endpoint": f"127.0.0.1:{self.port}"},
            "spool": {"path": str(self.spool)} | dict(spool or {}),
            "http": {"listen": f"127.0.0.1:{agent_http}"},
            "tags": {"rules": list(rules)},
            "sources": list(sources),
        }
        self.config = directory / "agent.yaml"
        self.config.write_text(yaml.safe_dump(config))
        self.agent = _Wrapped(["agent", "run", "--config", str(self.config)], agent_http, directory, agent_command)

    def new_ledger(self, book: Path) -> Meterbook:
        """A ledger at the one address, over any book; it is not started."""
        return world.ledger(self.directory, f"ledger-{book.name}", f"file:{book}", self.port, self._ledger_http)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            print(f"The agent's log ends with:\n{self.agent.last_words()}\nThe ledger's:\n{self.ledger.last_words()}")
        self.agent.close()
        self.ledger.close()

    def start(self, *meters: dict[str, Any]) -> None:
        """Start both and have the meters defined. Raises Failed."""
        self.begin(self.ledger)
        self.define(*meters)
        self.begin(self.agent)

    def begin(self, program: Meterbook) -> None:
        """Start a program and wait until it works. Raises Failed, at once where it ends."""
        program.start()
        self.wait_for_work(program)

    def wait_for_work(self, program: Meterbook, patience_s: float = PATIENCE_S) -> None:
        """Wait until a program that was started works. Raises Failed, at once where it ends."""

        def works_or_is_gone() -> bool:
            return program.works() or not program.is_running

        wait_for(f"{program.name} works", works_or_is_gone, patience_s)
        if not program.is_running:
            raise Failed(f"{program.name} ended by itself:\n{program.last_words()}")

    def define(self, *meters: dict[str, Any]) -> None:
        """Write definitions into the book that is served."""
        path = self.directory / "definitions.yaml"
        path.write_text(yaml.safe_dump_all(meters))
        self.tell("apply", "-f", str(path), "--author", "test", "--ledger", f"127.0.0.1:{self.port}")

    def tell(self, *arguments: str) -> str:
        """What a command prints; the test fails where it does."""
        done = subprocess.run(meterbook(*arguments), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"meterbook {' '.join(arguments)}: {done.stderr}{done.stdout}"
        return done.stdout

    def ask(self, *arguments: str) -> Any:
        """The JSON answer of a question."""
        return json.loads(self.tell(*arguments, "--json", "--ledger", f"127.0.0.1:{self.port}"))

    def usage(self, *arguments: str) -> Usage:
        """Quantity by meter and tenant."""
        return {
            (row["meter"], row["tenant"]): Decimal(row["quantity"]) for row in self.ask("usage", *arguments)["rows"]
        }

    def settled_usage(self, expected: Callable[[], Usage], *arguments: str, more: Collection[str] = ()) -> Usage:
        """The usage as soon as it is what is expected, or the last that was said before patience was over.

        Of the meters in ``more`` only that part which is expected; they may have other tenants, too.
        """
        found: Usage = {}

        def agrees() -> bool:
            wanted = expected()
            found.clear()
            found.update(
                {
                    key: quantity
                    for key, quantity in self.usage(*arguments).items()
                    if key in wanted or key[0] not in more
                }
            )
            return found == wanted

        with suppress(Failed):  # what differs is told by the assertion of the test
            wait_for("ledger and truth agree", agrees, PATIENCE_S)
        return found

    def not_ready(self) -> str:
        """Why the agent says that it cannot work; "" where it can."""
        answer = httpx.get(f"{self.agent.http}/readyz", trust_env=False, timeout=10)
        return "" if answer.status_code == 200 else answer.text

    def metric(self, name: str, labels: str = "") -> float:
        """One of the agent's own metrics; 0 where it is not there."""
        return self.agent.metrics().get(f"meterbook_agent_{name}{labels}", 0.0)

    def drain(self, *sources: str) -> None:
        """Wait until each source was read twice more, and everything that was sealed by then is acknowledged."""
        before = [self._collections(source) for source in sources]
        wait_for(
            "the sources are read",
            lambda: all(self._collections(each) >= then + 2 for each, then in zip(sources, before, strict=True)),
            PATIENCE_S,
        )
        sealed = self.metric("sealed_sequence")
        wait_for("the spool is empty", lambda: self.metric("acknowledged_sequence") >= sealed, PATIENCE_S)

    def _collections(self, source: str) -> float:
        return self.metric("collections_total", f'{{source="{source}",status="complete"}}')


class _Wrapped(Meterbook):
    def __init__(
        self, arguments: list[str], http: int, directory: Path, wrapped: Callable[[list[str]], list[str]]
    ) -> None:
        super().__init__("agent", arguments, http, directory / "agent.log")
        self._wrapped = wrapped
        self.log.touch()

    def command(self) -> list[str]:
        return self._wrapped(super().command())
