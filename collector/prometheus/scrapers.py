"""The collectors of the targets that there are, each the same object for as long as its target and its settings are.

A source is read once. Where several targets have the name of one source (a pod behind two services, say), the one whose labels
come first in order is taken, whoever looks and in whatever order they were found, and the log says so once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from collector.prometheus.collector import PrometheusCollector
from collector.prometheus.config import ScrapeConfig
from collector.prometheus.targets import Target

_TOLD_MAX = 1_000
_log = logging.getLogger(__name__)


class Scrapers:
    """One collector for each source."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[tuple[ScrapeConfig, Target], PrometheusCollector]] = {}
        self._told: set[str] = set()

    def update(self, found: Iterable[tuple[ScrapeConfig, Target]]) -> list[PrometheusCollector]:
        """The collectors of exactly these targets; those that are left out are closed by whoever reads them."""
        taken: dict[str, tuple[ScrapeConfig, Target]] = {}
        for each in found:
            first = taken.setdefault(each[1].source, each)
            if first[1] != each[1]:
                self._tell(each[1].source)
                taken[each[1].source] = min(first, each, key=lambda one: (sorted(one[1].labels), one[1].url))
        made, self._made = self._made, {}
        for source, wanted in taken.items():
            known = made.get(source)
            if known is None or known[0] != wanted:
                known = (wanted, PrometheusCollector(*wanted))
            self._made[source] = known
        return [collector for _, collector in self._made.values()]

    def _tell(self, source: str) -> None:
        if source not in self._told and len(self._told) < _TOLD_MAX:
            self._told.add(source)
            _log.warning("%s is found more than once, with other labels each time: it is read once", source)
