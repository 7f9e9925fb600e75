"""The kind ``logfile``: one collector per file."""

from __future__ import annotations

from collector.base import Plugin
from collector.datastore.logfile.collector import LogfileCollector
from collector.datastore.logfile.config import LogfileConfig


def _build(config: LogfileConfig) -> list[LogfileCollector]:
    return [LogfileCollector(config)]


plugin = Plugin(kind="logfile", config=LogfileConfig, build=_build)
