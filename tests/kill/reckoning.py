"""The end: everything that was made is waited for, and then the ledger is held to the client's count.

Waited for is what the programs themselves say: each source was read twice more since it fell silent, the first of which
may have begun before, and what was sealed by then is acknowledged.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from examples.demo.processes import meterbook
from tests.kill.asker import ask, back_up
from tests.kill.programs import Failed, Meterbook, wait_for
from tests.kill.tally import Quantities, Tally, differences
from tests.kill.world import World, ledger
from tests.servers.process import free_ports

#: How long the tables may be behind what was acknowledged.
TABLES_S = 60.0
_PREFIX = "meterbook_agent_"


@dataclass
class Verdict:
    """What was found; ``differs`` has a sentence for each thing that is not as it has to be."""

    differs: list[str] = field(default_factory=list)
    #: The ledger's count of events, and of those that agents brought, duplicates included.
    events_metered: int = 0
    events_brought: int = 0
    verified: list[str] = field(default_factory=list)


def drain(world: World) -> None:
    """Wait until the ledger holds everything that the sources show now. Raises Failed."""
    before = {agent.name: _collections(world, agent) for agent in world.agents}
    for agent in world.agents:
        wait_for(
            f"{agent.name} has read its sources",
            lambda agent=agent: all(  # type: ignore[misc]
                now >= then + 2 for now, then in zip(_collections(world, agent), before[agent.name], strict=True)
            ),
        )
        sealed = agent.metrics()[f"{_PREFIX}sealed_sequence"]
        wait_for(
            f"all of {agent.name} is acknowledged, up to sequence {sealed:g}",
            lambda agent=agent, sealed=sealed: agent.metrics()[f"{_PREFIX}acknowledged_sequence"] >= sealed,  # type: ignore[misc]
        )


def judge(world: World, tally: Tally) -> Verdict:
    """Hold every ledger to the count, verify its book, and do the same with what is restored from a backup."""
    verdict = Verdict()
    for each, port in zip(world.ledgers, world.ledger_ports, strict=True):
        _judge_ledger(world, each.name, port, tally, verdict)
    chains = ask(world, "agents")["rows"]
    verdict.events_brought = sum(int(row["events"]) for row in chains)
    names = sorted(row["agent"] for row in chains)
    if names != sorted(agent.name for agent in world.agents):
        verdict.differs.append(f"there has to be one chain of each agent, and there are chains of {names}")
    for letter in ask(world, "dead-letters")["rows"]:
        verdict.differs.append(f"a dead letter: {letter}")
    if world.book is not None:
        _judge_restored(world, world.book, tally, verdict)
    return verdict


def compare(world: World, tally: Tally, port: int = 0, patience_s: float = TABLES_S) -> list[str]:
    """In what a ledger and the count differ, once patience is over; nothing where they agree before that."""
    found: list[str] = []

    def agrees() -> bool:
        found[:] = differences(tally.expected(), metered(ask(world, "usage", port=port)))
        return not found

    try:
        wait_for("ledger and client agree", agrees, patience_s)
    except Failed:
        if not found:
            raise
    return found


def metered(usage: Any) -> Quantities:
    """The quantities in the answer to ``meterbook usage --json``."""
    return {(row["meter"], row["tenant"]): Decimal(row["quantity"]) for row in usage["rows"]}


def _judge_ledger(world: World, name: str, port: int, tally: Tally, verdict: Verdict) -> None:
    found = compare(world, tally, port)
    verdict.differs += [f"{name}: {each}" for each in found]
    if found:
        gaps = [gap for row in ask(world, "coverage", port=port)["rows"] for gap in row["gaps"] if gap["reason"]]
        verdict.differs += [f"{name}: a gap: {gap}" for gap in gaps if "not running" not in gap["reason"]][:20]
    quantities = metered(ask(world, "usage", port=port))
    verdict.events_metered = int(sum(quantity for (meter, _), quantity in quantities.items() if meter == "events"))
    done = _meterbook("verify", "--ledger", f"127.0.0.1:{port}")
    if done.returncode:
        verdict.differs.append(f"{name}: verify: {done.stdout}{done.stderr}")
    verdict.verified.append(f"{name}: {done.stdout.strip()}")


def _judge_restored(world: World, book: Path, tally: Tally, verdict: Verdict) -> None:
    """The backup that was made and continued under fire, brought up to date and restored to a ledger of its own."""
    backup, restored = world.directory / "backup", world.directory / "restored"
    for command in (
        back_up(book, backup),
        ["ledger", "restore", "--from", str(backup), "--store", str(restored), "--with-keys"],
        ["verify", "--offline", str(restored)],
    ):
        done = _meterbook(*command)
        if done.returncode:
            verdict.differs.append(f"meterbook {' '.join(command)}: {done.stdout}{done.stderr}")
            return
    port, http = free_ports(2)
    with ledger(world.directory, "restored", f"file:{restored}", port, http) as another:
        wait_for("the restored ledger works", another.works)
        _judge_ledger(world, another.name, port, tally, verdict)


def _collections(world: World, agent: Meterbook) -> list[float]:
    """How often each source of an agent was read completely since the agent began."""
    metrics = agent.metrics()
    return [
        metrics.get(f'{_PREFIX}collections_total{{source="{source}",status="complete"}}', 0.0)
        for source in world.sources[agent.name]
    ]


def _meterbook(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(meterbook(*arguments), capture_output=True, text=True, check=False)
