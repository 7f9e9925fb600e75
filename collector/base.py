"""The collector contract.

A collector reads one source. The agent calls :meth:`Collector.collect` on its schedule, never twice at a time, and
stores what comes back together with the checkpoint in one transaction; if anything fails in between, the next call
gets the *old* checkpoint again and must give the same samples and events again, with the same identities. That,
and nothing else, is what makes a restart free of loss and of double counting.

What the source does wrong is an answer, not an exception: ``collect`` returns readings whose coverage says
``failed`` and why, and keeps the old checkpoint. An exception that leaves ``collect`` is a bug.

Coverage intervals of one source never overlap: together the records of one call span exactly ``window``. A source that catches up may
say less and more: with ``more`` its records end where it was read to, and the next window begins there; and of time before the window that
was told of as failed, and is read only now, they tell once more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, model_validator

from collector.readings import Checkpoint, Readings, Window


class SourceConfig(BaseModel):
    """What every kind of source has in its configuration. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = Field(description="Which collector reads the source.")
    interval_s: float = Field(default=15.0, gt=0, le=86_400, description="Seconds between two collections.")
    timeout_s: float | None = Field(
        default=None,
        gt=0,
        description="Seconds one collection may take; two thirds of the interval, at most 10, if unset.",
    )

    @model_validator(mode="after")
    def _timeout_below_interval(self) -> SourceConfig:
        if self.timeout_s is not None and self.timeout_s >= self.interval_s:
            raise ValueError(f"timeout_s {self.timeout_s:g} must be below interval_s {self.interval_s:g}")
        return self

    @property
    def deadline_s(self) -> float:
        """Seconds one collection may take."""
        return self.timeout_s if self.timeout_s is not None else min(self.interval_s * 2 / 3, 10.0)


class Collector(Protocol):
    """Reads one source."""

    @property
    def source(self) -> str:
        """Name of the source, the same for every agent that reads it: ``prometheus/shop/127.0.0.1:8000``."""
        ...

    @property
    def catches_up(self) -> bool:
        """Whether a collection after a pause gives everything that a collection in time would have given.

        True of a log that is read on from where it was left; false of a gauge, whose past values are gone.
        """
        ...

    def collect(self, window: Window, checkpoint: Checkpoint) -> Readings:
        """What the source shows for ``window``. ``checkpoint`` is the last one stored, empty at the first call."""
        ...

    def end(self, time_us: int, checkpoint: Checkpoint) -> Readings | None:
        """The last word about a source that is not there any more, without coverage; None where there is nothing to say.

        Called once, after the last collection; nothing is read for it. ``checkpoint`` is the last one stored.
        """
        ...

    def close(self) -> None:
        """Let go of connections and files. Safe to call twice; nothing else is called after it."""
        ...


@runtime_checkable
class Paced(Protocol):
    """A collector of a source that has an interval of its own: one entry of the configuration finds targets of several."""

    @property
    def interval_s(self) -> float:
        """Seconds between two collections."""
        ...


def interval_s_of(collector: Collector, config: SourceConfig) -> float:
    """Seconds between two collections of a source: its own interval, or that of its entry in the configuration."""
    return collector.interval_s if isinstance(collector, Paced) else config.interval_s


@runtime_checkable
class Leased(Protocol):
    """A collector of a source that others may read as well: one reader at a time is enough."""

    @property
    def lease(self) -> str | None:
        """The source, ``#`` and what tells it from others of that name that are something else; None where each agent reads its own."""
        ...


def lease_of(collector: Collector) -> str | None:
    """The name under which a source is left to another agent that reads it already; None for one that is not."""
    return collector.lease if isinstance(collector, Leased) else None


class Sources(Protocol):
    """The sources of one entry of the configuration. They may come and go, as nodes and targets do."""

    def current(self) -> Sequence[Collector]:
        """The sources that there are now; asked every few seconds. A source that stays is the same object again.

        Raises nothing: what cannot be found out just now is as it was.
        """
        ...

    def close(self) -> None:
        """Let go of what finds them; each collector is closed by whoever reads it. Safe to call twice."""
        ...


class Fixed:
    """Sources that stay as they are configured."""

    def __init__(self, *collectors: Collector) -> None:
        self._collectors = collectors

    def current(self) -> Sequence[Collector]:
        """See :class:`Sources`."""
        return self._collectors

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class Plugin:
    """One kind of collector: its configuration, and how its sources are found. ``build`` raises ValueError, OSError or SourceError.

    ``role`` gives what a configuration must be granted where it reads, as a document for whoever grants it: of the name and
    namespace that it is to have. None for a kind to which nothing is granted. ``in_bulk`` is said by kinds that read by the gigabyte.
    ``grants`` gives what a configuration asks of each AWS account: pairs of an AccountConfig and Grants (``collector.account``).
    """

    kind: str
    config: type[SourceConfig]
    build: Callable[[Any], Sources]
    role: Callable[[Any, str, str], str] | None = None
    in_bulk: bool = False
    grants: Callable[[Any], Sequence[tuple[Any, Sequence[Any]]]] | None = None
