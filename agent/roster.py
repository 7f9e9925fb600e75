"""Which sources are read: as configured, and as they are found while the agent runs.

Every few seconds each entry of the configuration is asked for its sources. A new one gets a lane of its own; of one that is gone
the lane ends with the collection under way and the source's last word, and what was known of its progress is forgotten: when it comes
back, nobody expects that it was watched meanwhile. So is that of one that another agent reads (see ``leases``). Two entries that find the
same source would book it twice, so the second is refused and said so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Container, Mapping, Sequence

from agent.runner import Lane
from agent.schedule import Schedule
from collector.base import Collector, SourceConfig, Sources, interval_s_of, lease_of

#: How often sources are asked for.
INTERVAL_S = 5.0

_log = logging.getLogger(__name__)


class Roster:
    """The lanes of an agent."""

    def __init__(
        self,
        entries: Sequence[tuple[Sources, SourceConfig]],
        schedule: Schedule,
        lane: Callable[[Collector, SourceConfig], Lane],
        forget: Callable[[str], None],
        elsewhere: Callable[[Collection[str]], Collection[str]] = lambda _: (),
    ) -> None:
        """``lane`` makes the lane of a source, ``forget`` forgets its progress; ``elsewhere`` says which leases others have."""
        self._entries = entries
        self._schedule = schedule
        self._lane = lane
        self._forget = forget
        self._elsewhere = elsewhere
        self._lanes: dict[str, tuple[Lane, Collector]] = {}
        self._ending: list[tuple[Lane, Collector]] = []
        #: Collectors of sources that another agent reads just now.
        self._resting: dict[str, Collector] = {}
        self._refused: set[str] = set()
        self._last: dict[int, Sequence[Collector]] = {}

    @property
    def lanes(self) -> list[Lane]:
        """The lanes of the sources that there are now."""
        return [lane for lane, _ in list(self._lanes.values())]

    def update(self) -> None:
        """Ask for the sources that there are now, and read those."""
        found: dict[str, tuple[Collector, SourceConfig]] = {}
        for sources, config in self._entries:
            for collector in self._asked(sources):
                first = found.setdefault(collector.source, (collector, config))
                if first[0] is not collector and collector.source not in self._refused:
                    self._refused.add(collector.source)
                    _log.error("two entries find the source %s: the second is not read", collector.source)
        elsewhere = self._read_elsewhere(found)
        for source, (_, collector) in list(self._lanes.items()):
            if source not in found or found[source][0] is not collector or source in elsewhere:
                self._end(source)
        self._ending = [each for each in self._ending if not self._closed(*each, found, elsewhere)]
        for source, resting in list(self._resting.items()):
            if source not in found or found[source][0] is not resting:
                self._resting.pop(source).close()
        # One lane of a source begins where the one before has ended.
        ending = {lane.source for lane, _ in self._ending}
        for source, (collector, config) in found.items():
            if source in self._lanes or source in ending:
                continue
            if source in elsewhere:
                self._resting[source] = collector
                continue
            self._resting.pop(source, None)
            lane = self._lane(collector, config)
            self._lanes[source] = (lane, collector)
            self._schedule.add(lane, interval_s_of(collector, config))

    def _read_elsewhere(self, found: Mapping[str, tuple[Collector, SourceConfig]]) -> set[str]:
        """The sources that are left to other agents. What cannot be read here is not asked for: another may fare better."""
        failing = {source for source, (lane, _) in self._lanes.items() if lane.is_failing}
        leases = {
            name: source
            for source, (collector, _) in found.items()
            if source not in failing and (name := lease_of(collector)) is not None
        }
        return {leases[name] for name in self._elsewhere(leases)}

    def close(self) -> None:
        """Close every collector; after the schedule was stopped."""
        for lane, collector in (*self._lanes.values(), *self._ending):
            lane.leave()
            collector.close()
        for collector in self._resting.values():
            collector.close()
        for sources, _ in self._entries:
            sources.close()

    def _asked(self, sources: Sources) -> Sequence[Collector]:
        """The sources of an entry; those of the last time where it fails: one entry must not stop the others."""
        try:
            self._last[id(sources)] = sources.current()
        except Exception as error:  # noqa: BLE001 - whatever an entry raises is its bug
            _log.error("sources cannot be asked for, those that were there stay: %r", error, exc_info=error)
        return self._last.get(id(sources), ())

    def _closed(
        self,
        lane: Lane,
        collector: Collector,
        found: Mapping[str, tuple[Collector, SourceConfig]],
        elsewhere: Container[str],
    ) -> bool:
        """Whether a lane has ended: then it has its last word, and what nobody goes on with here is forgotten."""
        if lane.is_busy:
            return False
        lane.leave()
        if lane.source in found and found[lane.source][0] is collector:
            # Another agent reads it now, or this one again.
            self._resting[lane.source] = collector
        else:
            lane.end()
            collector.close()
        if lane.source not in found or lane.source in elsewhere:
            self._forget(lane.source)
        return True

    def _end(self, source: str) -> None:
        lane, collector = self._lanes.pop(source)
        self._schedule.remove(lane)
        self._ending.append((lane, collector))
        _log.info("%s is not read any more", source)
