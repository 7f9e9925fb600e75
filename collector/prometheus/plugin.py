"""The kind ``prometheus``: one collector per target of a job."""

from __future__ import annotations

from collector.base import Plugin
from collector.prometheus.collector import PrometheusCollector
from collector.prometheus.config import PrometheusConfig


def _build(config: PrometheusConfig) -> list[PrometheusCollector]:
    return [PrometheusCollector(config, target) for target in config.parsed_targets()]


plugin = Plugin(kind="prometheus", config=PrometheusConfig, build=_build)
