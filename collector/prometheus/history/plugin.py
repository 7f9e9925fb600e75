"""The kind ``prometheus_history``: one collector per server."""

from __future__ import annotations

from collector.base import Fixed, Plugin
from collector.prometheus.history.collector import HistoryCollector
from collector.prometheus.history.config import HistoryConfig


def _build(config: HistoryConfig) -> Fixed:
    return Fixed(HistoryCollector(config))


plugin = Plugin(kind="prometheus_history", config=HistoryConfig, build=_build)
