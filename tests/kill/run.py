"""One run: everything is started, everything is killed at random while customers work, and then there is a reckoning."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

import yaml

from examples.demo.processes import meterbook, run
from tests.e2e.spine import meter
from tests.fakes.http_target import fake_target
from tests.kill.asker import Asker
from tests.kill.customer import Customer
from tests.kill.reaper import Reaper
from tests.kill.reckoning import Verdict, drain, judge
from tests.kill.tally import EVENT_TYPE, EVENTS, METRIC, VALUES, WORK, Tally
from tests.kill.world import AGENTS, World, file_world, shared_world

Store = Literal["file", "shared"]
METERS = (
    meter(EVENTS, "count", event=EVENT_TYPE),
    meter(VALUES, "sum", event=EVENT_TYPE),
    meter(WORK, "increase", metric=METRIC),
)


@dataclass
class Outcome:
    """A run that is over, with everything still running."""

    world: World
    tally: Tally
    reaper: Reaper
    asker: Asker
    customers: list[Customer]
    verdict: Verdict

    @property
    def figures(self) -> dict[str, Any]:
        """What happened, as JSON."""
        verdict = self.verdict
        return {
            "kills": dict(sorted(self.reaper.kills.items())),
            "ended_by_themselves": dict(sorted(self.reaper.fell.items())),
            "events_made": self.tally.events,
            "events_metered": verdict.events_metered,
            "duplicates_written": self.tally.duplicates,
            "duplicates_refused": verdict.events_brought - verdict.events_metered,
            "rotations": sum(customer.rotations for customer in self.customers),
            "scrapes": self.tally.scrapes,
            "asked": dict(sorted(self.asker.asked.items())),
            "asked_in_vain": dict(sorted(self.asker.refused.items())),
            "verified": verdict.verified,
            "differs": verdict.differs,
        }


@contextmanager
def survived(directory: Path, store: Store, seconds: float, seed: int, *, haste: float = 1.0) -> Iterator[Outcome]:
    """The outcome of a run; what runs ends with the block. Raises Failed where there is nothing to judge."""
    with ExitStack() as opened:
        randoms = {name: Random(f"{seed}/{name}") for name in ("reaper", "asker", "forwarder", *AGENTS)}
        world = file_world(directory) if store == "file" else shared_world(directory, randoms["forwarder"])
        opened.callback(world.close)
        tally, recent = Tally(), deque[str](maxlen=5_000)
        customers: list[Customer] = []
        for name in AGENTS:
            target = opened.enter_context(fake_target())
            target.answer = lambda handler, name=name: tally.serve(name, handler)  # type: ignore[misc]
            log = directory / name / "usage.log"
            log.parent.mkdir()
            customers.append(Customer(name, log, tally, randoms[name], recent))
            world.add_agent(name, log, target.address)
        world.start()
        _apply(world)
        # From here on every first value is in the book, and all that is added to it has to be.
        drain(world)
        reaper = Reaper(world, randoms["reaper"], haste=haste)
        asker = Asker(world, randoms["asker"], lambda: reaper.struck_s)
        workers: tuple[Asker | Customer, ...] = (asker, *customers)
        with ExitStack() as working:
            for each in workers:
                each.start()
                working.callback(each.stop)
            reaper.reap(seconds)
        reaper.settle()
        drain(world)
        for agent in world.agents:
            agent.stop()
        verdict = judge(world, tally)
        verdict.differs += asker.faults
        yield Outcome(world, tally, reaper, asker, customers, verdict)


def _apply(world: World) -> None:
    path = world.directory / "definitions.yaml"
    path.write_text(yaml.safe_dump_all(METERS))
    run(meterbook("apply", "-f", str(path), "--author", "kill", "--ledger", f"127.0.0.1:{world.port}"))
