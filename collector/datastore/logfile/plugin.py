"""The kind ``logfile``: one source per file; of a pattern, one more that tells whether all its files are read."""

from __future__ import annotations

from collector.base import Fixed, Plugin, Sources
from collector.datastore.logfile.collector import LogfileCollector
from collector.datastore.logfile.config import LogfileConfig
from collector.datastore.logfile.sources import PatternSources


def _build(config: LogfileConfig) -> Sources:
    return PatternSources(config) if config.is_pattern else Fixed(LogfileCollector(config))


plugin = Plugin(kind="logfile", config=LogfileConfig, build=_build, in_bulk=True)
