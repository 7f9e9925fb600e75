"""A log of events of which it is known when each was written, rotated on the way."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from meterbook.wire import instants
from tests.resilience.exporters import TENANT

EVENT_TYPE = "usage.made"


@dataclass(frozen=True)
class Written:
    """One event: its id, and when its line was written, in microseconds."""

    id: str
    at_us: int


class UsageLog:
    """A program's log; ``events`` are all that were ever written."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self.path = path
        self.events: list[Written] = []

    def write(self, count: int, *, at_us: int | None = None) -> list[Written]:
        """Append so many events of now, or of another time."""
        now_us = instants.now_us() if at_us is None else at_us
        made = [Written(f"event-{len(self.events) + number}", now_us) for number in range(count)]
        with self.path.open("a") as file:
            file.writelines(_line(event) for event in made)
        self.events += made
        return made

    def rotate(self) -> None:
        """As logrotate does."""
        numbered = sorted(self.path.parent.glob(f"{self.path.name}.*"), key=lambda path: -int(path.suffix[1:]))
        for path in numbered:
            path.rename(path.with_suffix(f".{int(path.suffix[1:]) + 1}"))
        self.path.rename(f"{self.path}.1")
        self.path.touch()


def _line(event: Written) -> str:
    document = {
        "specversion": "1.0",
        "source": "/program",
        "id": event.id,
        "type": EVENT_TYPE,
        "subject": TENANT,
        "time": datetime.fromtimestamp(event.at_us / instants.SECOND_US, UTC).isoformat(),
    }
    return json.dumps(document) + "\n"
