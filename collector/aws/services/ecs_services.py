"""ECS services, cluster after cluster: how many tasks each of them runs."""

from __future__ import annotations

from collections.abc import Iterator

from collector.account.permissions import Grant, Operation
from collector.aws.inquiry import Inquiry
from collector.aws.resources import TASKS, Resource, Service, labels, measures, tags, time_us
from collector.aws.services.batches import in_batches
from collector.aws.services.ecs_clusters import LIST


def _resources(ask: Inquiry) -> Iterator[Resource]:
    for cluster in ask.each("list_clusters", "clusterArns", 100):
        for arns in in_batches(ask.each("list_services", "serviceArns", 100, cluster=cluster), 10):
            answer = ask.one("describe_services", cluster=cluster, services=arns, include=["TAGS"]) or {}
            for found in answer.get("services", ()):
                if found["status"] == "INACTIVE":
                    continue
                yield Resource(
                    "ecs:service",
                    found["serviceName"],
                    found["serviceArn"],
                    labels(cluster=cluster.rpartition("/")[2], launch_type=found.get("launchType")),
                    measures((TASKS, found.get("runningCount"))),
                    tags(found.get("tags"), "key", "value"),
                    time_us(found.get("createdAt")),
                )


service = Service(
    "ecs_services",
    (
        Grant((LIST, Operation("ecs", "ListServices", "ecs:ListServices"))),
        Grant((Operation("ecs", "DescribeServices", "ecs:DescribeServices"),), ("arn:aws:ecs:*:*:service/*",)),
    ),
    _resources,
)
