"""How far a stream was told, as the checkpoint has it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

#: Values by the beginning of their period in microseconds, ascending.
Points = Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Told:
    """Values that were told a short while ago, as they are now: of the periods of ``period_us`` since ``since_us``."""

    since_us: int
    period_us: int
    digest: str


@dataclass(frozen=True)
class Progress:
    """Told until ``until_us``; ``is_open`` where a gauge holds its last value there; ``listed_us`` is when its metric was listed last."""

    until_us: int
    is_open: bool = False
    listed_us: int | None = None
    told: Told | None = None

    def as_json(self) -> list[Any]:
        """JSON values: there are thousands of streams, so without names."""
        told = [] if self.told is None else [self.told.since_us, self.told.period_us, self.told.digest]
        return [self.until_us, self.is_open, self.listed_us, *told]


def from_json(document: Sequence[Any]) -> Progress:
    """What :meth:`Progress.as_json` gave."""
    until_us, is_open, listed_us, *told = document
    return Progress(until_us, is_open, listed_us, Told(*told) if told else None)


def digest(points: Points) -> str:
    """Twelve hexadecimal digits that tell values from others."""
    text = ";".join(f"{time_us}={value.hex()}" for time_us, value in points)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
