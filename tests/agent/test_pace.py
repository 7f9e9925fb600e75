"""Sources of one entry of the configuration may have intervals of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.roster import Roster
from agent.rules import TagsConfig, ready
from agent.runner import Lane
from agent.schedule import Schedule
from agent.selfmetrics import SelfMetrics
from agent.spool import Spool
from agent.tagger import Tagger
from collector.base import Collector, Fixed, SourceConfig, interval_s_of
from collector.readings import Checkpoint, Readings, Window
from tests.fakes.source import FakeConfig, ScriptedCollector, complete


class Slow(ScriptedCollector):
    """A collector with an interval of its own."""

    interval_s = 300.0


class Noting(Schedule):
    """Notes how often lanes are to tick."""

    def __init__(self) -> None:
        super().__init__(4)
        self.intervals_s: dict[str, float] = {}

    def add(self, lane: Lane, interval_s: float) -> None:
        self.intervals_s[lane.source] = interval_s


def answer(window: Window, checkpoint: Checkpoint) -> Readings:
    return Readings((complete("any", window),))


def test_a_source_ticks_at_its_own_interval_or_at_that_of_its_entry(tmp_path: Path) -> None:
    collectors = [ScriptedCollector(answer, source="plain"), Slow(answer, source="slow")]
    config = FakeConfig(kind="fake", interval_s=15)
    schedule = Noting()
    spool = Spool(tmp_path / "spool", agent="edge-1", bytes_max=1 << 30)

    def lane(collector: Collector, config: SourceConfig) -> Lane:
        return Lane(
            collector, interval_us=1_000_000, tagger=Tagger(ready(TagsConfig())), spool=spool, metrics=SelfMetrics()
        )

    roster = Roster([(Fixed(*collectors), config)], schedule, lane, spool.forget)
    roster.update()
    assert schedule.intervals_s == {"plain": 15.0, "slow": 300.0}
    roster.close()
    spool.close()


def test_the_interval_of_a_source() -> None:
    config = FakeConfig(kind="fake", interval_s=15)
    assert interval_s_of(ScriptedCollector(answer, source="plain"), config) == pytest.approx(15)
    assert interval_s_of(Slow(answer, source="slow"), config) == pytest.approx(300)
