"""Sources that come and go while an agent runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest

from agent.roster import Roster
from agent.rules import TagsConfig, ready
from agent.runner import Lane
from agent.schedule import Schedule
from agent.selfmetrics import SelfMetrics
from agent.spool import Spool
from agent.spool.sealing import unsealed
from agent.tagger import Tagger
from collector.base import Collector, SourceConfig
from collector.definitions import Known
from collector.readings import Checkpoint, Coverage, Readings, Window, sample_table
from meterbook.wire.sections import STALE, is_stale
from tests.fakes.source import FakeConfig, ScriptedCollector, complete, counter


class Changing:
    """Sources as the test says."""

    def __init__(self, *names: str) -> None:
        self.collectors = {name: self.collector(name) for name in names}
        self.is_closed = False

    def collector(self, name: str) -> ScriptedCollector:
        def answer(window: Window, checkpoint: Checkpoint) -> Readings:
            return Readings((complete(name, window),), checkpoint={"n": 1})

        return ScriptedCollector(answer, source=name)

    def current(self) -> list[Collector]:
        return list(self.collectors.values())

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "spool", agent="edge-1", bytes_max=1 << 30)
    yield made
    made.close()


def roster_of(
    spool: Spool,
    *entries: Changing,
    elsewhere: Callable[[Collection[str]], Collection[str]] = lambda _: (),
    metrics: SelfMetrics | None = None,
) -> Roster:
    def lane(collector: Collector, config: SourceConfig) -> Lane:
        tagger = Tagger(ready(TagsConfig()))
        return Lane(collector, interval_us=1_000_000, tagger=tagger, spool=spool, metrics=metrics or SelfMetrics())

    config = FakeConfig(kind="fake")
    return Roster([(each, config) for each in entries], Schedule(4), lane, spool.forget, elsewhere)


def names(roster: Roster) -> list[str]:
    return [lane.source for lane in roster.lanes]


def test_sources_come_and_go(spool: Spool) -> None:
    found = Changing("a", "b")
    roster = roster_of(spool, found)
    roster.update()
    assert names(roster) == ["a", "b"]
    lanes = roster.lanes
    gone = found.collectors.pop("a")
    found.collectors["c"] = found.collector("c")
    roster.update()
    assert names(roster) == ["b", "c"]
    assert roster.lanes[0] is lanes[1]
    assert gone.is_closed
    roster.close()
    assert found.is_closed
    assert all(each.is_closed for each in found.collectors.values())


def test_a_source_that_comes_back_is_new(spool: Spool) -> None:
    """Nobody expects that it was watched while it was not there."""
    found = Changing("a")
    roster = roster_of(spool, found)
    roster.update()
    roster.lanes[0].tick()
    assert spool.begin("a", 0).checkpoint == {"n": 1}
    found.collectors.clear()
    roster.update()
    found.collectors["a"] = found.collector("a")
    roster.update()
    assert spool.begin("a", 0).checkpoint == {}
    roster.close()


def test_a_collector_is_closed_when_its_collection_is_over(spool: Spool) -> None:
    found = Changing("a")
    roster = roster_of(spool, found)
    roster.update()
    lane, collector = roster.lanes[0], found.collectors.pop("a")
    with lane._busy:
        roster.update()
        assert not collector.is_closed
    roster.update()
    assert collector.is_closed
    roster.close()


def test_a_source_is_read_once(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    one, two = Changing("a"), Changing("a", "b")
    roster = roster_of(spool, one, two)
    roster.update()
    roster.update()
    assert names(roster) == ["a", "b"]
    assert [record.message for record in caplog.records] == ["two entries find the source a: the second is not read"]
    roster.close()


def test_what_is_gone_has_a_last_word(spool: Spool) -> None:
    found = Changing("a", "b")
    series = counter("calls_total", source="a")

    def last_word(time_us: int) -> Readings:
        table = sample_table([series.series_id], [time_us], [STALE])
        return Readings((), Known.by([series]), samples=table)

    def broken(time_us: int) -> Readings:
        raise ValueError("no idea")

    found.collectors["a"].last_word, found.collectors["b"].last_word = last_word, broken
    roster = roster_of(spool, found)
    roster.update()
    found.collectors.clear()
    roster.update()
    assert names(roster) == []
    (batch,) = spool.after(0, 10)
    content = unsealed(batch)
    assert is_stale(content.samples["value"].to_numpy()).tolist() == [True]
    assert content.series["metric"].to_pylist() == ["calls_total"]
    assert content.coverage.num_rows == 0
    roster.close()


def test_a_source_that_is_another_one_now_begins_when_the_first_has_ended(spool: Spool) -> None:
    found = Changing("a")
    roster = roster_of(spool, found)
    roster.update()
    roster.lanes[0].tick()
    lane, old = roster.lanes[0], found.collectors["a"]
    found.collectors["a"] = found.collector("a")
    with lane._busy:
        roster.update()
        assert names(roster) == [] and not old.is_closed
    roster.update()
    assert names(roster) == ["a"] and old.is_closed
    assert roster.lanes[0] is not lane
    # It is the same source: what is known of its progress stays.
    assert spool.begin("a", 0).checkpoint == {"n": 1}
    roster.close()


def test_what_another_agent_reads_is_left_to_it(spool: Spool) -> None:
    found, taken, asked = Changing("a", "b", "c"), set[str](), list[list[str]]()
    for name in ("a", "b"):
        found.collectors[name].lease = f"{name}#1"

    def elsewhere(sources: Collection[str]) -> Collection[str]:
        asked.append(sorted(sources))
        return taken.intersection(sources)

    roster = roster_of(spool, found, elsewhere=elsewhere)
    roster.update()
    assert names(roster) == ["a", "b", "c"] and asked == [["a#1", "b#1"]]
    roster.lanes[0].tick()
    series = counter("calls_total", source="a")

    def ended(time_us: int) -> Readings:
        return Readings((), Known.by([series]), samples=sample_table([series.series_id], [time_us], [STALE]))

    found.collectors["a"].last_word = ended
    taken |= {"a#1"}
    roster.update()
    # It goes on elsewhere: nothing has ended, and nobody expects that it is watched here.
    assert names(roster) == ["b", "c"]
    assert spool.begin("a", 0).checkpoint == {} and len(spool.after(0, 10)) == 1
    assert not found.collectors["a"].is_closed
    taken.clear()
    roster.update()
    assert names(roster) == ["b", "c", "a"]
    taken |= {"a#1", "b#1"}
    roster.update()
    gone, stays = found.collectors.pop("a"), found.collectors["b"]
    roster.update()
    assert gone.is_closed and not stays.is_closed
    roster.close()
    assert stays.is_closed


def test_what_cannot_be_read_here_is_left_to_whoever_can(spool: Spool) -> None:
    found, asked = Changing("a"), list[list[str]]()
    collector = found.collectors["a"]
    collector.lease = "a#1"
    well = collector.answer

    def fails(window: Window, checkpoint: Checkpoint) -> Readings:
        return Readings((Coverage("a", window.start_us, window.end_us, "failed", "no way there"),))

    def elsewhere(leases: Collection[str]) -> Collection[str]:
        asked.append(sorted(leases))
        return ()

    roster = roster_of(spool, found, elsewhere=elsewhere)
    for answer, ticks, expected in ((well, 1, ["a#1"]), (fails, 2, ["a#1"]), (fails, 1, []), (well, 1, ["a#1"])):
        roster.update()
        collector.answer = answer
        for _ in range(ticks):
            roster.lanes[0].tick()
        roster.update()
        assert asked[-1] == expected
    roster.close()


def test_a_lease_that_comes_back_while_its_lane_is_busy(spool: Spool) -> None:
    found, taken = Changing("a"), set[str]()
    collector = found.collectors["a"]
    collector.lease = "a#1"
    collector.last_word = lambda _: pytest.fail("nothing has ended")
    roster = roster_of(spool, found, elsewhere=taken.intersection)
    roster.update()
    lane = roster.lanes[0]
    with lane._busy:
        taken |= {"a#1"}
        roster.update()
        taken.clear()
        roster.update()
    roster.update()
    assert names(roster) == ["a"] and not collector.is_closed
    assert roster.lanes[0] is not lane
    roster.close()


def counted(metrics: SelfMetrics) -> set[str]:
    """The sources of which something is shown."""
    samples = (sample for family in metrics.registry.collect() for sample in family.samples)
    return {sample.labels["source"] for sample in samples if "source" in sample.labels}


def test_the_counters_of_what_is_gone_go_a_while_later(spool: Spool) -> None:
    now_s = 0.0
    metrics, found = SelfMetrics(lambda: now_s), Changing("stays")
    roster = roster_of(spool, found, metrics=metrics)
    for generation in range(12):
        found.collectors = {"stays": found.collectors["stays"]}
        found.collectors |= {f"{generation}/{each}": found.collector(f"{generation}/{each}") for each in range(5)}
        roster.update()
        for lane in roster.lanes:
            lane.tick()
            lane.passed(1)
        now_s += 60
    # Of what was read within the last minutes the last can still be seen, also of what ended since.
    metrics.sweep()
    assert counted(metrics) == {"stays"} | {f"{generation}/{each}" for generation in range(2, 12) for each in range(5)}
    found.collectors = {"stays": found.collectors["stays"]}
    roster.update()
    now_s += 600
    metrics.sweep()
    assert counted(metrics) == {"stays"}
    roster.close()


def test_counters_go_on_where_a_source_is_back_before_they_are_gone(spool: Spool) -> None:
    now_s, taken = 0.0, set[str]()
    metrics, found = SelfMetrics(lambda: now_s), Changing("a")
    found.collectors["a"].lease = "a#1"
    roster = roster_of(spool, found, metrics=metrics, elsewhere=taken.intersection)

    def collections() -> float | None:
        labels = {"source": "a", "status": "complete"}
        return metrics.registry.get_sample_value("meterbook_agent_collections_total", labels)

    for leases, wait_s, expected in (((), 0, 1), (("a#1",), 599, 1), ((), 900, 2), (("a#1",), 600, None), ((), 0, 1)):
        taken.clear()
        taken.update(leases)
        roster.update()
        for lane in roster.lanes:
            lane.tick()
        now_s += wait_s
        metrics.sweep()
        assert collections() == expected
    # What an agent read goes with it, unless the next one reads it too, as after a new configuration.
    roster.close()
    now_s += 600
    metrics.sweep()
    assert counted(metrics) == set()
