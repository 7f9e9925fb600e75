"""What reading metrics asks of CloudWatch. Neither operation can be granted on single metrics (Service Authorization Reference, "CloudWatch")."""

from __future__ import annotations

from collector.account.permissions import Grant, Operation
from collector.aws.cloudwatch.config import CloudwatchConfig

DATA = Operation("cloudwatch", "GetMetricData", "cloudwatch:GetMetricData")
LIST = Operation("cloudwatch", "ListMetrics", "cloudwatch:ListMetrics")


def grants(config: CloudwatchConfig) -> tuple[Grant, ...]:
    """What a configuration must be granted: lists only where it asks for every value of a dimension."""
    lists = any(query.each for query in config.queries)
    return (Grant((DATA, LIST) if lists else (DATA,)),)
