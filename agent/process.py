"""An agent, put together: sources and lanes, schedule, spool, uplink and the operator's door.

Everything is opened before anything runs, so that a taken port or a spool in use is said at once and nothing was
read. Stopping goes the way of a sample: collections under way finish and are spooled, the uplink gets a few seconds
to bring them home, and what is left waits in the spool for the next start.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack, suppress

from agent.config import AgentConfig
from agent.errors import ConfigError, SpoolFull, SpoolUnusable, StartError
from agent.faults import mask
from agent.leases import Leases
from agent.memorylimit import INTERVAL_S as MEMORY_INTERVAL_S
from agent.memorylimit import MemoryLimit
from agent.roster import INTERVAL_S, Roster
from agent.rules import ready
from agent.runner import Lane
from agent.schedule import Schedule
from agent.selfmetrics import SelfMetrics
from agent.spool import Spool
from agent.tagger import Tagger
from agent.uplink import Uplink
from collector import registry
from collector.base import Collector, SourceConfig, Sources, interval_s_of
from collector.errors import SourceError
from meterbook.health import HealthServer
from meterbook.wire import instants

#: What /readyz says while the agent stops.
STOPPING = "the agent is stopping: collections under way finish, then the spool is sent"
#: How often what was counted of sources that are gone is let go of.
_SWEEP_INTERVAL_S = 60.0

_log = logging.getLogger(__name__)


def build_sources(config: AgentConfig) -> list[tuple[Sources, SourceConfig]]:
    """What finds the sources that a configuration asks for. Raises ConfigError where it cannot be made or a source is there twice."""
    built: list[tuple[Sources, SourceConfig]] = []
    places: dict[str, str] = {}
    found: list[str] = []
    for index, source in enumerate(config.sources):
        place = f"sources.{index}"
        try:
            sources = registry.plugin(source.kind).build(source)
            built.append((sources, source))
            current = sources.current()
        except (ValueError, OSError, SourceError) as error:
            found.append(f"{place}: {mask(str(error))}")
            continue
        for collector in current:
            if collector.source in places:
                first = places[collector.source]
                found.append(f"{place}: the source {collector.source!r} is already read by {first}: remove one of them")
            places.setdefault(collector.source, place)
    if found:
        close_sources(built)
        raise ConfigError(*found)
    return built


def close_sources(built: Sequence[tuple[Sources, SourceConfig]]) -> None:
    """Let go of sources that nobody reads."""
    for sources, _ in built:
        with suppress(ValueError, OSError, SourceError):
            for collector in sources.current():
                collector.close()
        sources.close()


class Agent:
    """One running agent."""

    def __init__(self, config: AgentConfig, metrics: SelfMetrics | None = None) -> None:
        """Opens everything and starts nothing; goes on with the ``metrics`` of an agent before it. Raises AgentError."""
        self._ending: str | None = None
        with ExitStack() as opened:
            entries = build_sources(config)
            self._schedule = schedule = Schedule(config.schedule.threads_max)
            leases = Leases(lambda sources: self.uplink.lease(sources))
            self._roster = Roster(entries, schedule, self._lane, self._forget, leases.elsewhere)
            opened.callback(self._roster.close)
            self.metrics = metrics or SelfMetrics()
            self.spool = Spool(
                config.spool.path,
                agent=config.agent,
                bytes_max=config.spool.bytes_max,
                age_max_s=config.spool.age_max_s,
            )
            opened.callback(self.spool.close)
            self.metrics.watch(self.spool.sizes)
            self._rules = ready(config.tags)
            self.uplink = Uplink(config.ledger, self.spool, self.metrics)
            self._roster.update()
            self._schedule.also(self._roster.update, INTERVAL_S)
            self._schedule.also(self.metrics.sweep, _SWEEP_INTERVAL_S)
            limit = MemoryLimit(self.metrics, self._hold_less)
            self._schedule.also(limit.look, MEMORY_INTERVAL_S)
            self._door = _door(config.http.listen, self)
            opened.callback(self._door.stop)
            self._opened = opened.pop_all()

    @property
    def sources(self) -> list[str]:
        """The names of what is read."""
        return [lane.source for lane in self._roster.lanes]

    @property
    def http_port(self) -> int:
        """The port of the operator's door."""
        return self._door.port

    def start(self) -> None:
        """Begin to collect and send."""
        self._door.start()
        self.uplink.start()
        self._schedule.start()

    def stop(self, drain_s: float = 5.0, why: str = STOPPING) -> None:
        """Finishes collections under way, sends for at most ``drain_s`` seconds more, and lets go of everything.

        Meanwhile the agent is not ready: ``why`` says so.
        """
        self._ending = why
        self._schedule.stop()
        self.uplink.stop(drain_s)
        self._opened.close()

    def not_ready(self) -> str | None:
        """Why the agent cannot do its work just now. A ledger that cannot be reached is no reason: the spool waits."""
        if self._ending is not None:
            return self._ending
        # What the spool lacks comes first: it is the only one that gets worse by waiting.
        found = self.spool.problem or self.uplink.problem
        if found is not None:
            return found
        return next((lane.problem for lane in self._roster.lanes if lane.problem is not None), None)

    def _hold_less(self, is_short: bool) -> None:
        """Do one thing at a time while memory is short."""
        self._schedule.narrow(is_short)
        self.uplink.narrow(is_short)

    def _lane(self, collector: Collector, source: SourceConfig) -> Lane:
        return Lane(
            collector,
            interval_us=round(interval_s_of(collector, source) * instants.SECOND_US),
            tagger=Tagger(self._rules),
            spool=self.spool,
            metrics=self.metrics,
        )

    def _forget(self, source: str) -> None:
        try:
            self.spool.forget(source)
        except (SpoolFull, SpoolUnusable) as error:
            _log.warning("%s: its progress is not forgotten: %s", source, error)


def _door(listen: str, agent: Agent) -> HealthServer:
    try:
        return HealthServer(listen, agent.metrics.registry, agent.not_ready)
    except OSError as error:
        raise StartError(f"{error}: stop what listens there, or set http.listen to another address") from error
