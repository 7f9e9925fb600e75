"""What is said of a resource, whatever it is, and what a service has to say about itself.

A resource has one gauge that is 1 while it exists, so that its integral over time is the time that it existed, and gauges of how large
it is. It may be in a *phase* of its life, such as running or stopped: then each phase is told as a resource of its own, with its own
beginning. Since when it is so, and until when it was, is given where the service tells it, and never guessed.

A tag finds the tenant and is no part of what a series is (``collector.definitions``). Labels are what the provider's price depends on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from collector.account.permissions import Grant
from meterbook.wire.instants import SECOND_US

if TYPE_CHECKING:
    from collector.aws.inquiry import Inquiry

Labels = tuple[tuple[str, str], ...]

GIB, MIB = 1 << 30, 1 << 20


@dataclass(frozen=True)
class Metric:
    """A gauge. What is ``provisioned`` has been so since the resource began; what is not may have been anything."""

    name: str
    unit: str
    provisioned: bool = True


EXISTS = Metric("aws_resource_exists", "")
SIZE = Metric("aws_resource_size_bytes", "bytes")
MEMORY = Metric("aws_resource_memory_bytes", "bytes")
VCPUS = Metric("aws_resource_vcpus", "")
NODES = Metric("aws_resource_nodes", "")
IOPS = Metric("aws_resource_iops", "")
SHARDS = Metric("aws_resource_shards", "", provisioned=False)
STORED = Metric("aws_resource_stored_bytes", "bytes", provisioned=False)
ITEMS = Metric("aws_resource_items", "", provisioned=False)
TASKS = Metric("aws_resource_tasks", "", provisioned=False)
SERVICES = Metric("aws_resource_services", "", provisioned=False)


@dataclass(frozen=True)
class Resource:
    """Something that exists, or has until ``ended_us``; times in microseconds, None where the service tells none.

    ``type`` is that of the tagging API (``ec2:instance``). ``began_us`` is a part of what it is: another one of the same name is another
    resource. ``tags`` are None where the listing does not have them: then the tagging API is asked for those of ``arn``.
    """

    type: str
    id: str
    arn: str
    labels: Labels = ()
    measures: tuple[tuple[Metric, float], ...] = ()
    tags: Mapping[str, str] | None = None
    began_us: int | None = None
    ended_us: int | None = None


@dataclass(frozen=True)
class Service:
    """One kind of resource: ``name`` is what the configuration calls it.

    ``grants`` are the operations that it takes, all of one client; ARNs in them are those of the partition ``aws``. ``resources`` gives
    all that there are or raises SourceError. ``tagged_as`` are the types to ask the tagging API for, where the listing has no tags.
    """

    name: str
    grants: tuple[Grant, ...]
    resources: Callable[[Inquiry], Iterator[Resource]]
    tagged_as: tuple[str, ...] = ()

    @property
    def client(self) -> str:
        """What boto3 calls the service."""
        return self.grants[0].operations[0].service


def time_us(told: datetime | None) -> int | None:
    """Microseconds since the Unix epoch."""
    return None if told is None else round(told.timestamp() * SECOND_US)


def labels(**found: Any) -> Labels:
    """Labels as text, without those of which nothing is told."""
    return tuple((name, str(value)) for name, value in sorted(found.items()) if value not in (None, ""))


def measures(*found: tuple[Metric, float | None]) -> tuple[tuple[Metric, float], ...]:
    """Measures, without those of which nothing is told."""
    return tuple((metric, float(value)) for metric, value in found if value is not None)


def scaled(value: float | None, unit: int) -> float | None:
    """A size in bytes of one in other units; None of what is not told."""
    return None if value is None else value * unit


def tags(pairs: Iterable[Mapping[str, str]] | None, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """Tags of a list of pairs."""
    return {each[key]: each.get(value, "") for each in pairs or ()}
