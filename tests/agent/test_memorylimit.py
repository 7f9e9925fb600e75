"""The limit on the agent's memory: found in the files of either version of cgroups, and heeded before it is met."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from agent.memorylimit import MemoryLimit, Use, groups
from agent.selfmetrics import SelfMetrics

MIB = 1 << 20


class Machine:
    """A machine's files of cgroups."""

    def __init__(self, folder: Path, own: str) -> None:
        self.system, self.own = folder / "cgroup", folder / "own"
        self.own.write_text(own)

    def group(self, path: str, **files: str) -> None:
        folder = self.system / path
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name.replace("__", ".")).write_text(f"{text}\n")

    def uses(self) -> list[Use]:
        return [use for each in groups(self.system, self.own) if (use := each.use()) is not None]


def v2(limit: object, used: int, inactive: int = 0) -> dict[str, str]:
    stat = f"anon {used}\nfile 4096\ninactive_file {inactive}"
    return {"memory__max": str(limit), "memory__current": str(used), "memory__stat": stat}


def v1(limit: int, used: int, inactive: int = 0) -> dict[str, str]:
    stat = f"cache 4096\ninactive_file 1\ntotal_inactive_file {inactive}"
    return {"memory__limit_in_bytes": str(limit), "memory__usage_in_bytes": str(used), "memory__stat": stat}


def test_version_2_in_a_container(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "0::/\n")
    machine.group("", **v2(640 * MIB, 500 * MIB, inactive=100 * MIB))
    assert machine.uses() == [Use(400 * MIB, 640 * MIB)]


def test_version_2_with_limits_further_up(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "0::/pods.slice/pod1/agent\n")
    machine.group("pods.slice/pod1/agent", **v2("max", 10 * MIB))
    machine.group("pods.slice/pod1", **v2(100 * MIB, 20 * MIB))
    machine.group("pods.slice", **v2(1_000 * MIB, 990 * MIB))
    assert machine.uses() == [Use(20 * MIB, 100 * MIB), Use(990 * MIB, 1_000 * MIB)]


@pytest.mark.parametrize("path", ["kubepods/pod1/agent", ""])
def test_version_1_by_the_path_of_the_machine_or_of_the_container(tmp_path: Path, path: str) -> None:
    machine = Machine(tmp_path, "12:cpu,cpuacct:/kubepods/pod1/agent\n9:memory:/kubepods/pod1/agent\n0::/x\n")
    machine.group(f"memory/{path}", **v1(640 * MIB, 500 * MIB, inactive=100 * MIB))
    assert machine.uses() == [Use(400 * MIB, 640 * MIB)]


@pytest.mark.parametrize(
    "files",
    [v2("max", MIB), v2("much", MIB), {"memory__max": "5"}, {**v2(5 * MIB, MIB), "memory__stat": "odd"}, v2(0, 0), {}],
)
def test_where_nothing_is_limited_or_to_be_read_there_is_no_limit(tmp_path: Path, files: dict[str, str]) -> None:
    machine = Machine(tmp_path, "0::/\n")
    machine.group("", **files)
    assert machine.uses() == []


def test_a_machine_without_cgroups(tmp_path: Path) -> None:
    assert groups(tmp_path, tmp_path / "none") == []


def test_version_1_without_a_limit(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "9:memory:/\n")
    machine.group("memory", **v1(9_223_372_036_854_771_712, MIB))
    assert machine.uses() == []


class Watched:
    """A limit of 1,000 MiB of which a test says how much is in use."""

    def __init__(self) -> None:
        self.metrics, self.told = SelfMetrics(), list[bool]()
        self.used = 100
        self.limit = MemoryLimit(self.metrics, self.told.append, lambda: [Use(self.used * MIB, 1_000 * MIB)])

    def at(self, used: int) -> float:
        self.used = used
        self.limit.look()
        return self.value("memory_short")

    def value(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(f"meterbook_agent_{name}") or 0.0


def test_less_is_held_from_85_percent_on_until_75(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    watched = Watched()
    assert [watched.at(used) for used in (849, 850, 900, 800, 750, 749, 849)] == [0, 1, 1, 1, 1, 0, 0]
    assert watched.told == [True, False]
    short, enough = caplog.messages
    assert short.startswith("memory is short: 850 of 1000 MiB are in use. ")
    assert enough == "there is enough memory again: 749 of 1000 MiB are in use"
    assert watched.value("memory_used_bytes") == 849 * MIB and watched.value("memory_limit_bytes") == 1_000 * MIB


def test_the_limit_that_is_nearest_counts() -> None:
    metrics = SelfMetrics()
    told: list[bool] = []
    MemoryLimit(metrics, told.append, lambda: [Use(10, 100), Use(95, 100), Use(500, 1_000)])
    assert told == [True] and metrics.registry.get_sample_value("meterbook_agent_memory_used_bytes") == 95


def test_without_a_limit_nothing_is_short() -> None:
    metrics = SelfMetrics()
    told: list[bool] = []
    MemoryLimit(metrics, told.append, list).look()
    assert told == [] and metrics.registry.get_sample_value("meterbook_agent_memory_limit_bytes") == 0
