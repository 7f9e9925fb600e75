"""The collector contract.

A collector reads one source. The agent calls :meth:`Collector.collect` on its schedule, never twice at a time, and
stores what comes back together with the checkpoint in one transaction; if anything fails in between, the next call
gets the *old* checkpoint again and must give the same samples and events again, with the same identities. That,
and nothing else, is what makes a restart free of loss and of double counting.

What the source does wrong is an answer, not an exception: ``collect`` returns readings whose coverage says
``failed`` and why, and keeps the old checkpoint. An exception that leaves ``collect`` is a bug.

Coverage intervals of one source never overlap: together the records of one call span exactly ``window``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

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

    def close(self) -> None:
        """Let go of connections and files. Safe to call twice; ``collect`` is not called after it."""
        ...


@dataclass(frozen=True)
class Plugin:
    """One kind of collector: its configuration, and how sources are made from it."""

    kind: str
    config: type[SourceConfig]
    build: Callable[[Any], Sequence[Collector]]
