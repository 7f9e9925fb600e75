"""The gate before a period is closed: what is still in the way, meter by meter and tenant by tenant.

Three things can be: a window of the meter is still open (see ``closing``); of a tenant less was observed than the meter's ``gate``
demands; more of a tenant's quantity is estimated than ``estimated_max`` lets through.

What was observed is judged by the tenant's sources, over the whole period, and not by the quantities: a window of silence has no
quantity, and would otherwise be missing in the reckoning as well. Silence is judged at the time of the closing, since a book in which
nobody writes any more stands still. A gate is that of the version of the meter that holds last in the period.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Literal

from ledger.directory.catalog import Catalog
from ledger.directory.meter import Meter
from ledger.journal.view import View
from ledger.metering.answer import usage
from ledger.metering.booking import MeterVersion, meter_versions
from ledger.metering.closing import Closing, allowed_us, closing
from ledger.metering.grid import ceil_us
from ledger.metering.holes import Hole, holes
from ledger.metering.observation import Observation
from ledger.metering.sources import tenants_behind
from ledger.schema.decimals import plain_text, portion, total
from meterbook.wire import instants

#: Nobody has told anything of an interval yet, and it is waited for.
AWAITED = "awaited"
#: Holes of an obstacle that are told.
HOLES_MAX = 100


@dataclass(frozen=True)
class SourceHole:
    """A hole of a source."""

    source: str
    hole: Hole


@dataclass(frozen=True)
class Obstacle:
    """What is in the way: ``reason`` is one sentence; no ``tenant`` means all of them.

    ``holes`` are what is missing behind it, the first so many of ``holes_total``: a month of a fleet has more than anybody reads.
    """

    meter: str
    tenant: str
    kind: Literal["open", "coverage", "estimated"]
    reason: str
    holes: tuple[SourceHole, ...] = ()
    holes_total: int = 0

    @classmethod
    def of(
        cls, meter: str, tenant: str, kind: Literal["open", "coverage"], reason: str, found: Iterable[SourceHole]
    ) -> Obstacle:
        """An obstacle with the first of its holes."""
        every = tuple(found)
        return cls(meter, tenant, kind, reason, every[:HOLES_MAX], len(every))


class Inspection:
    """What is to be known of [start, end) before it is closed at ``now_us``; ``lateness_us`` is that of meters that say none."""

    def __init__(
        self, view: View, catalog: Catalog, start_us: int, end_us: int, *, now_us: int, lateness_us: int = 0
    ) -> None:
        self._view, self._catalog = view, catalog
        self._start_us, self._end_us = start_us, end_us
        self._now_us, self._lateness_us = now_us, lateness_us

    def versions(self, name: str) -> list[MeterVersion]:
        """The versions of a meter that hold for windows that begin in the period, oldest first."""
        return [
            each
            for each in meter_versions(self._catalog, name)
            if ceil_us(each.windows, max(each.start_us, self._start_us)) < min(each.end_us, self._end_us)
        ]

    def obstacles(self, names: Iterable[str]) -> list[Obstacle]:
        """What is in the way of some meters, by meter and then by tenant."""
        found: list[Obstacle] = []
        for name in sorted(names):
            if versions := self.versions(name):
                found += self._open(name, versions)
                found += self._unobserved(name, versions[-1].meter)
                found += self._estimated(name, versions[-1].meter)
        return found

    def coverage(self, meter: Meter) -> dict[str, tuple[int, int]]:
        """Observed and expected microseconds of the sources of each tenant, by tenant."""
        return {tenant: self._watched(sources) for tenant, sources in self._behind(meter).items()}

    def _behind(self, meter: Meter) -> Mapping[str, frozenset[str]]:
        return tenants_behind(self._view, meter, self._observation.accounts, self._start_us, self._end_us)

    def _watched(self, sources: Iterable[str]) -> tuple[int, int]:
        both = [self._observation.between(source, self._start_us, self._end_us) for source in sources]
        return sum(observed_us for observed_us, _ in both), sum(expected_us for _, expected_us in both)

    @cached_property
    def _observation(self) -> Observation:
        return Observation(self._view, self._start_us, self._end_us, self._now_us)

    def _open(self, name: str, versions: list[MeterVersion]) -> Iterator[Obstacle]:
        for version in versions:
            # The last window that begins in the period may end behind it.
            end_us = ceil_us(version.windows, min(self._end_us, version.end_us))
            found = closing(self._view, version.meter, self._now_us, self._lateness_us)
            if found.until_us < end_us:
                at_the_latest = instants.text(end_us + allowed_us(version.meter, self._lateness_us))
                reason = (
                    f"windows are closed until {instants.text(found.until_us)} and the last one ends at {instants.text(end_us)}: "
                    f"it closes at {at_the_latest} at the latest"
                )
                if unaccounted := [each.source for each in found.awaited if each.watermark_us is None]:
                    reason += f", and not before, since no agent accounts for {unaccounted[0]}"
                yield Obstacle.of(name, "", "open", reason, self._awaited(found, end_us, at_the_latest))

    def _awaited(self, found: Closing, end_us: int, at_the_latest: str) -> Iterator[SourceHole]:
        for each in found.awaited:
            if each.watermark_us is not None and each.watermark_us < end_us:
                agent = self._observation.agent(each.source)
                hole = Hole(
                    each.watermark_us,
                    end_us,
                    AWAITED,
                    f"agent {agent} has told nothing of it yet",
                    agent,
                    f"it comes with what the agent sends next; nobody waits beyond {at_the_latest}",
                )
                yield SourceHole(each.source, hole)

    def _unobserved(self, name: str, meter: Meter) -> Iterator[Obstacle]:
        if meter.gate is None:
            return
        for tenant, sources in self._behind(meter).items():
            observed_us, expected_us = self._watched(sources)
            share = portion(observed_us, expected_us)
            if share is None or observed_us >= Fraction(meter.gate) * expected_us:
                continue
            reason = f"{plain_text(share)} of the expected time was observed, and the gate is {plain_text(meter.gate)}"
            yield Obstacle.of(name, tenant, "coverage", reason, self._missing(sources))

    def _missing(self, sources: Iterable[str]) -> Iterator[SourceHole]:
        known = set(self._observation.sources)
        for source in sorted(known.intersection(sources)):
            for hole in holes(self._observation, source, self._start_us, self._end_us):
                if hole.is_missing:
                    yield SourceHole(source, hole)

    def _estimated(self, name: str, meter: Meter) -> Iterator[Obstacle]:
        if meter.estimated_max is None:
            return
        sums: dict[str, list[tuple[Decimal, Decimal]]] = {}
        for row in usage(self._view, self._catalog, self._start_us, self._end_us, meters=[name]):
            sums.setdefault(row.tenant, []).append((row.estimated.copy_abs(), row.quantity.copy_abs()))
        for tenant, both in sums.items():
            estimated, quantity = (total(each[place] for each in both) for place in (0, 1))
            if estimated > 0 and Fraction(estimated) > Fraction(meter.estimated_max) * Fraction(quantity):
                reason = (
                    f"{plain_text(estimated)} of {plain_text(quantity)} are estimated, and estimated_max is "
                    f"{plain_text(meter.estimated_max)}"
                )
                yield Obstacle(name, tenant, "estimated", reason)
