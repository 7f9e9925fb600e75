"""Everything that runs: a book in files with one ledger, or a shared one with two replicas; and two agents.

Agents and questions reach the replicas through one address, behind which a forwarder stands. Hours are booked every second
and soon after their end, so that late events meet hours that are booked.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import yaml

from tests.kill.forwarder import Forwarder
from tests.kill.programs import Meterbook, Postgres, Program, Seaweed, wait_for
from tests.ledger.journal.shared.places import address, credentials
from tests.servers.fixtures import Bucket, Database
from tests.servers.process import free_ports

REPLICAS = 2
#: The name of each agent, and how often it reads, in seconds.
AGENTS = ("agent-a", "agent-b")
INTERVAL_S = 0.5
RULES = [{"from": "label:tenant"}, {"from": "subject"}]


@dataclass
class World:
    """What there is. ``ledger_ports`` are those of the ledgers, ``port`` is where agents and questions go."""

    directory: Path
    port: int
    ledger_ports: Sequence[int]
    ledgers: list[Meterbook]
    services: list[Program] = field(default_factory=list)
    agents: list[Meterbook] = field(default_factory=list)
    forwarder: Forwarder | None = None
    #: Of each agent, the names of its sources.
    sources: dict[str, list[str]] = field(default_factory=dict)

    @property
    def book(self) -> Path | None:
        """The store's directory, where it is one."""
        return self.directory / "book" if self.forwarder is None else None

    @property
    def programs(self) -> list[Program]:
        """All of them."""
        return [*self.services, *self.ledgers, *self.agents]

    def add_agent(self, name: str, log: Path, target: str) -> None:
        """An agent that reads a log file and a target."""
        (http,) = free_ports(1)
        sources: list[dict[str, Any]] = [
            {"kind": "logfile", "name": f"logfile/{name}", "path": str(log), "interval_s": INTERVAL_S},
            {"kind": "prometheus", "job": name, "targets": [target], "interval_s": INTERVAL_S, "timeout_s": 0.4},
        ]
        config = {
            "agent": name,
            "ledger": {"endpoint": f"127.0.0.1:{self.port}"},
            "spool": {"path": str(self.directory / f"{name}.spool")},
            "http": {"listen": f"127.0.0.1:{http}"},
            "tags": {"rules": RULES},
            "sources": sources,
        }
        path = _written(self.directory / f"{name}.yaml", config)
        arguments = ["agent", "run", "--config", str(path)]
        self.agents.append(Meterbook(name, arguments, http, self.directory / f"{name}.log"))
        self.sources[name] = [f"logfile/{name}", f"prometheus/{name}/{target}"]

    def start(self) -> None:
        """Start whatever does not run, and wait until all of it works. Raises Failed."""
        for program in self.programs:
            if not program.is_running:
                program.start()
        for program in self.programs:
            wait_for(f"{program.name} works", program.works)

    def close(self) -> None:
        """Kill everything; the logs and the book stay."""
        if self.forwarder is not None:
            self.forwarder.stop()
        for program in reversed(self.programs):
            program.close()


def file_world(directory: Path) -> World:
    """One ledger, whose book is a directory."""
    port, http = free_ports(2)
    return World(directory, port, [port], [ledger(directory, "ledger", f"file:{directory / 'book'}", port, http)])


def shared_world(directory: Path, random: Random) -> World:
    """Two replicas on PostgreSQL and SeaweedFS, which are started."""
    postgres, s3 = Postgres(), Seaweed()
    try:
        for service in (postgres, s3):
            service.start()
            wait_for(f"{service.name} works", service.works)
        name = f"kill-{uuid.uuid4().hex[:12]}"
        s3.create_bucket(name)
        database = Database(postgres, name, postgres.create_database(name))
        store = address(database, Bucket(s3, name))
    except BaseException:
        postgres.close()
        s3.close()
        raise
    ports = free_ports(2 * REPLICAS)
    ledgers = [
        ledger(directory, f"ledger-{number}", store, ports[2 * number], ports[2 * number + 1], credentials(s3))
        for number in range(REPLICAS)
    ]
    forwarder = Forwarder(ports[::2], random)
    forwarder.start()
    return World(directory, forwarder.port, ports[::2], ledgers, [postgres, s3], forwarder=forwarder)


def ledger(
    directory: Path, name: str, store: str, port: int, http: int, environment: Mapping[str, str] | None = None
) -> Meterbook:
    """A ledger that books often; replicas sign with one key."""
    config: dict[str, Any] = {
        "store": store,
        "listen": f"127.0.0.1:{port}",
        "http": f"127.0.0.1:{http}",
        "metering": {"every_s": 1, "lateness_s": 1},
        "proof": {"witness_every_s": 2},
    }
    if not store.startswith("file:"):
        config["proof"]["key_file"] = str(directory / "signing.key")
    path = _written(directory / f"{name}.yaml", config)
    arguments = ["ledger", "serve", "--config", str(path)]
    return Meterbook(name, arguments, http, directory / f"{name}.log", environment)


def _written(path: Path, config: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(config))
    return path
