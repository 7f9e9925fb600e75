"""The kind ``s3``: one collector per prefix."""

from __future__ import annotations

from collector.account.config import AccountConfig
from collector.account.permissions import Grant
from collector.base import Fixed, Plugin
from collector.datastore.s3.bucket import grants
from collector.datastore.s3.collector import S3Collector
from collector.datastore.s3.config import S3Config


def _build(config: S3Config) -> Fixed:
    return Fixed(S3Collector(config))


def _granted(config: S3Config) -> list[tuple[AccountConfig, tuple[Grant, ...]]]:
    # Who is not AWS has policies of its own.
    return [] if config.account.endpoint is not None else [(config.account, grants(config))]


plugin = Plugin(kind="s3", config=S3Config, build=_build, in_bulk=True, grants=_granted)
