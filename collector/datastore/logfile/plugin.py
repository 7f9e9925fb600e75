"""The kind ``logfile``: one collector per file."""

from __future__ import annotations

from collector.base import Fixed, Plugin
from collector.datastore.logfile.collector import LogfileCollector
from collector.datastore.logfile.config import LogfileConfig


def _build(config: LogfileConfig) -> Fixed:
    return Fixed(LogfileCollector(config))


plugin = Plugin(kind="logfile", config=LogfileConfig, build=_build, in_bulk=True)
