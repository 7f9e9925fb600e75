"""An agent's part in reading an export: it asks again and again, carries the checkpoint on, and can be killed in between.

And the ledger's: which bills stand. A line that comes twice must be the same, a version is closed once, and only with all of its lines.
"""

from __future__ import annotations

import json
from typing import Any

from collector.datastore.bills.collector import BillsCollector
from collector.datastore.bills.config import BillsConfig
from collector.datastore.s3.bucket import Bucket
from collector.readings import Checkpoint, Coverage, DeadLetter, Readings, Window

_NOW_US = 1_790_000_000_000_000


class Agent:
    """Asks again and again with the checkpoint carried on."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._config = BillsConfig.model_validate({"kind": "bills", **settings})
        self._bucket = Bucket(self._config.folder)
        self._now_us = _NOW_US
        self.checkpoint: Checkpoint = {}
        self.book = Book()
        self.coverage: list[Coverage] = []
        self.letters: list[DeadLetter] = []
        self._begin()

    def _begin(self) -> None:
        self.collector = BillsCollector(self._config, self._bucket)

    def restart(self, checkpoint: Checkpoint | None = None) -> None:
        """Die, and come back with the last checkpoint that was stored, or with an earlier one."""
        self.checkpoint = json.loads(json.dumps(self.checkpoint if checkpoint is None else checkpoint))
        self._begin()

    def collect(self, *, is_stored: bool = True) -> Readings:
        """One collection; one that is not stored was sent nevertheless."""
        window = Window(self._now_us, self._now_us + 60_000_000)
        readings = self.collector.collect(window, self.checkpoint)
        assert [(each.start_us, each.end_us) for each in readings.coverage] == [(window.start_us, window.end_us)]
        assert (readings.coverage[0].reason == "") == (readings.coverage[0].status == "complete")
        self.book.take(readings)
        if is_stored:
            self._now_us = window.end_us
            self.checkpoint = readings.checkpoint
            self.coverage += readings.coverage
            self.letters += readings.dead_letters
        return readings

    def tick(self) -> Coverage:
        """Collect until there is no more; gives the last coverage."""
        while self.collect().more:
            pass
        return self.coverage[-1]


class Book:
    """The charges that came, by version, and the bills that stand."""

    def __init__(self) -> None:
        self.lines: dict[str, dict[int, dict[str, Any]]] = {}
        self.bills: dict[str, dict[str, Any]] = {}
        #: Versions in the order in which they were closed.
        self.closed: list[str] = []

    def take(self, readings: Readings) -> None:
        readings.charges.validate(full=True)
        readings.bills.validate(full=True)
        for row in readings.charges.to_pylist():
            known = self.lines.setdefault(row["version"], {}).setdefault(row["line"], row)
            assert known == row, "a line of a version is never two things"
        for row in readings.bills.to_pylist():
            lines = self.lines.get(row["version"], {})
            assert sorted(lines) == list(range(row["charges"])), "a bill is closed with all of its lines"
            assert sum(each["BilledCost"] for each in lines.values()) == row["billed"]
            assert {each["period"] for each in lines.values()} <= {row["period"]}
            assert self.bills.setdefault(row["version"], row) == row, "a version is closed as one thing"
            if row["version"] not in self.closed:
                self.closed.append(row["version"])

    def standing(self) -> list[dict[str, Any]]:
        """The charges of the bills that stand, the last of each billing period, without what the version is called by."""
        last = {self.bills[version]["period"]: version for version in self.closed}
        return [
            {name: held for name, held in row.items() if name not in ("version", "line")}
            for _, version in sorted(last.items())
            for _, row in sorted(self.lines.get(version, {}).items())
        ]
