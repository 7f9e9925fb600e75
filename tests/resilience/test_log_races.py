"""A log is written and rotated by a process of its own, as fast as that goes, while another reads it, forgets collections and starts anew.

What the folder shows is then seldom of one moment: a file is renamed, copied or compressed between two looks at it. Each line is in the
book once nonetheless, also where it has no id and is known by its place alone.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Any

import pytest

from collector.datastore.logfile.collector import LogfileCollector
from collector.datastore.logfile.config import LogfileConfig
from collector.readings import Checkpoint, Readings, Window
from meterbook.wire import instants
from meterbook.wire.instants import SECOND_US
from tests.fakes.log_writer import rotate_numbered, rotate_packed
from tests.resilience.rows import HEADER, MAPPING

pytestmark = [pytest.mark.resilience, pytest.mark.timeout(600)]

HISTORIES, HISTORY_S = 8, 6.0
WRITE_S, ROTATION_SHARE, ROTATIONS_MAX = 0.01, 0.06, 25
#: Of collections so many are forgotten, and so many are followed by a new agent.
FORGOTTEN_SHARE, RESTART_SHARE = 0.1, 0.1
LINGERS_S = 100
#: What is told of files that are read later, or whose lines are read elsewhere.
HARMLESS = ("was written just now", "are counted once")


class Written:
    """A log in the hands of the process that writes it: each line has the next number as its value."""

    def __init__(self, log: Path, random: Random, *, has_ids: bool) -> None:
        self.log, self.random, self.has_ids = log, random, has_ids
        self.number = self.rotations = 0

    def rows(self, count: int) -> None:
        """Lines without ids, after a header in each file."""
        rows = [f"{instants.text(instants.now_us())},acme,{self.number + at}\n" for at in range(1, count + 1)]
        self.number += count
        with self.log.open("a") as file:
            file.write((HEADER if file.tell() == 0 else "") + "".join(rows))

    def some(self) -> None:
        """What is written at a time."""
        self.event() if self.has_ids else self.rows(self.random.randrange(1, 60))

    def event(self) -> None:
        """A line with an id."""
        self.number += 1
        head = {"specversion": "1.0", "source": "/shop", "id": str(self.number), "type": "line", "subject": "acme"}
        event = head | {"time": instants.text(instants.now_us()), "data": {"value": self.number}}
        with self.log.open("a") as file:
            file.write(json.dumps(event) + "\n")

    def pack(self) -> None:
        if self.rotations < ROTATIONS_MAX:
            self.rotations = rotate_packed(self.log)

    def rename_or_copy(self) -> None:
        """Half of the time once more soon after, of a file that may have been seen with nothing in it."""
        for again in range(1 + self.random.randrange(2)):
            if again:
                time.sleep(self.random.uniform(0, 0.3))
                self.some()
            if self.rotations < ROTATIONS_MAX:
                self.rotations += 1
                rotate_numbered(self.log, copy=self.random.random() < 0.5)


def write(log: Path, is_packed: bool, has_ids: bool, seed: str) -> None:
    """Be that process for a while; then say how many lines there are, beside the log."""
    written = Written(log, Random(seed), has_ids=has_ids)
    end = time.monotonic() + HISTORY_S
    while time.monotonic() < end:
        time.sleep(written.random.expovariate(1 / WRITE_S))
        written.some()
        if written.random.random() < ROTATION_SHARE:
            (written.pack if is_packed else written.rename_or_copy)()
    log.touch()
    (log.parent / "written").write_text(str(written.number))


class Agent:
    """Who reads it, with what the book has then: the value of each event by its id."""

    def __init__(self, settings: dict[str, Any], random: Random) -> None:
        self._config = LogfileConfig.model_validate({"kind": "logfile", "start_at": "oldest", **settings})
        self._random = random
        self._checkpoint: Checkpoint = {}
        self._collector = LogfileCollector(self._config)
        self.book: dict[str, int] = {}
        self.said: set[str] = set()

    def collect(self, now_us: int) -> Readings:
        """Collect, and keep it."""
        readings = self._collector.collect(Window(now_us - SECOND_US, now_us), self._checkpoint)
        assert readings.dead_letters == ()
        if self._random.random() >= FORGOTTEN_SHARE:
            ids, values = readings.events["id"].to_pylist(), readings.events["value"].to_pylist()
            self.book.update({name: int(value) for name, value in zip(ids, values, strict=True)})
            (record,) = readings.coverage
            is_harmless = any(each in record.reason for each in HARMLESS)
            self.said |= {record.status} if record.status in ("lost", "partial") and not is_harmless else set()
            self._checkpoint = readings.checkpoint
        return readings

    def restart(self) -> None:
        """A new one, which has nothing but the checkpoint."""
        self._collector.close()
        self._collector = LogfileCollector(self._config)

    def run(self, writer: BaseProcess) -> None:
        """Read for as long as there is somebody who writes, and then to the end."""
        while writer.is_alive():
            self.collect(instants.now_us())
            time.sleep(self._random.uniform(0, 0.1))
            if self._random.random() < RESTART_SHARE:
                self.restart()
                time.sleep(self._random.uniform(0, 0.6))
        for _ in range(2 * ROTATIONS_MAX):
            # What was compressed just now is whole then.
            self.collect(instants.now_us() + LINGERS_S * SECOND_US)
        self._collector.close()


@pytest.fixture(
    params=[(True, False), (False, True), (False, False)],
    ids=["compressed, without ids", "renamed or copied", "renamed or copied, without ids"],
)
def played(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], tuple[Agent, int]]:
    """Plays a history of a log: the agent that read it, and how many lines were written."""
    is_packed, has_ids = request.param

    def play(seed: str) -> tuple[Agent, int]:
        log = tmp_path / seed.replace("/", "-") / "usage.log"
        log.parent.mkdir()
        log.touch()
        agent = Agent(
            {"path": str(log), **({} if has_ids else {"mapping": {**MAPPING, "type": {"const": "line"}}})},
            Random(f"{seed}/agent"),
        )
        writer = multiprocessing.get_context("spawn").Process(target=write, args=(log, is_packed, has_ids, seed))
        writer.start()
        agent.run(writer)
        writer.join()
        assert writer.exitcode == 0
        return agent, int((log.parent / "written").read_text())

    return play


def test_each_line_is_in_the_book_once(played: Callable[[str], tuple[Agent, int]]) -> None:
    seed = os.environ.get("RESILIENCE_SEED", "192")
    print(f"RESILIENCE_SEED={seed}")
    for history in range(HISTORIES):
        agent, lines = played(f"{seed}/{history}")
        counted = Counter(agent.book.values())
        assert counted == Counter(range(1, lines + 1)), (history, counted - Counter(range(1, lines + 1)))
        assert agent.said == set()
