"""``python -m tests.upgrade.record REV``: what the build of a commit writes, as the golden set in ``tests/data/upgrade``.

A ledger and an agent of that build run for some seconds, with a relay between them. Kept are what they said to each other, the store,
the spool with batches that no ledger had yet, the configurations, and what that build answered itself, before and after it sent those.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import click
import yaml

from tests.fakes.http_target import fake_target, page
from tests.kill.programs import wait_for
from tests.kill.reckoning import drain
from tests.kill.world import World, file_world
from tests.upgrade.builds import ENVIRONMENT, GOLDEN, Build, earlier
from tests.upgrade.fleet import Versioned
from tests.upgrade.relay import Relay, write

AGENT, TENANTS = "golden", ("acme", "globex")
_EVENTS = 40
_INTAKE = "/meterbook.intake.v1.Intake/"
DEFINITIONS = """\
{kind: meter, name: events, spec: {source: {event: usage.made}, aggregation: count, unit: each}}
---
{kind: meter, name: values, spec: {source: {event: usage.made}, aggregation: sum, unit: each}}
---
{kind: meter, name: work, spec: {source: {metric: work_total}, aggregation: increase, unit: each}}
---
kind: plan
name: team
spec:
  currency: EUR
  flat_fee: 10
  charges: [{meter: events, tiers: [{up_to: 10, unit_price: "0"}, {up_to: null, unit_price: "0.25"}]}]
---
{kind: tenant, name: acme, spec: {}}
---
{kind: tenant, name: globex, spec: {}}
---
{kind: subscription, name: acme-team, spec: {tenant: acme, plan: team, start: 2026-03-01, end: 2026-05-01}}
---
{kind: subscription, name: globex-team, spec: {tenant: globex, plan: team, start: 2026-03-01, end: 2026-05-01}}
"""
# Said with the messages of the build itself, as an agent of it would.
_OTHER_CALLS = """
import sys, grpc
from meterbook.intake.v1 import intake_pb2 as m, intake_pb2_grpc
stub = intake_pb2_grpc.IntakeStub(grpc.insecure_channel(sys.argv[1]))
if hasattr(stub, "Greet"):  # builds from before there were doctors do not greet
    stub.Greet(m.GreetRequest(agent="golden", software="meterbook"), timeout=30)
stub.Lease(m.LeaseRequest(agent="golden", sources=["prometheus/shop/a", "prometheus/shop/b"]), timeout=30)
event = m.Event(source="/record", id="1", type="usage.made", tenant="acme", time="2026-03-05T10:00:00Z", value="2.5", properties={"k": "v"})
stub.Record(m.RecordRequest(sender="recorder", events=[event]), timeout=30)
"""


class Scene:
    """The build at work in a folder."""

    def __init__(self, directory: Path, build: Build, opened: ExitStack) -> None:
        self.build, self.world = build, file_world(directory)
        self.world.ledgers = [Versioned(self.world.ledgers[0], build)]
        self.address = f"127.0.0.1:{self.world.port}"
        self.relay = Relay(self.address)
        opened.callback(self.relay.close)
        opened.callback(self.world.close)
        target = opened.enter_context(fake_target())
        target.answer = self._count
        #: What the counters stand at, and by how much each reading finds them higher.
        self.worked, self.step = 0, 7
        self.log = directory / "usage.log"
        self.log.touch()
        # Agents reach the ledger through the relay, and whoever asks does not.
        through = World(directory, self.relay.port, [], [])
        through.add_agent(AGENT, self.log, target.address)
        self.world.agents = [Versioned(through.agents[0], build)]
        self.world.sources = through.sources
        self.world.start()

    def work(self, first: int) -> None:
        """Some events of March and April, for either tenant."""
        with self.log.open("a") as file:
            for number in range(first, first + _EVENTS):
                tenant, month = TENANTS[number % 2], 3 + number % 3 // 2
                at = f"2026-{month:02}-{1 + number % 28:02}T{number % 24:02}:15:00Z"
                event = {"source": "/golden", "id": str(number), "type": "usage.made", "subject": tenant, "time": at}
                file.write(json.dumps({**event, "data": {"value": f"{number}.25"}}) + "\n")

    def asked(self, *arguments: str) -> str:
        """What a command prints."""
        return self.build.run(*arguments, "--ledger", self.address)

    def usage(self) -> dict[str, str]:
        """All quantities by meter, tenant and hour, once the tables have what was acknowledged."""
        found: dict[str, str] = {}

        def settles() -> bool:
            before = dict(found)
            found.clear()
            found.update(by_hour(json.loads(self.asked("usage", "--window", "hour", "--json"))))
            return before == found

        wait_for("usage settles", settles)
        return found

    def _count(self, handler: BaseHTTPRequestHandler) -> None:
        self.worked += self.step
        lines = "".join(f'work_total{{tenant="{tenant}"}} {self.worked}\n' for tenant in TENANTS)
        page(f"# TYPE work_total counter\n{lines}".encode())(handler)


def by_hour(answer: Any) -> dict[str, str]:
    """Quantities of an answer of ``meterbook usage --window hour --json``."""
    return {f"{row['meter']} of {row['tenant']} from {row['window']}": row["quantity"] for row in answer["rows"]}


@click.command()
@click.argument("revision")
def main(revision: str) -> None:
    """Record anew what the build of REVISION writes."""
    build = earlier(revision)
    with ExitStack() as opened:
        directory = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        scene = Scene(directory, build, opened)
        made = directory / "golden"
        made.mkdir()
        answers = _recorded(scene, directory, made)
        (made / "answers.json").write_text(
            json.dumps({"commit": build.name, **answers}, indent=1, sort_keys=True) + "\n"
        )
        _configurations(build, directory, made)
        GOLDEN.mkdir(exist_ok=True)
        for path in made.iterdir():
            shutil.copyfile(path, GOLDEN / path.name)
            click.echo(f"{path.stat().st_size:9,} {path.name}")


def _recorded(scene: Scene, directory: Path, made: Path) -> dict[str, Any]:
    (made / "definitions.yaml").write_text(DEFINITIONS)
    scene.asked("apply", "-f", str(made / "definitions.yaml"), "--author", "golden")
    drain(scene.world)
    scene.work(0)
    drain(scene.world)
    subprocess.run(
        [str(scene.build.python), "-c", _OTHER_CALLS, f"127.0.0.1:{scene.relay.port}"],
        env=dict(ENVIRONMENT),
        check=True,
    )
    scene.asked("book")
    scene.asked("invoice", "finalize", "--author", "golden")
    listed = json.loads(scene.asked("invoice", "list", "--json"))["invoices"]
    answers: dict[str, Any] = {
        "invoices": {each["id"]: scene.asked("invoice", "show", each["id"], "--format", "json") for each in listed},
        "checkpoint": scene.asked("checkpoint"),
    }
    (ledger,), (agent,) = scene.world.ledgers, scene.world.agents
    sent = len([each for each in scene.relay.calls if each.method.startswith(_INTAKE)])
    scene.step = 0
    drain(scene.world)
    answers["usage"] = scene.usage()
    ledger.stop()
    scene.step = 7
    scene.work(_EVENTS)
    before = agent.metrics()["meterbook_agent_sealed_sequence"]
    wait_for("the spool fills", lambda: agent.metrics()["meterbook_agent_sealed_sequence"] >= before + 6)
    agent.stop()
    with closing(sqlite3.connect(directory / f"{AGENT}.spool")) as spool:
        spool.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copyfile(directory / f"{AGENT}.spool", made / "agent.spool")
    with tarfile.open(made / "book.tar.xz", "w:xz") as packed:
        packed.add(directory / "book", "book")
    write(
        made / "conversation.jsonl.gz", [each for each in scene.relay.calls if each.method.startswith(_INTAKE)][:sent]
    )
    with _only_spooled(scene, directory):
        answers["usage_with_spool"] = scene.usage()
    return answers


@contextmanager
def _only_spooled(scene: Scene, directory: Path) -> Iterator[None]:
    """The pair goes on, and the agent sends what is in its spool, without reading anything more."""
    path = directory / f"{AGENT}.yaml"
    config = yaml.safe_load(path.read_text())
    config["sources"] = [{"kind": "logfile", "name": "logfile/nothing", "path": str(directory / "nothing.log")}]
    path.write_text(yaml.safe_dump(config))
    (directory / "nothing.log").touch()
    (ledger,), (agent,) = scene.world.ledgers, scene.world.agents
    ledger.start()
    agent.start()
    wait_for("the spool is sent", lambda: agent.works() and not agent.metrics()["meterbook_agent_spool_batches"])
    yield


def _configurations(build: Build, directory: Path, made: Path) -> None:
    """Those of the scene and of the build's own examples."""
    with tarfile.open(made / "configs.tar.xz", "w:xz") as packed:
        for path in (*directory.glob("*.yaml"), *(build.source / "examples").rglob("*.yaml")):
            base = directory if path.parent == directory else build.source
            packed.add(path, path.relative_to(base))


if __name__ == "__main__":
    main()
