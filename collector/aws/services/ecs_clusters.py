"""ECS clusters: how many services and running tasks each has."""

from __future__ import annotations

from collections.abc import Iterator

from collector.account.permissions import Grant, Operation
from collector.aws.inquiry import Inquiry
from collector.aws.resources import SERVICES, TASKS, Resource, Service, measures, tags
from collector.aws.services.batches import in_batches

LIST = Operation("ecs", "ListClusters", "ecs:ListClusters")


def _resources(ask: Inquiry) -> Iterator[Resource]:
    for arns in in_batches(ask.each("list_clusters", "clusterArns", 100), 100):
        answer = ask.one("describe_clusters", clusters=arns, include=["TAGS"]) or {}
        for cluster in answer.get("clusters", ()):
            if cluster["status"] == "INACTIVE":
                continue
            yield Resource(
                "ecs:cluster",
                cluster["clusterName"],
                cluster["clusterArn"],
                (),
                measures((SERVICES, cluster.get("activeServicesCount")), (TASKS, cluster.get("runningTasksCount"))),
                tags(cluster.get("tags"), "key", "value"),
            )


service = Service(
    "ecs_clusters",
    (
        Grant((LIST,)),
        Grant((Operation("ecs", "DescribeClusters", "ecs:DescribeClusters"),), ("arn:aws:ecs:*:*:cluster/*",)),
    ),
    _resources,
)
