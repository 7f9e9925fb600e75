"""What stops, is deleted or ends by itself is told as each service tells it."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto.ec2.models import ec2_backends
from moto.ecs.models import ecs_backends
from moto.rds.models import rds_backends

from collector.aws.inventory import InventoryCollector
from collector.aws.resources import GIB, MIB
from collector.aws.services.batches import in_batches
from collector.readings import Window
from tests.collector.aws.seen import later, of, only, seen
from tests.collector.aws.simulated import ACCOUNT, REGION, SimulatedAws

Make = Callable[..., InventoryCollector]


def us(time: datetime) -> int:
    return round(time.timestamp() * 1e6)


@pytest.fixture
def window() -> Window:
    """An hour that is over."""
    return Window(us(datetime.now(UTC) - timedelta(hours=2)), us(datetime.now(UTC) - timedelta(hours=1)))


def test_a_stopped_database_goes_on_to_have_its_storage(filled: SimulatedAws, inventory: Make, window: Window) -> None:
    (database,) = rds_backends[ACCOUNT][REGION].databases.values()
    database.instance_create_time = datetime.now(UTC) - timedelta(days=7)
    collector = inventory(services=["rds_instances"])
    first = collector.collect(window, {})
    filled.client("rds").stop_db_instance(DBInstanceIdentifier="orders")
    second = collector.collect(later(window), first.checkpoint)
    for metric, value in (("aws_resource_exists", 1), ("aws_resource_size_bytes", 100 * GIB)):
        (before,) = (each for each in of(second, metric) if each.labels["state"] == "running")
        (after,) = (each for each in of(second, metric) if each.labels["state"] == "stopped")
        assert [math.isnan(each) for each in before.values] == [True]
        assert after.samples == [(later(window).end_us, value)]


def test_storage_that_grows_by_itself_has_no_size(filled: SimulatedAws, inventory: Make, window: Window) -> None:
    readings = inventory(services=["rds_clusters"]).collect(later(window, 120), {})
    assert {each.metric for each in seen(readings)} == {"aws_resource_exists"}


def test_a_gateway_counts_until_it_was_deleted(filled: SimulatedAws, inventory: Make, window: Window) -> None:
    (gateway,) = ec2_backends[ACCOUNT][REGION].nat_gateways.values()
    made = datetime.fromtimestamp(window.start_us // 1_000_000, UTC) + timedelta(minutes=10)
    gateway._created_at = made
    collector = inventory(services=["nat_gateways"])
    first = collector.collect(window, {})
    assert only(of(first)).samples == [(us(made), 1), (window.end_us, 1)]
    deleted_us = window.end_us + 60_000_000

    def tell(parsed: dict[str, Any], **_: Any) -> None:
        """The server deletes at once and tells no time."""
        (told,) = parsed["NatGateways"]
        told |= {"State": "deleted", "DeleteTime": datetime.fromtimestamp(deleted_us / 1e6, UTC)}

    collector._client("ec2").meta.events.register("after-call.ec2.DescribeNatGateways", tell)
    second = collector.collect(later(window), first.checkpoint)
    ((ended_us, marker),) = only(of(second)).samples
    assert (ended_us, math.isnan(marker)) == (deleted_us, True)
    assert collector.collect(later(later(window)), second.checkpoint).samples.num_rows == 0


def test_a_task_counts_from_its_start_until_it_has_stopped(
    filled: SimulatedAws, inventory: Make, window: Window
) -> None:
    (task,) = ecs_backends[ACCOUNT][REGION].tasks["web"].values()
    began = datetime.fromtimestamp(window.start_us // 1_000_000, UTC) + timedelta(minutes=10)
    task.started_at, task.stopped_at = began, began + timedelta(seconds=90)
    task.cpu, task.memory = "256", "512"
    task.last_status = task.desired_status = "STOPPED"
    readings = inventory(services=["ecs_tasks"]).collect(window, {})
    for metric, value in (("exists", 1), ("vcpus", 0.25), ("memory_bytes", 512 * MIB)):
        found = only(of(readings, f"aws_resource_{metric}"))
        (began_us, held), (ended_us, marker) = found.samples
        assert (began_us, held, ended_us - began_us) == (us(began), value, 90_000_000)
        assert math.isnan(marker)
        assert found.labels == {"cluster": "web", "group": "family:api", "launch_type": "FARGATE"}


def test_batches_hold_everything_once() -> None:
    assert list(in_batches(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(in_batches([], 3)) == []
