"""Invoices as values: what is charged for a billing period, less what was invoiced for it before.

``total`` is the plain sum of the lines' amounts, each rounded once: whoever adds up an invoice by hand gets its total. An invoice of less than
nothing is a credit note; it is made, numbered and proved like any other.

The coverage is one figure, the observed part of the time that was expected to be observed, over all lines; usage that is not charged does
not count. It is rounded down, so that 1 means all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Literal

from ledger.billing.allowance import Carried
from ledger.billing.charging import Line
from ledger.billing.parties import NOBODY, PLAIN, Paper, Party
from ledger.billing.period import Period
from ledger.rating.rounding import round_exact
from ledger.schema.decimals import portion, total

Kind = Literal["invoice", "credit-note"]
#: What an invoice is made of: a cycle, what is billed before the first one, or what earlier invoices should have been.
Basis = Literal["cycle", "opening", "correction"]


@dataclass(frozen=True)
class InvoiceLine:
    """A line of an invoice, for the cycle that begins at ``cycle_us``.

    ``amount`` is what is to be paid by this line. Where ``invoiced`` is not zero, the line takes back what earlier invoices charged of the
    same. ``corrects`` is the id of the invoice that the line corrects, "" for none.
    """

    line: Line
    cycle_us: int
    amount: Decimal
    invoiced: Decimal = Decimal(0)
    corrects: str = ""


@dataclass(frozen=True)
class Invoice:
    """What is to be paid; a draft until it has a number. ``as_of`` is the journal position that it follows from.

    ``period`` is the whole billing period, ``billed`` what of it the subscription covers. ``carried`` is what is left of allowances.
    """

    as_of: int
    tenant: str
    subscription: str
    plan: str
    plan_version: int
    period: Period
    billed: Period
    currency: str
    lines: tuple[InvoiceLine, ...]
    carried: Mapping[str, Carried]
    notes: tuple[str, ...] = ()
    seller: Party = NOBODY
    customer: Party = NOBODY
    paper: Paper = PLAIN
    basis: Basis = "cycle"

    @cached_property
    def total(self) -> Decimal:
        """The sum of the lines, in whole coins."""
        return round_exact(total(each.amount for each in self.lines), self.currency)

    @property
    def kind(self) -> Kind:
        """What it is called once it has a number."""
        return "credit-note" if self.total < 0 else "invoice"

    @property
    def coverage(self) -> Decimal | None:
        """The observed part of what was expected; None where nothing is expected."""
        lines = [each.line for each in self.lines]
        return portion(sum(line.observed_us for line in lines), sum(line.expected_us for line in lines))


@dataclass(frozen=True)
class Finalized:
    """An invoice with its number, and the position at which it stands in the journal."""

    id: str
    position: int
    invoice: Invoice
