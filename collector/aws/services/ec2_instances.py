"""EC2 instances, by type and by whether they run.

``LaunchTime`` is that of the last start, so each run is another series; a run that is over says when it was stopped in
``StateTransitionReason``, ``User initiated (2026-01-31 12:00:00 GMT)``, unless the provider or the instance itself ended it ("Amazon EC2
API reference", Instance). A terminated instance is listed for about an hour more, so the end of its last run is still told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from collector.account.permissions import Grant, Operation
from collector.aws.inquiry import Inquiry
from collector.aws.resources import VCPUS, Resource, Service, labels, measures, tags, time_us

_TOLD = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:GMT|UTC)\)")


def _resources(ask: Inquiry) -> Iterator[Resource]:
    for reservation in ask.each("describe_instances", "Reservations", 1_000):
        for instance in reservation["Instances"]:
            yield from phases(ask, instance)


def phases(ask: Inquiry, instance: dict[str, Any]) -> Iterator[Resource]:
    """The last run of an instance, if it goes on or its end is known, and its being stopped."""
    state, number, launched_us = instance["State"]["Name"], instance["InstanceId"], time_us(instance["LaunchTime"])
    arn, marks = ask.where.arn("ec2", f"instance/{number}"), tags(instance.get("Tags"))
    about = {
        "instance_type": instance["InstanceType"],
        "lifecycle": instance.get("InstanceLifecycle", "on-demand"),
        "platform": instance.get("PlatformDetails"),
        "tenancy": instance.get("Placement", {}).get("Tenancy"),
        "zone": instance.get("Placement", {}).get("AvailabilityZone"),
    }
    stopped_us = None if state in ("pending", "running") else _stopped_us(instance.get("StateTransitionReason", ""))
    if state in ("pending", "running") or stopped_us is not None:
        cpu = instance.get("CpuOptions", {})
        vcpus = measures((VCPUS, cpu["CoreCount"] * cpu["ThreadsPerCore"])) if cpu.get("CoreCount") else ()
        run = labels(state="running", **about)
        yield Resource("ec2:instance", number, arn, run, vcpus, marks, launched_us, stopped_us)
    if state in ("stopping", "stopped"):
        yield Resource("ec2:instance", number, arn, labels(state="stopped", **about), (), marks, stopped_us)


def _stopped_us(reason: str) -> int | None:
    found = _TOLD.search(reason)
    return time_us(datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)) if found else None


service = Service(
    "ec2_instances", (Grant((Operation("ec2", "DescribeInstances", "ec2:DescribeInstances"),)),), _resources
)
