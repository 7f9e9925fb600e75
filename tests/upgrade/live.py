"""An earlier build beside today's, as real processes: each pair, an upgrade while everything runs, and the way back.

Every story ends with what a customer counted itself, which both builds have to give to the unit, and with a book that both verify.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

from tests.upgrade.builds import Build
from tests.upgrade.fleet import Differs, Fleet, fleet

#: How long the customer works between two changes.
WORK_S = 4.0

Story = Callable[[Path, Build, Build], None]


def old_agent_new_ledger(directory: Path, old: Build, new: Build) -> None:
    """The order of an upgrade: ledgers first."""
    with fleet(directory, new, old, (old, new)) as found:
        time.sleep(WORK_S)
        found.settle("an old agent sends to a new ledger")
        _verified(found)


def new_agent_old_ledger(directory: Path, old: Build, new: Build) -> None:
    """Not the order that is asked for, and yet what happens where somebody else runs the ledger."""
    with fleet(directory, old, new, (old, new)) as found:
        time.sleep(WORK_S)
        found.settle("a new agent sends to an old ledger")
        _verified(found)


def rolling(directory: Path, old: Build, new: Build) -> None:
    """The ledger is upgraded and rolled back under a running agent, then the agent with its spool full."""
    with fleet(directory, old, old, (old, new)) as found:
        time.sleep(WORK_S)
        found.settle("old agent, old ledger")
        for build, what in (
            (new, "the ledger is upgraded"),
            (old, "the ledger is rolled back"),
            (new, "and upgraded again"),
        ):
            found.ledger.become(build)
            time.sleep(WORK_S)
            found.settle(f"{what} under a running agent")
            _verified(found)
        for build, what in ((new, "upgraded"), (old, "rolled back"), (new, "upgraded again")):
            found.fill()
            found.agent.stop()
            # It opens what the other build has written, and is ready only once a ledger takes it.
            found.agent.build = build
            found.agent.start()
            found.ledger.become(found.ledger.build)
            if build is old and not old.is_release and (told := _strict_checkpoints(found)):
                print(
                    f"  the agent is {what} with its spool full: allowed before the first release, {told}", flush=True
                )
                continue
            found.settle(f"the agent is {what} with its spool full")
        _verified(found)


def invoices(directory: Path, old: Build, new: Build) -> None:
    """What an old ledger finalized, a new one shows and proves to the byte, and an old one again what the new one made of the store."""
    with fleet(directory, old, old, (old, new)) as found:
        definitions = directory / "bills.yaml"
        definitions.write_text(BILLS)
        found.told(old, "apply", "-f", str(definitions), "--author", "upgrade")
        found.told(old, "invoice", "finalize", "--author", "upgrade")
        before = _shown(found, old)
        found.ledger.become(new)
        _same(before, _shown(found, new), "the new ledger, as the new build asks")
        _same(before, _shown(found, old), "the new ledger, as the old build asks")
        found.ledger.become(old)
        _same(before, _shown(found, old), "the old ledger on a store that a new one had")
        found.settle("the ledger is rolled back")
        _verified(found)
    print(f"  {len(before)} invoices are the same to the byte, and verify", flush=True)


STORIES: MappingProxyType[str, Story] = MappingProxyType(
    {
        "old agent, new ledger": old_agent_new_ledger,
        "new agent, old ledger": new_agent_old_ledger,
        "rolling upgrade and rollback": rolling,
        "invoices": invoices,
    }
)

BILLS = """
{kind: plan, name: team, spec: {currency: EUR, flat_fee: 10}}
---
{kind: tenant, name: acme, spec: {}}
---
{kind: subscription, name: acme-team, spec: {tenant: acme, plan: team, start: 2026-01-01, end: 2026-04-01}}
"""


def _strict_checkpoints(found: Fleet) -> str:
    """What keeps an old agent from reading on, if it is this: it refuses checkpoints that have more in them than it knows.

    Builds from before checkpoints were read leniently did. They say so with every collection and send what is in the spool; their
    sources still have the rest, and the next upgrade reads it, which the next settling proves.
    """
    said = len(found.agent.log.read_text(errors="replace"))
    # Whoever can read reads at once; the log tells within some collections.
    time.sleep(WORK_S)
    more = found.agent.log.read_text(errors="replace")[said:]
    return "its build refuses newer checkpoints" if "unexpected keyword argument" in more else ""


def _shown(found: Fleet, client: Build) -> dict[str, str]:
    """Every invoice as JSON, each verified."""
    listed = found.asked(client, "invoice", "list")["invoices"]
    if not listed:
        raise Differs("there is no invoice")
    for each in listed:
        found.told(client, "invoice", "verify", each["id"])
    return {each["id"]: found.told(client, "invoice", "show", each["id"], "--format", "json") for each in listed}


def _same(before: dict[str, str], after: dict[str, str], who: str) -> None:
    if before != after:
        raise Differs(f"{who} shows other invoices:\n{before}\n{after}")


def _verified(found: Fleet) -> None:
    for client in found.clients:
        found.told(client, "verify")
