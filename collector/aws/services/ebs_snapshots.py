"""The account's own EBS snapshots, by the size of the volume that they are of: what each stores by itself is not told."""

from __future__ import annotations

from collections.abc import Iterator

from collector.account.permissions import Grant, Operation
from collector.aws.inquiry import Inquiry
from collector.aws.resources import GIB, SIZE, Resource, Service, labels, measures, tags, time_us


def _resources(ask: Inquiry) -> Iterator[Resource]:
    for snapshot in ask.each("describe_snapshots", "Snapshots", 1_000, OwnerIds=["self"]):
        if snapshot["State"] == "error":
            continue
        number = snapshot["SnapshotId"]
        yield Resource(
            "ec2:snapshot",
            number,
            ask.where.arn("ec2", f"snapshot/{number}"),
            labels(storage_tier=snapshot.get("StorageTier"), volume=snapshot.get("VolumeId")),
            measures((SIZE, snapshot["VolumeSize"] * GIB)),
            tags(snapshot.get("Tags")),
            time_us(snapshot["StartTime"]),
        )


service = Service(
    "ebs_snapshots", (Grant((Operation("ec2", "DescribeSnapshots", "ec2:DescribeSnapshots"),)),), _resources
)
