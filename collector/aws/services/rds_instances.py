"""RDS instances, by class, and the storage that is allocated; a stopped one goes on to have its storage."""

from __future__ import annotations

from collections.abc import Iterator

from collector.account.permissions import Grant, Operation
from collector.aws.inquiry import Inquiry
from collector.aws.resources import GIB, IOPS, SIZE, Resource, Service, labels, measures, scaled, tags, time_us


def _resources(ask: Inquiry) -> Iterator[Resource]:
    for instance in ask.each("describe_db_instances", "DBInstances", 100):
        # The many other states are of an instance that runs, or is about to.
        is_stopped = instance.get("DBInstanceStatus") in ("stopped", "stopping")
        is_of_cluster = instance.get("DBClusterIdentifier") is not None
        storage = None if is_of_cluster else instance.get("AllocatedStorage")
        yield Resource(
            "rds:db",
            instance["DBInstanceIdentifier"],
            instance["DBInstanceArn"],
            labels(
                state="stopped" if is_stopped else "running",
                instance_class=instance["DBInstanceClass"],
                engine=instance["Engine"],
                multi_az=str(instance.get("MultiAZ", False)).lower(),
                storage_type=instance.get("StorageType"),
                cluster=instance.get("DBClusterIdentifier"),
            ),
            measures((SIZE, scaled(storage, GIB)), (IOPS, instance.get("Iops"))),
            tags(instance.get("TagList")),
            time_us(instance.get("InstanceCreateTime")),
        )


_DESCRIBE = Operation("rds", "DescribeDBInstances", "rds:DescribeDBInstances")
service = Service("rds_instances", (Grant((_DESCRIBE,), ("arn:aws:rds:*:*:db:*",)),), _resources)
