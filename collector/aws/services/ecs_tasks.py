"""ECS tasks, with the processors and the memory that each has asked for. One that has stopped is listed for about an hour more.

A task counts from when its images are pulled until it has stopped, as Fargate has it ("AWS Fargate pricing", Duration).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from collector.account.permissions import Grant, Operation
from collector.aws.inquiry import Inquiry
from collector.aws.resources import MEMORY, MIB, VCPUS, Resource, Service, labels, measures, tags, time_us
from collector.aws.services.batches import in_batches
from collector.aws.services.ecs_clusters import LIST


def _resources(ask: Inquiry) -> Iterator[Resource]:
    for cluster in ask.each("list_clusters", "clusterArns", 100):
        for status in ("RUNNING", "STOPPED"):
            listed = ask.each("list_tasks", "taskArns", 100, cluster=cluster, desiredStatus=status)
            for arns in in_batches(listed, 100):
                answer = ask.one("describe_tasks", cluster=cluster, tasks=arns, include=["TAGS"]) or {}
                yield from (resource(task) for task in answer.get("tasks", ()) if _began(task) is not None)


def resource(task: dict[str, Any]) -> Resource:
    """A task that has begun. Units of ``cpu`` are 1/1024 of a processor, of ``memory`` MiB (API reference, Task)."""
    arn, cpu, memory = task["taskArn"], task.get("cpu"), task.get("memory")
    return Resource(
        "ecs:task",
        arn.rpartition("/")[2],
        arn,
        labels(
            cluster=task["clusterArn"].rpartition("/")[2],
            group=task.get("group"),
            launch_type=task.get("launchType"),
            capacity_provider=task.get("capacityProviderName"),
        ),
        measures((VCPUS, int(cpu) / 1_024 if cpu else None), (MEMORY, int(memory) * MIB if memory else None)),
        tags(task.get("tags"), "key", "value"),
        _began(task),
        time_us(task.get("stoppedAt")),
    )


def _began(task: dict[str, Any]) -> int | None:
    return time_us(task.get("pullStartedAt") or task.get("startedAt"))


service = Service(
    "ecs_tasks",
    (
        Grant((LIST, Operation("ecs", "ListTasks", "ecs:ListTasks"))),
        Grant((Operation("ecs", "DescribeTasks", "ecs:DescribeTasks"),), ("arn:aws:ecs:*:*:task/*",)),
    ),
    _resources,
)
