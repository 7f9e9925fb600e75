"""Kills programs at random moments, several at a time if need be, and starts them again after a while.

It is a supervisor, too: what ends by itself is started again, as a service manager would. Only a ledger whose database or
object store is down may do that; for anything else it is a failure.
"""

from __future__ import annotations

import time
from collections import Counter
from random import Random

from tests.kill.programs import Failed, Program, wait_for
from tests.kill.world import World

RESTART_S_MAX = 3.0
RELAUNCH_S = 0.5
#: How long after the start of a service others may still suffer from its absence.
RECOVERY_S = 60.0
#: Seconds between kills, per program, and how often: some hit programs that are starting, some let them work.
_PAUSES_S = {(0.03, 0.3): 3, (0.3, 1.5): 4, (1.5, 8.0): 3}
#: How many are killed at once, and how often.
_VICTIMS = {1: 6, 2: 3, 3: 1, 99: 1}
_TICK_S = 0.02


class Reaper:
    """``kills`` counts by program; ``fell`` what ended by itself, as it may; ``struck_s`` is when questions were last disturbed."""

    def __init__(self, world: World, random: Random, *, haste: float = 1.0) -> None:
        """Pauses are divided by ``haste``."""
        self.kills: Counter[str] = Counter()
        self.fell: Counter[str] = Counter()
        self.struck_s = 0.0
        self._world, self._random, self._haste = world, random, haste
        self._due_s: dict[str, float] = {}
        self._launched_s: dict[str, float] = {}
        self._began_s = time.monotonic()

    def reap(self, seconds: float) -> None:
        """Kill for so long; in the end some programs may be down. Raises Failed."""
        self._began_s = time.monotonic()
        strike_s = self._began_s + self._pause()
        while (now_s := time.monotonic()) < self._began_s + seconds:
            if now_s >= strike_s:
                self._strike()
                strike_s = time.monotonic() + self._pause()
            self._revive()
            time.sleep(_TICK_S)

    def settle(self) -> None:
        """Kill nothing more, and wait until everything works. Raises Failed."""

        def settled() -> bool:
            self._revive()
            return not self._due_s and all(program.works() for program in self._world.programs)

        wait_for("everything works again", settled)

    def _pause(self) -> float:
        shortest_s, longest_s = self._random.choices(list(_PAUSES_S), list(_PAUSES_S.values()))[0]
        return self._random.uniform(shortest_s, longest_s) * len(self._world.programs) / self._haste

    def _strike(self) -> None:
        programs = self._world.programs
        count = self._random.choices(list(_VICTIMS), list(_VICTIMS.values()))[0]
        for program in self._random.sample(programs, min(count, len(programs))):
            wait_s = self._random.uniform(0, RESTART_S_MAX)
            if program.is_running:
                self._kill(program, wait_s)
        if self._world.forwarder is not None and self._random.random() < 0.2:
            self.struck_s = time.monotonic()
            self._tell("cut every connection to the replicas")
            self._world.forwarder.cut()

    def _kill(self, program: Program, wait_s: float) -> None:
        if program not in self._world.agents:
            self.struck_s = time.monotonic()
        program.kill()
        self.kills[program.name] += 1
        self._due_s[program.name] = time.monotonic() + wait_s
        self._tell(f"SIGKILL {program.name}, again in {wait_s:.1f} s")

    def _revive(self) -> None:
        for program in self._world.programs:
            if program.is_running:
                continue
            now_s = time.monotonic()
            due_s = self._due_s.get(program.name)
            if due_s is None:
                self._fallen(program, now_s)
            elif now_s >= due_s:
                del self._due_s[program.name]
                program.start()
                self._launched_s[program.name] = now_s

    def _fallen(self, program: Program, now_s: float) -> None:
        """It ended by itself."""
        needed = self._world.services if program in self._world.ledgers else []
        if not any(
            each.name in self._due_s or now_s - self._launched_s.get(each.name, -RECOVERY_S) < RECOVERY_S
            for each in needed
        ):
            raise Failed(f"{program.name} ended by itself; its log ends with:\n{program.last_words()}")
        self.fell[program.name] += 1
        self._due_s[program.name] = now_s + RELAUNCH_S
        self._tell(f"{program.name} ended by itself: {program.last_words().strip().splitlines()[-1]}")

    def _tell(self, what: str) -> None:
        print(f"{time.monotonic() - self._began_s:7.1f} s  {what}", flush=True)
