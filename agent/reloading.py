"""SIGHUP: the configuration is read again, and what it says holds from then on.

The new one is tried first: where it has faults, or its sources, its rules or its connection cannot be made, the one before goes on to hold and the log says why. Then the
agent is stopped as it always is and made anew in the same process, by the way that every restart takes: collections under way finish
and are stored, what was not sent waits in the spool, and each source goes on where it was. So whatever changed takes effect, sources that
stay lose nothing, and the pause is no longer than a collection takes. Where the new one cannot be opened after all, a taken port say, the
one before comes back.

The name of the agent and its spool are not exchanged: what waits in the spool is that agent's, and would be left behind.
"""

from __future__ import annotations

import logging
from pathlib import Path

from agent import connection
from agent.config import AgentConfig
from agent.configured import Configured
from agent.errors import AgentError, ConfigError
from agent.process import Agent, build_sources, close_sources
from agent.rules import ready
from agent.selfmetrics import SelfMetrics
from meterbook import tracing

#: What /readyz says meanwhile.
CHANGING = "the configuration is being exchanged: collections under way finish, then the agent goes on"

_SERVICE = "meterbook-agent"

_log = logging.getLogger(__name__)


class Reloading:
    """An agent and the configuration that it has, from a file. Raises AgentError where it cannot be made or come back, and CannotTrace."""

    def __init__(self, config: AgentConfig, asked: Configured) -> None:
        """Opens everything and starts nothing."""
        self.config, self._asked, self._path = config, asked, asked.path
        #: What was counted is counted on: a counter that fell would be taken for an agent that was started anew.
        self._metrics = SelfMetrics()
        tracing.begin(config.tracing, _SERVICE, config.agent)
        self.agent = self._opened(config)

    def reload(self) -> bool:
        """Take on what the file says now. Gives whether it was; what stood in its way is in the log."""
        try:
            fresh = self._tried()
        except Exception as error:  # noqa: BLE001
            # Whatever a file may hold that nobody thought of: what runs, and has run well, is not to end for it.
            self._faulty("the configuration stays the one before", error)
            return False
        if fresh == self.config:
            _log.info("the configuration has not changed: nothing is to be done")
            return False
        _log.info("the configuration has changed: collections under way finish, then it holds")
        before = self.config
        self.agent.stop(0, CHANGING)
        try:
            self.agent, self.config = self._opened(fresh), fresh
        except Exception as error:  # noqa: BLE001
            self._faulty("the configuration comes back that was there before", error)
            self.agent = self._opened(self.config)
        self._trace(before)
        self.agent.start()
        if self.config is fresh:
            _log.info("the configuration of now holds: %d sources are read", len(self.agent.sources))
        return self.config is fresh

    def _faulty(self, so: str, error: Exception) -> None:
        """Log what follows from a new configuration that is no good; of a fault that nobody thought of where in the code it came up, too."""
        if isinstance(error, AgentError):
            _log.error("%s: %s", so, error)
        else:
            _log.error("%s: that in %s cannot be used", so, self._path, exc_info=error)

    def _trace(self, before: AgentConfig) -> None:
        """Have traces go where the configuration of now has them."""
        if before.tracing == self.config.tracing:
            return
        if tracing.is_on():
            tracing.end()
            _log.info("traces go no more to where they went")
        try:
            tracing.begin(self.config.tracing, _SERVICE, self.config.agent)
        except tracing.CannotTrace as error:
            _log.error("nothing is traced: %s", error)

    def _tried(self) -> AgentConfig:
        """What the file says now, once its sources could be made. Raises AgentError."""
        fresh = self._asked.load()
        for name, before, now in (
            ("agent", self.config.agent, fresh.agent),
            ("spool.path", self.config.spool.path, fresh.spool.path),
        ):
            if before != now:
                raise ConfigError(
                    f"{self._path}: {name}: {before} cannot become {now} while the agent runs: restart it"
                )
        try:
            close_sources(build_sources(fresh))
            ready(fresh.tags)
            connection.channel(fresh.ledger).close()
        except ConfigError as error:
            raise _placed(error, self._path) from error
        return fresh

    def _opened(self, config: AgentConfig) -> Agent:
        try:
            return Agent(config, self._metrics)
        except ConfigError as error:
            raise _placed(error, self._path) from error


def _placed(error: ConfigError, path: Path) -> ConfigError:
    """The faults with the name of the file, which only this module knows."""
    return ConfigError(*(f"{path}: {fault}" for fault in error.faults))
