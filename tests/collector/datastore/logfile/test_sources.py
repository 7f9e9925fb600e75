"""The sources of a pattern come with their files, and go when those are gone and read to their ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.base import Collector
from collector.datastore.logfile.config import LogfileConfig
from collector.datastore.logfile.sources import PatternSources
from collector.readings import Checkpoint, Readings
from tests.collector.conftest import WINDOW
from tests.fakes.log_writer import Log


class Agent:
    """Reads all sources, as the agent does: forgets those that went, and keeps what it knows when it starts anew."""

    def __init__(self, folder: Path, pattern: str = "*/*.log", **given: Any) -> None:
        self._given = {"path": f"{folder}/{pattern}", **given}
        self.clock_s = 0.0
        self.checkpoints: dict[str, Checkpoint] = {}
        self.coverage: dict[str, tuple[str, str]] = {}
        self._collectors: dict[str, Collector] = {}
        self.start()

    def start(self) -> None:
        self.close()
        self._sources = PatternSources(LogfileConfig(**self._given), clock=lambda: self.clock_s)

    def close(self) -> None:
        for collector in self._collectors.values():
            collector.close()
        self._collectors = {}

    def current(self) -> dict[str, Collector]:
        now = {collector.source: collector for collector in self._sources.current()}
        for source in self._collectors.keys() - now.keys():
            self._collectors.pop(source).close()
            self.checkpoints.pop(source, None)
        for source, collector in now.items():
            assert self._collectors.setdefault(source, collector) is collector
        return now

    def read(self, after_s: float = 5.0) -> list[str]:
        """Some seconds later: the ids of what all sources have, each asked once, and until it has no more."""
        self.clock_s += after_s
        found: list[str] = []
        for source, collector in self.current().items():
            more = True
            while more:
                readings: Readings = collector.collect(WINDOW, self.checkpoints.get(source, {}))
                found += readings.events["id"].to_pylist()
                self.checkpoints[source], more = readings.checkpoint, readings.more
                self.coverage[source] = (readings.coverage[0].status, readings.coverage[0].reason)
        return found

    @property
    def names(self) -> set[str]:
        return set(self._collectors)


@pytest.fixture
def agents() -> Iterator[list[Agent]]:
    made: list[Agent] = []
    yield made
    for agent in made:
        agent.close()


def log(folder: Path, name: str) -> Log:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    return Log(folder / name)


def test_files_come_and_stay_the_same_source(tmp_path: Path, agents: list[Agent]) -> None:
    one, two = log(tmp_path, "a/0.log"), log(tmp_path, "b/0.log")
    one.write("1")
    agents.append(agent := Agent(tmp_path))
    assert agent.read() == ["1"]
    assert agent.names == {f"logfile/{tmp_path}/*/*.log", f"logfile/{one.path}"}
    before = agent.current()
    one.write("2")
    two.write("3")
    assert sorted(agent.read()) == ["2", "3"]
    after = agent.current()
    assert all(after[source] is collector for source, collector in before.items())
    assert set(agent.coverage.values()) == {("complete", "")}


@pytest.mark.parametrize("start_at", ["oldest", "beginning", "end"])
def test_where_reading_begins(tmp_path: Path, agents: list[Agent], start_at: str) -> None:
    one = log(tmp_path, "a/0.log")
    one.write("old")
    one.rotate()
    one.write("1")
    agents.append(agent := Agent(tmp_path, start_at=start_at))
    assert agent.read() + agent.read() == {"oldest": ["old", "1"], "beginning": ["1"], "end": []}[start_at]
    one.write("2")
    log(tmp_path, "b/0.log").write("3")
    assert sorted(agent.read() + agent.read()) == ["2", "3"]
    # What comes while no agent runs is new as well.
    log(tmp_path, "c/0.log").write("4")
    one.write("5")
    agent.start()
    assert sorted(agent.read() + agent.read()) == ["4", "5"]


def test_nothing_is_begun_before_it_is_stored_where(tmp_path: Path, agents: list[Agent]) -> None:
    one = log(tmp_path, "a/0.log")
    one.write("1")
    agents.append(agent := Agent(tmp_path, start_at="end"))
    (listing,) = agent.current().values()
    first = listing.collect(WINDOW, {})
    assert first.more
    assert list(agent.current()) == [listing.source]
    assert not listing.collect(WINDOW, first.checkpoint).more
    assert len(agent.current()) == 2


def test_a_file_that_goes_is_read_to_its_end_first(tmp_path: Path, agents: list[Agent]) -> None:
    one = log(tmp_path, "a/0.log")
    one.write("1")
    agents.append(agent := Agent(tmp_path, linger_s=60.0))
    assert agent.read() == ["1"]
    one.write("2")
    one.path.unlink()
    one.path.parent.rmdir()
    agent.clock_s += 600.0
    assert agent.read() == ["2"]
    assert agent.coverage[f"logfile/{one.path}"] == ("complete", "")
    agent.read()
    agent.read(61.0)
    agent.current()
    assert agent.names == {f"logfile/{tmp_path}/*/*.log"}
    assert list(agent.checkpoints) == [f"logfile/{tmp_path}/*/*.log"]
    agent.read()
    assert agent.checkpoints[f"logfile/{tmp_path}/*/*.log"] == {"files": {}}
    log(tmp_path, "a/0.log").write("3")
    assert agent.read() == ["3"]


def test_what_is_not_stored_keeps_its_source(tmp_path: Path, agents: list[Agent]) -> None:
    one = log(tmp_path, "a/0.log")
    one.write("1")
    agents.append(agent := Agent(tmp_path, linger_s=0.0))
    agent.read()
    one.write("2")
    one.path.unlink()
    source = f"logfile/{one.path}"
    for _ in range(5):
        readings = agent.current()[source].collect(WINDOW, agent.checkpoints[source])
        assert readings.events["id"].to_pylist() == ["2"]
    agent.read()
    agent.read()
    assert source not in agent.current()


def test_a_file_that_is_renamed_stays_one_source(tmp_path: Path, agents: list[Agent]) -> None:
    one = log(tmp_path, "a/x.log")
    one.write("1")
    agents.append(agent := Agent(tmp_path, "*/x.log*"))
    assert agent.read() == ["1"]
    one.write("2")
    one.rotate()
    assert agent.read() + agent.read() + agent.read() == ["2"]
    assert f"logfile/{one.path}" in agent.current()
    one.write("3")
    assert agent.read(40.0) == ["3"]
    assert agent.names == {f"logfile/{tmp_path}/*/x.log*", f"logfile/{one.path}"}


def test_what_went_while_no_agent_ran_is_told(tmp_path: Path, agents: list[Agent]) -> None:
    one, two = log(tmp_path, "a/0.log"), log(tmp_path, "b/0.log")
    one.write("1")
    two.write("2")
    agents.append(agent := Agent(tmp_path))
    agent.read()
    agent.read()
    two.write("3")
    two.rotate()
    one.path.unlink()
    agent.start()
    assert agent.read() + agent.read() == ["3"]
    assert f"logfile/{one.path}" in agent.names
    agent.start()
    lost = agent.checkpoints[f"logfile/{one.path}"]
    assert lost["files"][0]["gone"]
    for _ in range(3):
        agent.read(61.0)
    assert f"logfile/{one.path}" not in agent.names


def test_too_many_files_are_told(tmp_path: Path, agents: list[Agent]) -> None:
    for number in range(5):
        log(tmp_path, f"{number}/0.log").write(str(number))
    agents.append(agent := Agent(tmp_path, files_max=3, linger_s=0.0))
    listing = f"logfile/{tmp_path}/*/*.log"
    assert agent.read() == ["0", "1", "2"]
    reason = f"2 files of {tmp_path}/*/*.log are not read, {tmp_path}/3/0.log among them: files_max is 3"
    assert agent.coverage[listing] == ("partial", reason)
    (tmp_path / "1/0.log").unlink()
    assert [name for _ in range(4) for name in agent.read()] == ["3"]
    assert "1 files of" in agent.coverage[listing][1]
    (tmp_path / "4/0.log").unlink()
    agent.read()
    assert agent.coverage[listing] == ("complete", "")


def test_a_folder_that_is_not_there_fails(tmp_path: Path, agents: list[Agent]) -> None:
    agents.append(agent := Agent(tmp_path / "none"))
    agent.read()
    assert agent.coverage == {
        f"logfile/{tmp_path}/none/*/*.log": ("failed", f"{tmp_path}/none cannot be listed: No such file or directory")
    }


def test_a_name_stands_before_the_paths(tmp_path: Path, agents: list[Agent]) -> None:
    log(tmp_path, "a/0.log").write("1")
    agents.append(agent := Agent(tmp_path, name="web-1"))
    assert agent.read() == ["1"]
    assert agent.names == {f"web-1/{tmp_path}/*/*.log", f"web-1/{tmp_path}/a/0.log"}


def test_settings() -> None:
    with pytest.raises(ValueError, match=r"exclude takes files from a pattern, but /var/log/x.log is none"):
        LogfileConfig(path=Path("/var/log/x.log"), exclude=("*.gz",))
    with pytest.raises(ValueError, match=r"has \*\*: name each folder"):
        LogfileConfig(path=Path("/var/log/**/x.log"))
