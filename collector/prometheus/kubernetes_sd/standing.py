"""What is wrong with finding targets, as a source of its own: targets that nobody finds would otherwise be missed in silence.

There is one for each cluster: its coverage is complete while everything that targets come from is listed and watched, and failed, with the reason, while it is not:
a permission is missing, a CustomResourceDefinition is not installed, the API server does not answer. Targets that were found
go on being read meanwhile; each is a source with coverage of its own. And there is one for whatever is to be read and cannot be.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from collector.readings import Checkpoint, Coverage, Readings, Window

_SINCE = re.compile(r" \(since [^)]*\)")
_log = logging.getLogger(__name__)


class Standing:
    """A source that shows nothing but its coverage: ``problem`` gives what is wrong just now, empty when all is well."""

    def __init__(self, source: str, problem: Callable[[], str]) -> None:
        self._source = source
        self._problem = problem
        self._told = ""

    @property
    def source(self) -> str:
        """Name of the source."""
        return self._source

    @property
    def catches_up(self) -> bool:
        """What could not be found out then is not found out later."""
        return False

    def tell(self, problem: str) -> None:
        """Say in the log what is wrong: once, until it is another thing."""
        problem = _SINCE.sub("", problem)
        if problem and problem != self._told:
            _log.warning("%s: %s", self._source, problem)
        self._told = problem

    def collect(self, window: Window, checkpoint: Checkpoint) -> Readings:
        """No samples: whether all is well."""
        reason = self._problem()
        covered = Coverage(self._source, window.start_us, window.end_us, "failed" if reason else "complete", reason)
        return Readings((covered,), checkpoint=checkpoint)

    def end(self, time_us: int, checkpoint: Checkpoint) -> None:
        """There is nothing to end."""

    def close(self) -> None:
        """Nothing is held."""


def missing(problem: str) -> str:
    """What a problem with a cluster means for those who wait for targets of it; empty without one."""
    return f"targets may be missing: {problem}" if problem else ""
