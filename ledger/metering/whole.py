"""What is booked of a range as a whole: one question for all meters and tenants, and the usage that it is.

Thousands of invoices are drafted from one such answer, so its columns become usage without a detour through sums of their own: where a range is settled, the
tables have added it up exactly.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from ledger.journal.cancelling import checked
from ledger.journal.view import View
from ledger.metering.usage import Usage

_COLUMNS = (
    "meter",
    "tenant",
    "dimensions",
    "quantity",
    "estimated",
    "observed_us",
    "expected_us",
    "entries",
    "first",
    "last",
)


@dataclass(frozen=True)
class Whole:
    """The booked usage of a range, by meter."""

    rows: dict[str, list[Usage]]

    @classmethod
    def read(
        cls, view: View, units: Mapping[str, str], start_us: int, end_us: int, tenants: Collection[str] = ()
    ) -> Whole:
        """What the entries of the hours that begin in [start, end) add up to, of meters with their units; empty ``tenants`` mean all."""
        found: dict[str, list[Usage]] = {}
        table = view.booked_together(start_us, end_us, units, tenants)
        columns = [table[name].to_pylist() for name in _COLUMNS]
        for meter, tenant, dimensions, quantity, estimated, *rest in checked(zip(*columns, strict=True)):
            if not tenants or tenant in tenants:
                row = Usage(meter, tenant, dimensions, None, quantity, units[meter], estimated, *rest)
                found.setdefault(meter, []).append(row)
        return cls(found)

    def usage(self, meter: str) -> Iterable[Usage]:
        """The usage of a meter of which everything is booked; what was booked and taken back in full is like what never was."""
        return (
            row
            for row in self.rows.get(meter, ())
            if row.quantity or row.estimated or row.observed_us or row.expected_us
        )

    def with_entries(self, meter: str, made: Iterable[Usage]) -> list[Usage]:
        """Usage of a meter that was put together otherwise, with the entries that are of it."""
        known = {(row.tenant, row.dimensions): row for row in self.rows.get(meter, ())}
        found: list[Usage] = []
        for row in made:
            of = known.get((row.tenant, row.dimensions))
            found.append(row if of is None else replace(row, entries=of.entries, first=of.first, last=of.last))
        return found
