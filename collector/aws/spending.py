"""What asking costs, and the budget that ends it.

Each page counts, at each attempt, so that the truth is at most what is told. What was answered stands in the checkpoint, so that a
budget outlives restarts. What was asked in vain, or could not be stored, is remembered as long as the process lives. Retries within one
request can exceed the budget by themselves, and count for the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

from collector.errors import PermanentError
from collector.readings import remembered
from meterbook.wire.instants import from_datetime, text, to_datetime


class BudgetSpent(PermanentError):
    """Asking on would cost more than the month may."""


@dataclass(frozen=True)
class Spent:
    """What was asked for and spent: in a calendar month, and since ``since_us``. Metrics are counted where they are what is paid for."""

    month: str
    since_us: int
    month_usd: str = "0"
    month_requests: int = 0
    month_metrics: int = 0
    requests: int = 0
    metrics: int = 0


class Purse:
    """The money of one source, over all collections of this process."""

    def __init__(self, source: str, budget_usd: Decimal) -> None:
        """``budget_usd`` is what may be spent in a calendar month (UTC)."""
        self.source, self.budget_usd = source, budget_usd
        self._month, self._usd = "", Decimal(0)

    def open(self, document: Mapping[str, Any] | None, since_us: int, now_us: int) -> Tab:
        """A tab that goes on from what is stored."""
        before = remembered(Spent, document) if document else Spent("", since_us)
        month = to_datetime(now_us).strftime("%Y-%m")
        if before.month != month:
            before = replace(before, month=month, month_usd="0", month_requests=0, month_metrics=0)
        if self._month != month:
            self._month, self._usd = month, Decimal(0)
        self._usd = max(self._usd, Decimal(before.month_usd))
        return Tab(self, before, now_us)

    def take(self, cost_usd: Decimal) -> None:
        """Spend."""
        self._usd += cost_usd

    @property
    def usd(self) -> Decimal:
        """Spent in the month, whether that is stored or not."""
        return self._usd


class Tab:
    """What one collection spends."""

    def __init__(self, purse: Purse, spent: Spent, now_us: int) -> None:
        self.spent = spent
        self._purse, self._now_us = purse, now_us
        self._answered = False

    def send(self, cost_usd: Decimal) -> None:
        """Before a request that costs so much. Raises BudgetSpent."""
        budget_usd = self._purse.budget_usd
        if self._purse.usd + cost_usd > budget_usd:
            metrics = f"for {self.spent.month_metrics} metrics " if self.spent.month_metrics else ""
            raise BudgetSpent(
                f"{self._purse.source}: the budget of {budget_usd} USD for {self.spent.month} does not allow for another request: "
                f"{self._purse.usd.normalize():f} USD are spent, {metrics}in {self.spent.month_requests} "
                f"requests that were answered; it begins anew at {text(self._next_month_us())}"
            )
        self._purse.take(cost_usd)

    def answer(self, cost_usd: Decimal, attempts: int, metrics: int = 0) -> None:
        """After the answer to a request that was sent so often; ``cost_usd`` and ``metrics`` are those of one attempt."""
        self._purse.take(cost_usd * (attempts - 1))
        before = self.spent
        self.spent = replace(
            before,
            month_usd=f"{Decimal(before.month_usd) + cost_usd * attempts:f}",
            month_requests=before.month_requests + attempts,
            month_metrics=before.month_metrics + metrics * attempts,
            requests=before.requests + attempts,
            metrics=before.metrics + metrics * attempts,
        )
        self._answered = True

    def added(self, checkpoint: Mapping[str, Any]) -> Mapping[str, Any]:
        """The checkpoint with what was spent; the same where nothing was."""
        return {**checkpoint, "spent": asdict(self.spent)} if self._answered else checkpoint

    def _next_month_us(self) -> int:
        now = to_datetime(self._now_us)
        year, month = (now.year + 1, 1) if now.month == 12 else (now.year, now.month + 1)
        return from_datetime(now.replace(year=year, month=month, day=1, hour=0, minute=0, second=0, microsecond=0))
