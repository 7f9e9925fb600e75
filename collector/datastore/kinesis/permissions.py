"""What reading a stream takes of AWS: three operations, on that stream alone."""

from __future__ import annotations

from collector.account.permissions import Grant, Operation
from collector.datastore.kinesis.config import KinesisConfig

LIST = Operation("kinesis", "ListShards", "kinesis:ListShards")
ITERATOR = Operation("kinesis", "GetShardIterator", "kinesis:GetShardIterator")
RECORDS = Operation("kinesis", "GetRecords", "kinesis:GetRecords")

_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}


def grants(config: KinesisConfig) -> tuple[Grant, ...]:
    """What must be granted for a configuration. Of a stream without its ARN, the account is left open, and the region if it is not set."""
    region = config.stream_region or "*"
    arn = config.stream_arn or f"arn:{_partition(region)}:kinesis:{region}:*:stream/{config.stream_name}"
    return (Grant((LIST, ITERATOR, RECORDS), (arn,)),)


def _partition(region: str) -> str:
    """The partition that a region is in, which a policy cannot leave open (IAM user guide, "Identify AWS resources with ARNs")."""
    return next((name for start, name in _PARTITIONS.items() if region.startswith(start)), "aws")
