"""Runs of instances begin and end when they did, and not when they were looked at."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto.ec2.models import ec2_backends

from collector.aws.inventory import InventoryCollector
from collector.readings import Window
from tests.collector.aws.seen import Seen, held_us, of, only
from tests.collector.aws.simulated import ACCOUNT, MARKED, REGION, SimulatedAws

Make = Callable[..., InventoryCollector]
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOON_US = round(NOON.timestamp() * 1e6)
SECOND_US, MINUTE_US = 1_000_000, 60_000_000


class Machine:
    """An instance in the server, whose history a test writes."""

    def __init__(self, account: SimulatedAws) -> None:
        self.id = account.launch()
        self._instance = ec2_backends[ACCOUNT][REGION].get_instance(self.id)

    def runs(self, since: datetime) -> None:
        self._become(16, "running", "")
        self._instance.launch_time = since

    def stops(self, at: datetime | None, code: int = 80, name: str = "stopped") -> None:
        told = "Server.SpotInstanceTermination" if at is None else f"User initiated ({at:%Y-%m-%d %H:%M:%S} GMT)"
        self._become(code, name, told)

    def terminates(self, at: datetime | None) -> None:
        self.stops(at, 48, "terminated")

    def _become(self, code: int, name: str, reason: str) -> None:
        self._instance._state.code, self._instance._state.name, self._instance._reason = code, name, reason


@pytest.fixture
def machine(account: SimulatedAws) -> Machine:
    return Machine(account)


class Polls:
    """Collections every five minutes from noon on; keeps what was told."""

    def __init__(self, collector: InventoryCollector) -> None:
        self.collector = collector
        self.at, self.checkpoint = NOON, {}
        self.told: list[Seen] = []

    def poll(self, collector: InventoryCollector | None = None) -> list[Seen]:
        before, self.at = self.at, self.at + timedelta(minutes=5)
        window = Window(round(before.timestamp() * 1e6), round(self.at.timestamp() * 1e6))
        readings = (collector or self.collector).collect(window, self.checkpoint)
        assert readings.coverage[0].status == "complete"
        self.checkpoint: Any = readings.checkpoint
        found = of(readings)
        self.told += found
        return found

    def ran_us(self, state: str = "running") -> int:
        """How long runs were, by what was told: each series for itself."""
        by_series: dict[Any, list[tuple[int, float]]] = {}
        for each in self.told:
            if each.labels["state"] == state:
                by_series.setdefault(each.start_us, []).extend(each.samples)
        return sum(held_us(samples) for samples in by_series.values())


@pytest.fixture
def polls(inventory: Make) -> Polls:
    return Polls(inventory(services=["ec2_instances"]))


def minutes(count: float) -> datetime:
    return NOON + timedelta(minutes=count)


def test_an_instance_runs_since_it_was_launched(machine: Machine, polls: Polls) -> None:
    polls.poll()
    machine.runs(since=minutes(7))
    found = only(polls.poll())
    assert [time_us - NOON_US for time_us, _ in found.samples] == [7 * MINUTE_US, 10 * MINUTE_US]
    assert (found.values, found.start_us, found.tags) == ([1, 1], NOON_US + 7 * MINUTE_US, MARKED)
    assert found.labels == {
        "instance_type": "m5.large",
        "lifecycle": "on-demand",
        "state": "running",
        "tenancy": "default",
        "zone": f"{REGION}a",
    }


def test_what_ran_before_anybody_looked_begins_where_it_is_seen(machine: Machine, polls: Polls) -> None:
    machine.runs(since=NOON - timedelta(days=100))
    assert [time_us for time_us, _ in only(polls.poll()).samples] == [NOON_US + 5 * MINUTE_US]


def test_a_run_ends_when_it_was_stopped_and_being_stopped_begins(machine: Machine, polls: Polls) -> None:
    machine.runs(since=minutes(1))
    polls.poll()
    machine.stops(minutes(8))
    running, stopped = sorted(polls.poll(), key=lambda each: each.labels["state"])
    ((ended_us, value),) = running.samples
    assert (ended_us, math.isnan(value)) == (NOON_US + 8 * MINUTE_US, True)
    assert [time_us - NOON_US for time_us, _ in stopped.samples] == [8 * MINUTE_US, 10 * MINUTE_US]
    assert (polls.ran_us(), polls.ran_us("stopped")) == (7 * MINUTE_US, 2 * MINUTE_US)


def test_a_run_between_two_looks_is_told_whole(machine: Machine, polls: Polls) -> None:
    machine.terminates(minutes(-60))
    assert polls.poll() == []
    machine.runs(since=minutes(6))
    machine.terminates(minutes(6.5))
    polls.poll()
    assert polls.poll() == []
    assert polls.ran_us() == 30 * SECOND_US


def test_another_run_is_another_series(machine: Machine, polls: Polls) -> None:
    machine.runs(since=minutes(1))
    polls.poll()
    machine.runs(since=minutes(9))
    polls.poll()
    # Nobody knows when the first one ended: it was seen last at the first look.
    assert polls.ran_us() == 4 * MINUTE_US + 1 + 1 * MINUTE_US


@pytest.mark.parametrize("is_terminated", [False, True])
def test_a_run_whose_end_is_not_told_ends_where_it_was_seen_last(
    machine: Machine, polls: Polls, is_terminated: bool
) -> None:
    machine.runs(since=minutes(1))
    polls.poll()
    (machine.terminates if is_terminated else machine.stops)(None)
    polls.poll()
    polls.poll()
    assert polls.ran_us() == 4 * MINUTE_US + 1
    assert polls.ran_us("stopped") == (0 if is_terminated else 5 * MINUTE_US)


def test_the_end_of_a_run_is_told_though_the_agent_was_started_anew(
    machine: Machine, polls: Polls, inventory: Make
) -> None:
    machine.runs(since=minutes(1))
    polls.poll()
    machine.stops(minutes(8))
    restarted = inventory(services=["ec2_instances"])
    polls.poll(restarted)
    polls.poll(restarted)
    assert (polls.ran_us(), polls.ran_us("stopped")) == (7 * MINUTE_US, 7 * MINUTE_US)


def test_what_was_stopped_before_anybody_looked_has_no_run(machine: Machine, polls: Polls) -> None:
    machine.runs(since=NOON - timedelta(days=2))
    machine.stops(NOON - timedelta(days=1))
    assert [each.labels["state"] for each in polls.poll()] == ["stopped"]


def test_a_clock_that_is_behind_tells_of_nothing_that_has_not_begun(machine: Machine, polls: Polls) -> None:
    machine.runs(since=minutes(6))
    assert polls.poll() == []
    polls.poll()
    assert polls.ran_us() == 4 * MINUTE_US


def test_the_server_itself_stops_and_starts(account: SimulatedAws, machine: Machine, inventory: Make) -> None:
    ec2 = account.client("ec2")
    ec2.stop_instances(InstanceIds=[machine.id])
    collector = inventory(services=["ec2_instances"])
    now_us = round(datetime.now(UTC).timestamp() * 1e6)
    first = collector.collect(Window(now_us - 10 * MINUTE_US, now_us + 10 * MINUTE_US), {})
    assert {each.labels["state"] for each in of(first)} == {"running", "stopped"}
    ec2.start_instances(InstanceIds=[machine.id])
    second = collector.collect(Window(now_us + 10 * MINUTE_US, now_us + 20 * MINUTE_US), first.checkpoint)
    shown = [each for each in of(second) if not any(math.isnan(value) for value in each.values)]
    assert {each.labels["state"] for each in shown} == {"running"}
