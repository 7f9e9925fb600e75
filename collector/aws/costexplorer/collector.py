"""One collection: the months that are due, each as a new version if it is another than before.

A month that cannot be read leaves the others alone; what concerns the account (throttling, a denial, the budget) ends the collection. What
was read stands. Time is complete only when all that was due was read, and is told as that from where it first was not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from collector.account.session import Account
from collector.aws.costexplorer.answers import digest
from collector.aws.costexplorer.asking import Asker, MonthUnread
from collector.aws.costexplorer.config import CostExplorerConfig
from collector.aws.costexplorer.months import Due, Month, Plan, day_of, plan, still_open
from collector.aws.costexplorer.permissions import GRANTS
from collector.aws.costexplorer.telling import bill, charges, requests, version_of
from collector.aws.spending import Purse, Tab
from collector.definitions import Known
from collector.errors import SourceError
from collector.readings import Checkpoint, Coverage, Readings, Window
from meterbook.wire.instants import text
from meterbook.wire.sections import BILLS, CHARGES


@dataclass
class _Told:
    """What one collection has read, and what it has not."""

    read: set[Month] = field(default_factory=set)
    digests: dict[str, str] = field(default_factory=dict)
    charges: list[pa.Table] = field(default_factory=list)
    bills: list[pa.Table] = field(default_factory=list)
    faults: list[SourceError] = field(default_factory=list)


class CostExplorerCollector:
    """Reads the costs of one account."""

    def __init__(self, config: CostExplorerConfig, account: Account | None = None) -> None:
        """Nothing is asked yet. Without ``account`` one is opened as configured."""
        self._config = config
        self._asker = Asker(config, account or Account(config.account, GRANTS))
        self._purse = Purse(config.source, config.budget_per_month_usd)

    @property
    def source(self) -> str:
        """``aws_cost_explorer/<name or account>``."""
        return self._config.source

    @property
    def catches_up(self) -> bool:
        """A month that was not read in time is read later, as long as Cost Explorer has it."""
        return True

    @property
    def lease(self) -> str:
        """One reader is enough, and each one is paid for."""
        return f"{self.source}#{hashlib.sha256(self._config.owner.encode()).hexdigest()[:16]}"

    def collect(self, window: Window, checkpoint: Checkpoint) -> Readings:
        """The months that are due at the end of the window."""
        today = day_of(window.end_us)
        tab = self._purse.open(checkpoint.get("spent"), window.start_us, window.end_us)
        known = checkpoint.get("months", {})
        since = checkpoint.get("open_since")
        planned = plan(
            Month.named(since) if since else None, today, self._config.settle_days, self._config.history_months
        )
        told = _Told()
        for due in planned.due:
            try:
                self._read(due, known, window, tab, told)
            except SourceError as error:
                told.faults.append(error)
                if not isinstance(error, MonthUnread):
                    break
        if told.faults and not told.read:
            return self._failed(window, {"open_since": planned.due[0].month.name, **checkpoint}, tab, told.faults)
        after = still_open(planned, told.read, today, self._config.settle_days)
        since_us = min(checkpoint.get("since_us", window.start_us), window.start_us)
        kept = {
            "open_since": after.name,
            "months": {name: each for name, each in {**known, **told.digests}.items() if name >= after.name},
            "since_us": max(since_us, planned.lost_us or since_us) if told.faults else window.end_us,
            **({"spent": checkpoint["spent"]} if "spent" in checkpoint else {}),
        }
        return self._readings(window, _coverage(self.source, window, since_us, planned, told.faults), told, tab, kept)

    def end(self, time_us: int, checkpoint: Checkpoint) -> Readings | None:
        """Nothing is held open."""
        return None

    def close(self) -> None:
        """Close connections."""
        self._asker.close()

    def _read(self, due: Due, known: Mapping[str, str], window: Window, tab: Tab, told: _Told) -> None:
        ordered = self._asker.month(due, tab)
        name = due.month.name
        told.read.add(due.month)
        told.digests[name] = digest(ordered)
        if known.get(name) != told.digests[name]:
            version = version_of(ordered, window.end_us)
            told.charges.append(charges(self._config, due.month, version, ordered))
            told.bills.append(bill(self._config, due.month, version, ordered, window.end_us))

    def _failed(self, window: Window, checkpoint: Checkpoint, tab: Tab, faults: list[SourceError]) -> Readings:
        failed = Coverage(self.source, window.start_us, window.end_us, faults[-1].status, _reason(faults))
        kept = {"since_us": window.start_us, **checkpoint}
        return Readings((failed,), checkpoint=tab.added(kept))

    def _readings(
        self, window: Window, coverage: tuple[Coverage, ...], told: _Told, tab: Tab, kept: Mapping[str, Any]
    ) -> Readings:
        checkpoint = tab.added(kept)
        counted: dict[str, Any] = {}
        if "spent" in checkpoint:
            series, samples = requests(self._config, tab.spent, window.end_us)
            counted = {"series": Known.by([series]), "samples": samples}
        return Readings(
            coverage=coverage,
            charges=pa.concat_tables([CHARGES.empty_table(), *told.charges]),
            bills=pa.concat_tables([BILLS.empty_table(), *told.bills]),
            checkpoint=checkpoint,
            **counted,
        )


def _coverage(
    source: str, window: Window, since_us: int, planned: Plan, faults: list[SourceError]
) -> tuple[Coverage, ...]:
    """``since_us`` is until where time was told to be complete."""
    found: list[Coverage] = []
    at = window.start_us if faults else since_us
    if planned.lost_us is not None and since_us < planned.lost_us:
        reason = f"costs of months before {text(planned.lost_us)} are not kept any more, and were not read in time"
        found.append(Coverage(source, since_us, planned.lost_us, "lost", reason))
        at = planned.lost_us
    if faults:
        found.append(Coverage(source, at, window.end_us, "partial", _reason(faults)))
    else:
        found.append(Coverage(source, at, window.end_us, "complete"))
    return tuple(found)


def _reason(faults: list[SourceError]) -> str:
    return "; ".join(str(fault) for fault in faults)
