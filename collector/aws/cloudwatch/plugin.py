"""The kind ``aws_cloudwatch``: one collector per entry, which is of one account and region."""

from __future__ import annotations

from collector.account.config import AccountConfig
from collector.account.permissions import Grant
from collector.aws.cloudwatch.collector import CloudwatchCollector
from collector.aws.cloudwatch.config import CloudwatchConfig
from collector.aws.cloudwatch.permissions import grants
from collector.base import Fixed, Plugin


def _build(config: CloudwatchConfig) -> Fixed:
    return Fixed(CloudwatchCollector(config))


def _granted(config: CloudwatchConfig) -> list[tuple[AccountConfig, tuple[Grant, ...]]]:
    return [(config.account, grants(config))]


plugin = Plugin(kind="aws_cloudwatch", config=CloudwatchConfig, build=_build, grants=_granted)
