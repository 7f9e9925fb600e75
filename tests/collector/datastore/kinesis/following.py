"""An agent in miniature over a stream: lanes that tick, a store that keeps what they give, and death at any moment.

Time is the stream's: waiting moves it on. What is stored is looked at as the agent does before it seals a batch.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from agent.inspection import inspect
from collector.base import Collector
from collector.datastore.kinesis.collector import MakeReader
from collector.datastore.kinesis.config import KinesisConfig
from collector.datastore.kinesis.plugin import reader_of
from collector.datastore.kinesis.sources import KinesisSources
from collector.datastore.kinesis.stream import Stream
from collector.readings import Checkpoint, Coverage, DeadLetter, Readings, Window

BEGIN_S = 1_767_225_600.0
INTERVAL_S = 15.0
ROUNDS_MAX = 400


def event(identity: str) -> bytes:
    """A line without its end."""
    return json.dumps({"id": identity, "source": "/api", "type": "request", "time": "2026-01-01T00:00:00Z"}).encode()


def zipped(*identities: str) -> bytes:
    """Lines in gzip."""
    return gzip.compress(b"\n".join(map(event, identities)))


class Time:
    """Seconds since the epoch that pass when somebody waits."""

    def __init__(self) -> None:
        self.now_s = BEGIN_S

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


class Agent:
    """What is stored survives; everything else dies with ``restart``."""

    def __init__(self, address: str, time: Time, *, asks: Stream | None = None, **given: Any) -> None:
        """All lives of the agent ask by the same: it remembers nothing, and opening one takes its time."""
        settings = {"stream": "usage", "region": "eu-central-1", "interval_s": INTERVAL_S, **given}
        account = {"endpoint": f"http://{address}", "attempts_max": 1}
        self.config = KinesisConfig.model_validate({"account": account, **settings})
        self.time, self.asks = time, asks if asks is not None else Stream(self.config)
        self.reader: MakeReader = reader_of(self.config)
        self.checkpoints: dict[str, Checkpoint] = {}
        self.ends_us: dict[str, int] = {}
        self.events: list[tuple[str, str]] = []
        self.letters: list[DeadLetter] = []
        self.coverage: list[Coverage] = []
        self.behind_s: dict[str, float] = {}
        self.sources = self._opened()
        self.lanes: dict[str, Collector] = {}

    def _opened(self) -> KinesisSources:
        return KinesisSources(
            self.config,
            self.reader,
            stream=self.asks,
            clock=self.time,
            sleep=self.time.sleep,
        )

    @property
    def now_us(self) -> int:
        return round(self.time.now_s * 1_000_000)

    @property
    def found(self) -> Counter[str]:
        """How often each event is stored."""
        return Counter(identity for _, identity in self.events)

    def restart(self) -> None:
        self.close()
        self.sources, self.lanes = self._opened(), {}

    def close(self) -> None:
        for lane in self.lanes.values():
            lane.close()
        self.sources.close()

    def tick(self, *, stores: Callable[[], bool] = lambda: True) -> bool:
        """One round of all lanes; ends early, as by death, where something is not stored. Gives whether all was."""
        self.update()
        for source in list(self.lanes):
            for _ in range(ROUNDS_MAX):
                readings = self.collect(source)
                if not stores():
                    return False
                self.store(source, readings)
                if not readings.more:
                    break
            else:
                raise AssertionError(f"{source} never came to an end")
        self.update()
        return True

    def update(self) -> None:
        """Lanes for the sources that there are; of those that are gone, nothing is kept."""
        current = {each.source: each for each in self.sources.current()}
        for source in self.lanes.keys() - current.keys():
            self.lanes.pop(source).close()
            self.checkpoints.pop(source), self.ends_us.pop(source)
        for source, lane in current.items():
            assert self.lanes.setdefault(source, lane) is lane, "a source that stays is the same object"
            self.ends_us.setdefault(source, self.now_us)
            self.checkpoints.setdefault(source, {})

    def collect(self, source: str) -> Readings:
        """One collection, not stored."""
        self.time.sleep(0.001)
        window = Window(self.ends_us[source], self.now_us)
        readings = self.lanes[source].collect(window, self.checkpoints[source])
        inspect(readings, window, catches_up=self.lanes[source].catches_up)
        return readings

    def store(self, source: str, readings: Readings) -> None:
        self.checkpoints[source] = json.loads(json.dumps(readings.checkpoint))
        self.ends_us[source] = max(self.ends_us[source], *(record.end_us for record in readings.coverage))
        self.events += [(source, identity) for identity in readings.events["id"].to_pylist()]
        self.letters += readings.dead_letters
        self.coverage += readings.coverage
        for value in readings.samples["value"].to_pylist():
            self.behind_s[source] = value

    def settle(self, rounds: int = 8) -> None:
        """Some quiet rounds."""
        for _ in range(rounds):
            self.time.sleep(INTERVAL_S)
            self.tick()

    def told(self, status: str) -> list[Coverage]:
        """The coverage with a status."""
        return [record for record in self.coverage if record.status == status]
