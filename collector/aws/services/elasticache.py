"""ElastiCache clusters, by the type of their nodes and how many there are; a replication group is the clusters that it is made of."""

from __future__ import annotations

from collections.abc import Iterator

from collector.account.permissions import Grant, Operation
from collector.aws.inquiry import Inquiry
from collector.aws.resources import NODES, Resource, Service, labels, measures, time_us


def _resources(ask: Inquiry) -> Iterator[Resource]:
    for cluster in ask.each("describe_cache_clusters", "CacheClusters", 100):
        yield Resource(
            "elasticache:cluster",
            cluster["CacheClusterId"],
            cluster["ARN"],
            labels(
                node_type=cluster.get("CacheNodeType"),
                engine=cluster.get("Engine"),
                replication_group=cluster.get("ReplicationGroupId"),
            ),
            measures((NODES, cluster.get("NumCacheNodes"))),
            began_us=time_us(cluster.get("CacheClusterCreateTime")),
        )


_DESCRIBE = Operation("elasticache", "DescribeCacheClusters", "elasticache:DescribeCacheClusters")
service = Service(
    "elasticache",
    (Grant((_DESCRIBE,), ("arn:aws:elasticache:*:*:cluster:*",)),),
    _resources,
    tagged_as=("elasticache",),
)
