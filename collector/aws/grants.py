"""What a configuration takes, by account: each operation of the services that it names, in its regions, and nothing else.

Where an action can be granted on resources of one type, it is, and ``aws:RequestedRegion`` keeps all of them to the regions that are
read ("IAM user guide", AWS global condition context keys). What IAM lets list only everything is granted on everything.
"""

from __future__ import annotations

from collections.abc import Sequence

from collector.account.config import AccountConfig
from collector.account.permissions import Grant
from collector.aws import tags
from collector.aws.catalogue import CATALOGUE
from collector.aws.config import AwsConfig, NamedAccount

#: Regions outside of the partition ``aws`` begin so (AWS General Reference, "Amazon Resource Names").
_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "us-iso-": "aws-iso", "us-isob-": "aws-iso-b"}


def partition_of(region: str) -> str:
    """The partition that a region belongs to."""
    return next((name for prefix, name in _PARTITIONS.items() if region.startswith(prefix)), "aws")


def tagged_types(config: AwsConfig) -> tuple[str, ...]:
    """What the tagging API is asked for, sorted; nothing where every listing has its tags."""
    return tuple(sorted({each for name in config.services for each in CATALOGUE[name].tagged_as}))


def grants_of(config: AwsConfig, account: NamedAccount) -> tuple[Grant, ...]:
    """What is asked of one account."""
    partition = account.partition or partition_of(config.regions[0])
    regions = (("StringEquals", "aws:RequestedRegion", tuple(sorted(config.regions))),)
    needed = [grant for name in config.services for grant in CATALOGUE[name].grants]
    if tagged_types(config):
        needed.append(tags.GRANT)
    return tuple(
        Grant(grant.operations, tuple(_in(partition, each) for each in grant.resources), regions) for grant in needed
    )


def grants(config: AwsConfig) -> Sequence[tuple[AccountConfig, tuple[Grant, ...]]]:
    """What is asked of each account."""
    return [(account.account, grants_of(config, account)) for account in config.accounts]


def _in(partition: str, resource: str) -> str:
    return resource.replace("arn:aws:", f"arn:{partition}:", 1)
