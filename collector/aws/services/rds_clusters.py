"""RDS clusters: the storage that is allocated for all of their instances together."""

from __future__ import annotations

from collections.abc import Iterator

from collector.account.permissions import Grant, Operation
from collector.aws.inquiry import Inquiry
from collector.aws.resources import GIB, SIZE, Resource, Service, labels, measures, scaled, tags, time_us


def _resources(ask: Inquiry) -> Iterator[Resource]:
    for cluster in ask.each("describe_db_clusters", "DBClusters", 100):
        # Aurora says 1 of storage that grows by itself.
        storage = cluster.get("AllocatedStorage")
        allocated = storage if storage is not None and storage > 1 else None
        yield Resource(
            "rds:cluster",
            cluster["DBClusterIdentifier"],
            cluster["DBClusterArn"],
            labels(engine=cluster["Engine"], mode=cluster.get("EngineMode"), storage_type=cluster.get("StorageType")),
            measures((SIZE, scaled(allocated, GIB))),
            tags(cluster.get("TagList")),
            time_us(cluster.get("ClusterCreateTime")),
        )


_DESCRIBE = Operation("rds", "DescribeDBClusters", "rds:DescribeDBClusters")
service = Service("rds_clusters", (Grant((_DESCRIBE,), ("arn:aws:rds:*:*:cluster:*",)),), _resources)
