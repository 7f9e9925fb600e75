"""What is in the way of finalizing: open windows, coverage and estimates, by tenant, each meter of a period judged once.

A period that an operator closed was judged then, and is not judged again.
"""

from __future__ import annotations

from collections.abc import Collection

from ledger.billing.closes import CLOSE_KINDS, closes
from ledger.billing.period import Period
from ledger.metering.gate import Inspection, Obstacle
from ledger.query.questions import Book


class Gates:
    """The gates of one book at one time."""

    def __init__(self, book: Book, now_us: int, lateness_us: int) -> None:
        self._book, self._now_us, self._lateness_us = book, now_us, lateness_us
        self._found: dict[tuple[Period, str], list[Obstacle]] = {}
        self._closes = closes(book.view.acts(kinds=CLOSE_KINDS).to_pylist())

    def obstacles(self, tenant: str, period: Period, meters: Collection[str]) -> list[Obstacle]:
        """What is in the way of charging a tenant for these meters in a period."""
        return [
            each for meter in sorted(meters) for each in self._of_meter(period, meter) if each.tenant in ("", tenant)
        ]

    def _of_meter(self, period: Period, meter: str) -> list[Obstacle]:
        if (period, meter) not in self._found:
            is_closed = any(
                meter in each.meters and each.period.start_us <= period.start_us and period.end_us <= each.period.end_us
                for each in self._closes
            )
            self._found[period, meter] = [] if is_closed else self._inspected(period, meter)
        return self._found[period, meter]

    def _inspected(self, period: Period, meter: str) -> list[Obstacle]:
        inspection = Inspection(
            self._book.view,
            self._book.catalog,
            period.start_us,
            period.end_us,
            now_us=self._now_us,
            lateness_us=self._lateness_us,
        )
        return inspection.obstacles([meter])
