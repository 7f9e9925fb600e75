"""Usage of one book by range, each range read once, and the cost of it by price sheets."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from itertools import pairwise

from ledger.billing.period import Period
from ledger.costing.pricesheet import CostLine, costs, merged, unpriced
from ledger.journal.unswept import unswept
from ledger.metering.answer import TooLarge, usage
from ledger.metering.usage import Usage
from ledger.query.questions import BadQuestion, Book


class Pieces:
    """Usage of one book by range, each range read once, and what follows from it."""

    def __init__(self, book: Book, tenants: Collection[str]) -> None:
        self._book = book
        self._tenants = tenants
        self._usage: dict[tuple[int, int], list[Usage]] = {}
        self._by_tenant: dict[Period, dict[str, list[Usage]]] = {}

    def usage(self, start_us: int, end_us: int) -> list[Usage]:
        """What the tenants used in a range. Raises BadQuestion where a quantity has no room."""
        if (start_us, end_us) not in self._usage:
            try:
                with unswept():
                    self._usage[start_us, end_us] = usage(
                        self._book.view, self._book.catalog, start_us, end_us, tenants=self._tenants
                    )
            except TooLarge as error:
                raise BadQuestion(f"{error}; measure it by a meter of a larger unit") from error
        return self._usage[start_us, end_us]

    def costs(self, period: Period) -> tuple[tuple[CostLine, ...], list[str]]:
        """Cost lines of a period, and the meters that no sheet had a price for; sheets may change in between."""
        changes = self._book.catalog.changes("price-sheet", period.start_us, period.end_us)
        pieces, without_price = [], set[str]()
        for start_us, end_us in pairwise((period.start_us, *changes, period.end_us)):
            rows, sheets = self.usage(start_us, end_us), self._book.catalog.price_sheets(start_us)
            pieces.append(costs(rows, sheets))
            without_price.update(unpriced(rows, sheets))
        return merged(*pieces), sorted(without_price)

    def of_tenant(self, tenant: str, period: Period) -> list[Usage]:
        """What one tenant used in a period."""
        if period not in self._by_tenant:
            found: dict[str, list[Usage]] = {}
            for row in self.usage(period.start_us, period.end_us):
                found.setdefault(row.tenant, []).append(row)
            self._by_tenant[period] = found
        return self._by_tenant[period].get(tenant, [])

    def by_meter(self, tenant: str, period: Period) -> Mapping[str, Sequence[Usage]]:
        """What one tenant used in a period, by meter."""
        found: dict[str, list[Usage]] = {}
        for row in self.of_tenant(tenant, period):
            found.setdefault(row.meter, []).append(row)
        return found

    def moved(self, tenant: str, start_us: int, end_us: int, since: int) -> bool:
        """Whether entries of a tenant's range, or any definition, were written after a position."""
        if since < self._newest_definition:
            return True
        view = self._book.view
        return bool(
            view.tables.query(
                "SELECT 1 FROM entries WHERE tenant = ? AND position > ? AND position <= ?"
                " AND hour >= make_timestamp(?) AND hour < make_timestamp(?) LIMIT 1",
                [tenant, since, view.position, start_us, end_us],
            ).num_rows
        )

    @cached_property
    def _newest_definition(self) -> int:
        return max((each.position for each in self._book.catalog), default=0)
