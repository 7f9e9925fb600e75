"""An agent, put together: sources and lanes, schedule, spool, uplink and the operator's door.

Everything is opened before anything runs, so that a taken port or a spool in use is said at once and nothing was
read. Stopping goes the way of a sample: collections under way finish and are spooled, the uplink gets a few seconds
to bring them home, and what is left waits in the spool for the next start.
"""

from __future__ import annotations

from contextlib import ExitStack

from agent.config import AgentConfig
from agent.errors import ConfigError, StartError
from agent.faults import mask
from agent.rules import ready
from agent.runner import Lane
from agent.schedule import Schedule
from agent.selfmetrics import SelfMetrics
from agent.spool import Spool
from agent.tagger import Tagger
from agent.uplink import Uplink
from collector import registry
from collector.base import Collector, SourceConfig
from collector.errors import SourceError
from meterbook.health import HealthServer
from meterbook.wire import instants


def build_sources(config: AgentConfig) -> list[tuple[Collector, SourceConfig]]:
    """The collectors that a configuration asks for. Raises ConfigError where one cannot be made or is there twice."""
    built: list[tuple[Collector, SourceConfig]] = []
    places: dict[str, str] = {}
    found: list[str] = []
    for index, source in enumerate(config.sources):
        place = f"sources.{index}"
        try:
            collectors = registry.plugin(source.kind).build(source)
        except (ValueError, OSError, SourceError) as error:
            found.append(f"{place}: {mask(str(error))}")
            continue
        for collector in collectors:
            built.append((collector, source))
            if collector.source in places:
                first = places[collector.source]
                found.append(f"{place}: the source {collector.source!r} is already read by {first}: remove one of them")
            places.setdefault(collector.source, place)
    if found:
        for collector, _ in built:
            collector.close()
        raise ConfigError(*found)
    return built


class Agent:
    """One running agent."""

    def __init__(self, config: AgentConfig) -> None:
        """Opens everything and starts nothing. Raises AgentError."""
        with ExitStack() as opened:
            sources = build_sources(config)
            for collector, _ in sources:
                opened.callback(collector.close)
            self.metrics = SelfMetrics()
            self.spool = Spool(config.spool.path, agent=config.agent, bytes_max=config.spool.bytes_max)
            opened.callback(self.spool.close)
            self.metrics.watch(self.spool.sizes)
            rules = ready(config.tags)
            self._lanes = [
                Lane(
                    collector,
                    interval_us=round(source.interval_s * instants.SECOND_US),
                    tagger=Tagger(rules),
                    spool=self.spool,
                    metrics=self.metrics,
                )
                for collector, source in sources
            ]
            intervals_s = [source.interval_s for _, source in sources]
            self._schedule = Schedule(list(zip(self._lanes, intervals_s, strict=True)), config.schedule.threads_max)
            self.uplink = Uplink(config.ledger, self.spool, self.metrics)
            self._door = _door(config.http.listen, self)
            opened.callback(self._door.stop)
            self._opened = opened.pop_all()

    @property
    def sources(self) -> list[str]:
        """The names of what is read."""
        return [lane.source for lane in self._lanes]

    @property
    def http_port(self) -> int:
        """The port of the operator's door."""
        return self._door.port

    def start(self) -> None:
        """Begin to collect and send."""
        self._door.start()
        self.uplink.start()
        self._schedule.start()

    def stop(self, drain_s: float = 5.0) -> None:
        """Finishes collections under way, sends for at most ``drain_s`` seconds more, and lets go of everything."""
        self._schedule.stop()
        self.uplink.stop(drain_s)
        self._opened.close()

    def not_ready(self) -> str | None:
        """Why the agent cannot do its work just now. A ledger that cannot be reached is no reason: the spool waits."""
        if self.uplink.problem is not None:
            return self.uplink.problem
        return next((lane.problem for lane in self._lanes if lane.problem is not None), None)


def _door(listen: str, agent: Agent) -> HealthServer:
    try:
        return HealthServer(listen, agent.metrics.registry, agent.not_ready)
    except OSError as error:
        raise StartError(f"{error}: stop what listens there, or set http.listen to another address") from error
