"""An agent's part in reading a bucket: it asks again and again, carries the checkpoint on, and can be killed in between."""

from __future__ import annotations

import json
from typing import Any

from collector import registry
from collector.readings import Checkpoint, Coverage, Readings, Window

_LINE = '{{"id":"{}","source":"s","type":"t","time":"2026-01-01T00:00:00Z"}}\n'


def lines(*ids: object) -> bytes:
    """Events, one a line."""
    return "".join(_LINE.format(name) for name in ids).encode()


class Agent:
    """Asks again and again with the checkpoint carried on, and can be killed in between."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = {"kind": "s3", **settings}
        self._now_us = 1_790_000_000_000_000
        self.checkpoint: Checkpoint = {}
        self.found: list[str] = []
        self.coverage: list[Coverage] = []
        self.letters: list[str] = []
        self._begin()

    def _begin(self) -> None:
        plugin = registry.plugin("s3")
        (self.collector,) = plugin.build(plugin.config.model_validate(self._settings)).current()

    def restart(self) -> None:
        self.collector.close()
        self.checkpoint = json.loads(json.dumps(self.checkpoint))
        self._begin()

    def collect(self, *, is_stored: bool = True) -> Readings:
        window = Window(self._now_us, self._now_us + 60_000_000)
        readings = self.collector.collect(window, self.checkpoint)
        if is_stored:
            self._now_us = window.end_us
            self.checkpoint = readings.checkpoint
            self.found += readings.events["id"].to_pylist()
            self.coverage += readings.coverage
            self.letters += [f"{letter.place} {letter.reason}" for letter in readings.dead_letters]
        return readings

    def later(self, pause_us: int) -> None:
        """Let time pass."""
        self._now_us += pause_us

    def tick(self) -> list[str]:
        """Collect until there is no more; gives what was found."""
        before = len(self.found)
        while self.collect().more:
            pass
        return self.found[before:]
