"""Corrections: entries that changed what had been booked before, with the reasons that their runs gave.

A run tells its reasons for all that it booked, each for the windows that it may be about. So a window has the reasons that reach it,
which may be more than one where several came together; it never has one that did not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal

from ledger.journal.provenance import causes_at, corrections_of
from ledger.journal.view import View
from ledger.metering.news import Cause


@dataclass(frozen=True)
class Correction:
    """What a quantity of a window (its start in microseconds) came to before and after an entry at a journal position."""

    window_us: int
    tenant: str
    dimensions: str
    before: Decimal
    after: Decimal
    position: int
    time_us: int
    reasons: tuple[str, ...]


class Reasons:
    """Why a meter was booked by the runs of some positions; nothing is known of runs that an older release wrote."""

    def __init__(self, view: View, meter: str, positions: Iterable[int]) -> None:
        self._causes: dict[int, list[Cause]] = {}
        for row in causes_at(view, meter, positions).to_pylist():
            cause = Cause(row["kind"], row["name"], row["number"], row["start_us"], row["end_us"])
            self._causes.setdefault(row["position"], []).append(cause)

    def of(self, position: int, window_us: int) -> tuple[str, ...]:
        """Why a window was booked there, for people to read."""
        found = (each for each in self._causes.get(position, ()) if each.start_us <= window_us < each.end_us)
        return tuple(each.text for each in found)


def corrections(
    view: View, meter: str, tenants: Collection[str], start_us: int, end_us: int, limit: int
) -> tuple[list[Correction], int]:
    """The newest corrections of windows that begin in [start, end), of some tenants (empty for all), and how many there are in all."""
    rows = corrections_of(view, meter, tenants, start_us, end_us, limit).to_pylist()
    reasons = Reasons(view, meter, (row["position"] for row in rows))
    found = [
        Correction(
            row["window_us"],
            row["tenant"],
            row["dimensions"],
            row["before"],
            row["after"],
            row["position"],
            row["time_us"],
            reasons.of(row["position"], row["window_us"]),
        )
        for row in rows
    ]
    return found, rows[0]["total"] if rows else 0
