"""What drafts are made of, read from one book: usage by tenant, finalized invoices, credits, cost.

Everything is read once for all tenants that are asked for, because thousands of drafts are made of one book: usage by range, invoices and credits at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

from ledger.billing.cycles import Account
from ledger.billing.document import invoice_of
from ledger.billing.drafting import Desk
from ledger.billing.invoice import Finalized
from ledger.billing.period import Period
from ledger.billing.settling import Grant
from ledger.journal.view import View
from ledger.metering.usage import Usage
from ledger.query.costs import Costs
from ledger.query.pieces import Pieces
from ledger.query.questions import Book
from ledger.rating.model import Unpriced

#: Why a draft cannot be made: usage that fits no price, a cost that is not known yet, a plan without a version, a number too large.
UNDRAFTABLE = (Unpriced, ValueError, LookupError, ArithmeticError)


class Past:
    """The finalized invoices of some tenants (empty for all): what was read of one view is read on from there of a later one."""

    def __init__(self, tenants: Collection[str]) -> None:
        self._tenants, self._position = tenants, 0
        self.by_tenant: dict[str, list[Finalized]] = {}
        self.rows: dict[str, dict[str, Any]] = {}

    def read(self, view: View) -> None:
        """Read what was finalized since."""
        since, self._position = self._position, view.position
        # A table without rows takes long to ask for many columns.
        if view.newest_invoice() <= since:
            return
        for row in view.invoices(tenants=self._tenants, after=since).to_pylist():
            finalized = Finalized(row["id"], row["position"], invoice_of(row.pop("document")))
            self.by_tenant.setdefault(row["tenant"], []).append(finalized)
            self.rows[row["id"]] = row


class Desks:
    """The desks of some tenants (empty for all) of one book."""

    def __init__(
        self, book: Book, tenants: Collection[str], pieces: Pieces | None = None, past: Past | None = None
    ) -> None:
        self.pieces = pieces or Pieces(book, tenants)
        self.book, self._costs = book, Costs(book)
        self._past = past or Past(tenants)
        self._past.read(book.view)

    def desk(self, account: Account) -> Desk:
        """All that drafts of one subscription are made of."""
        return Desk(
            account,
            TenantBook(self.pieces, self._costs, account),
            self.past(account.tenant),
            [Grant(name, each) for name, each in self.book.catalog.credits_of(account.tenant).items()],
            self.book.view.position,
        )

    def only(self, tenants: Collection[str]) -> Desks:
        """The desks of some of the tenants, for which less is read."""
        return Desks(self.book, tenants, past=self._past)

    def row(self, id: str) -> Mapping[str, Any]:
        """A finalized invoice as the journal has it, without its document."""
        return self._past.rows[id]

    def past(self, tenant: str) -> Sequence[Finalized]:
        """The finalized invoices of a tenant, oldest first."""
        return self._past.by_tenant.get(tenant, ())


def said(error: Exception) -> str:
    """Why a draft cannot be made, as a clause."""
    return (
        str(error)
        if not isinstance(error, ArithmeticError)
        else f"an amount has more digits than there are ({error!r})"
    )


class TenantBook:
    """What the book knows of one tenant."""

    def __init__(self, pieces: Pieces, costs: Costs, account: Account) -> None:
        self._pieces, self._costs = pieces, costs
        self._tenant, self._zone = account.tenant, account.zone
        self._used: dict[tuple[int, int], Mapping[str, Sequence[Usage]]] = {}

    def used(self, start_us: int, end_us: int) -> Mapping[str, Sequence[Usage]]:
        """Usage by meter."""
        # Every price of a plan asks for the same range.
        known = self._used.get((start_us, end_us))
        if known is None:
            known = self._used[start_us, end_us] = self._pieces.by_meter(self._tenant, Period(start_us, end_us))
        return known

    def cost(self, start_us: int, end_us: int, currency: str) -> Decimal:
        """What serving the tenant cost. Raises CostUnknown."""
        return self._costs.of(self._tenant, self._zone, start_us, end_us, currency)

    def moved(self, start_us: int, end_us: int, since: int) -> bool:
        """Whether entries of the range, or any definition, were written after ``since``."""
        return self._pieces.moved(self._tenant, start_us, end_us, since)
