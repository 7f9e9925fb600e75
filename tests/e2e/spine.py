"""A ledger and an agent as real processes, driven through the real command line."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from examples.demo.processes import Program, free_ports, meterbook

PATIENCE_S = 45.0


class Spine:
    """One ledger and one agent under a directory; ``stop`` ends both."""

    def __init__(self, directory: Path, sources: list[dict[str, Any]], rules: list[dict[str, Any]]) -> None:
        self.directory = directory
        ledger, ledger_http, agent_http = free_ports(3)
        self.address = f"127.0.0.1:{ledger}"
        self.intake_url = f"127.0.0.1:{ledger_http}"
        config = {
            "agent": "e2e",
            "ledger": {"endpoint": self.address},
            "spool": {"path": str(directory / "agent.spool")},
            "http": {"listen": f"127.0.0.1:{agent_http}"},
            "tags": {"rules": rules},
            "sources": sources,
        }
        self.agent_config = directory / "agent.yaml"
        self.agent_config.write_text(yaml.safe_dump(config))
        serve = ["--store", f"file:{directory}/book", "--listen", self.address, "--http", self.intake_url]
        self.ledger = Program(
            "ledger", meterbook("ledger", "serve", *serve), directory / "ledger.log", f"http://{self.intake_url}/readyz"
        )
        self.agent = Program(
            "agent",
            meterbook("agent", "run", "--config", str(self.agent_config)),
            directory / "agent.log",
            f"http://127.0.0.1:{agent_http}/healthz",
        )

    def apply(self, *documents: dict[str, Any]) -> None:
        """Write definitions."""
        path = self.directory / "definitions.yaml"
        path.write_text(yaml.safe_dump_all(documents))
        self.ask("apply", "-f", str(path), "--author", "test")

    def ask(self, *arguments: str) -> Any:
        """The JSON answer of a command; the test fails where it does."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command, whatever comes of it."""
        command = [*meterbook(*arguments), "--ledger", self.address]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def usage(self) -> dict[tuple[str, str], str]:
        """Quantity by meter and tenant."""
        return {(row["meter"], row["tenant"]): row["quantity"] for row in self.ask("usage")["rows"]}

    def stop(self) -> None:
        """End both, the agent first, so that nothing waits for an answer."""
        self.agent.stop()
        self.ledger.stop()


def eventually(what: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """The first truthy answer, or the last one when patience is over: the assertion behind it then says what is wrong."""
    deadline = time.monotonic() + patience_s
    while not (answer := what()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return answer


def meter(name: str, aggregation: str, **source: str) -> dict[str, Any]:
    """A definition of a meter."""
    return {"kind": "meter", "name": name, "spec": {"source": source, "aggregation": aggregation, "unit": "each"}}
