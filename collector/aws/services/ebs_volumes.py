"""EBS volumes: what is provisioned is paid for, whether it is attached or not."""

from __future__ import annotations

from collections.abc import Iterator

from collector.account.permissions import Grant, Operation
from collector.aws.inquiry import Inquiry
from collector.aws.resources import GIB, IOPS, SIZE, Resource, Service, labels, measures, tags, time_us


def _resources(ask: Inquiry) -> Iterator[Resource]:
    for volume in ask.each("describe_volumes", "Volumes", 500):
        if volume["State"] not in ("available", "in-use"):
            continue
        number = volume["VolumeId"]
        yield Resource(
            "ec2:volume",
            number,
            ask.where.arn("ec2", f"volume/{number}"),
            labels(volume_type=volume["VolumeType"], zone=volume["AvailabilityZone"]),
            measures((SIZE, volume["Size"] * GIB), (IOPS, volume.get("Iops"))),
            tags(volume.get("Tags")),
            time_us(volume["CreateTime"]),
        )


service = Service("ebs_volumes", (Grant((Operation("ec2", "DescribeVolumes", "ec2:DescribeVolumes"),)),), _resources)
