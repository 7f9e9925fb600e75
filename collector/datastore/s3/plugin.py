"""The kind ``s3``: one collector per prefix."""

from __future__ import annotations

from collector.base import Fixed, Plugin
from collector.datastore.s3.collector import S3Collector
from collector.datastore.s3.config import S3Config


def _build(config: S3Config) -> Fixed:
    return Fixed(S3Collector(config))


plugin = Plugin(kind="s3", config=S3Config, build=_build, in_bulk=True)
