"""A ledger and an agent of which each may be another build, with a customer that works meanwhile and counts.

Customer, count and reckoning are those of ``tests.kill``. Beside them stands a target with many gauges that always change: what fills
a spool of a mebibyte within seconds while there is no ledger.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from random import Random
from typing import Any

import yaml

from tests.e2e.spine import eventually
from tests.fakes.http_target import fake_target, page
from tests.kill.customer import Customer
from tests.kill.programs import Meterbook, wait_for
from tests.kill.reckoning import drain, metered
from tests.kill.run import METERS
from tests.kill.tally import Tally, differences
from tests.kill.world import INTERVAL_S, World, file_world
from tests.upgrade.builds import ENVIRONMENT, Build

AGENT = "rolling"
SPOOL_BYTES_MAX = 1 << 20
_GAUGES = 3_000


class Differs(Exception):
    """A build does not say what it has to; the message says what."""


class Versioned(Meterbook):
    """A program of one build, until it is given another."""

    def __init__(self, like: Meterbook, build: Build) -> None:
        super().__init__(like.name, like._arguments, int(like.http.rpartition(":")[2]), like.log, ENVIRONMENT)
        self.build = build

    def command(self) -> list[str]:
        """As a user of that build would type it."""
        return self.build.meterbook(*self._arguments)

    def become(self, build: Build) -> None:
        """End it where it runs, and go on as another build."""
        self.stop()
        self.build = build
        self.start()
        wait_for(f"{self.name} of {build.name} works:\n{self.last_words()}", self.works)


class Worker(Customer):
    """A customer that goes on after it has rested."""

    def go_on(self) -> None:
        """Work again."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._work, name=self.name, daemon=True)
        self._thread.start()


class Fleet:
    """What runs, and the truth that it is held to; ``clients`` are the builds that ask."""

    def __init__(self, world: World, worker: Worker, tally: Tally, clients: tuple[Build, ...]) -> None:
        self.world, self.worker, self.tally, self.clients = world, worker, tally, clients

    @property
    def ledger(self) -> Versioned:
        """The one ledger."""
        (found,) = self.world.ledgers
        assert isinstance(found, Versioned)
        return found

    @property
    def agent(self) -> Versioned:
        """The one agent."""
        (found,) = self.world.agents
        assert isinstance(found, Versioned)
        return found

    def settle(self, what: str) -> None:
        """Let the customer rest, and hold the ledger to its count to the unit, as each build asks it. Raises Differs, Failed."""
        self.worker.stop()
        drain(self.world)
        for client in self.clients:
            found = eventually(lambda client=client: not self._differs(client)) or self._differs(client)  # type: ignore[misc]
            if found is not True:
                raise Differs(f"{what}, as {client.name} asks: " + "; ".join(found))
        letters = self.asked(self.clients[0], "dead-letters")["rows"]
        if letters:
            raise Differs(f"{what}: dead letters: {letters}")
        sums: dict[str, Decimal] = {}
        for (meter, _), quantity in self.tally.expected().items():
            sums[meter] = sums.get(meter, Decimal()) + quantity
        told = ", ".join(f"{quantity} {meter}" for meter, quantity in sorted(sums.items()))
        print(f"  {what}: the customer's count to the unit ({told})", flush=True)
        self.worker.go_on()

    def asked(self, client: Build, *arguments: str) -> Any:
        """The JSON answer that a command of a build gets. Raises BuildFailed."""
        return json.loads(self.told(client, *arguments, "--json"))

    def told(self, client: Build, *arguments: str) -> str:
        """What a command of a build prints. Raises BuildFailed."""
        return client.run(*arguments, "--ledger", f"127.0.0.1:{self.world.port}")

    def fill(self) -> None:
        """Take the ledger away until the agent's spool has no room for more."""
        self.ledger.stop()
        said = len(self.agent.log.read_text(errors="replace"))
        wait_for("the spool is full", lambda: "is full" in self.agent.log.read_text(errors="replace")[said:])

    def _differs(self, client: Build) -> list[str]:
        return differences(self.tally.expected(), metered(self.asked(client, "usage")))


@contextmanager
def fleet(directory: Path, ledger: Build, agent: Build, clients: tuple[Build, ...]) -> Iterator[Fleet]:
    """A ledger and an agent that run and have read everything once, and a customer at work."""
    directory.mkdir()
    with ExitStack() as opened:
        world, tally = file_world(directory), Tally()
        opened.callback(lambda: world.close())
        world.ledgers = [Versioned(world.ledgers[0], ledger)]
        target, filler = opened.enter_context(fake_target()), opened.enter_context(fake_target())
        target.answer = lambda handler: tally.serve(AGENT, handler)
        values = Random(1)
        filler.answer = lambda handler: _gauges(values, handler)
        log = directory / "log" / "usage.log"
        log.parent.mkdir()
        worker = Worker(AGENT, log, tally, Random(2), deque(maxlen=5_000))
        world.add_agent(AGENT, log, target.address)
        world.agents = [Versioned(world.agents[0], agent)]
        _small_spool(directory / f"{AGENT}.yaml", filler.address)
        world.sources[AGENT].append(f"prometheus/filler/{filler.address}")
        world.start()
        found = Fleet(world, worker, tally, clients)
        definitions = directory / "definitions.yaml"
        definitions.write_text(yaml.safe_dump_all(METERS))
        found.told(ledger, "apply", "-f", str(definitions), "--author", "upgrade")
        # From here on every first value is in the book, and all that is added to it has to be.
        drain(world)
        worker.go_on()
        opened.callback(worker.stop)
        yield found


def _small_spool(path: Path, filler: str) -> None:
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["spool"]["bytes_max"] = SPOOL_BYTES_MAX
    config["sources"].append(
        {"kind": "prometheus", "job": "filler", "targets": [filler], "interval_s": INTERVAL_S, "timeout_s": 0.4}
    )
    path.write_text(yaml.safe_dump(config))


def _gauges(values: Random, handler: BaseHTTPRequestHandler) -> None:
    lines = "".join(f'level{{place="{place}"}} {values.random()}\n' for place in range(_GAUGES))
    page(f"# TYPE level gauge\n{lines}".encode())(handler)
