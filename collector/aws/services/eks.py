"""EKS clusters: the control plane has a price by the hour; what runs in a cluster is metered where it runs."""

from __future__ import annotations

from collections.abc import Iterator

from collector.account.permissions import Grant, Operation
from collector.aws.inquiry import Inquiry
from collector.aws.resources import Resource, Service, labels, time_us


def _resources(ask: Inquiry) -> Iterator[Resource]:
    for name in ask.each("list_clusters", "clusters", 100):
        answer = ask.one("describe_cluster", "ResourceNotFoundException", name=name)
        if answer is None:
            continue
        cluster = answer["cluster"]
        support = cluster.get("upgradePolicy", {}).get("supportType")
        yield Resource(
            "eks:cluster",
            name,
            cluster["arn"],
            labels(version=cluster.get("version"), support=support),
            tags=cluster.get("tags", {}),
            began_us=time_us(cluster.get("createdAt")),
        )


service = Service(
    "eks",
    (
        Grant((Operation("eks", "ListClusters", "eks:ListClusters"),)),
        Grant((Operation("eks", "DescribeCluster", "eks:DescribeCluster"),), ("arn:aws:eks:*:*:cluster/*",)),
    ),
    _resources,
)
