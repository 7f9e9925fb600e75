"""The parts of an invoice's table: what goes by time, usage, adjustments of the whole, corrections, and what was promised or granted before.

Every line is in one section and one group, so the sums of the sections are the invoice's total. A discount or a minimum stands with the price that it is for; one of a product stands with the
product's usage, or with what else it has where there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from ledger.billing.invoice import Invoice, InvoiceLine
from ledger.export.rows import rows_of
from ledger.export.sheet import Group, Section
from ledger.export.wording import Wording, printable
from ledger.rating.models import MODELS, name_of
from ledger.schema.decimals import total

Part = Literal["recurring", "usage", "adjustments", "corrections", "settlement"]
_ORDER: tuple[Part, ...] = ("recurring", "usage", "adjustments", "corrections", "settlement")
_SETTLING = frozenset({"commitment", "overage", "draw-down", "credit"})
#: Models that charge what serving the customer cost: it follows from usage, though no meter of the plan's is named.
_OF_COST = frozenset(name_of(model) for model in MODELS if model.of == "cost")


def sections_of(invoice: Invoice, wording: Wording) -> Iterator[Section]:
    """The sections that have lines, in order."""
    sorting = _Sorting(invoice)
    for part in _ORDER:
        groups: dict[str, list[InvoiceLine]] = {}
        for each in invoice.lines:
            if sorting.part(each) == part:
                groups.setdefault(each.corrects if part == "corrections" else each.line.product, []).append(each)
        if groups:
            title: str = getattr(wording.labels, part)
            amounts = (each.amount for lines in groups.values() for each in lines)
            made = tuple(_group(name, lines, invoice, wording) for name, lines in groups.items())
            yield Section(title, made, wording.amount(total(amounts)))


def _group(name: str, lines: list[InvoiceLine], invoice: Invoice, wording: Wording) -> Group:
    shown = printable(name)
    return Group(
        title=shown,
        rows=tuple(row for each in lines for row in rows_of(each, invoice, wording)),
        subtotal_label=wording.labels.subtotal.format(name=shown).strip(),
        subtotal=wording.amount(total(each.amount for each in lines)) if len(lines) > 1 and shown else None,
    )


@dataclass
class _Sorting:
    """Which part of an invoice a line belongs to."""

    invoice: Invoice
    _metered: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        for each in self.invoice.lines:
            line = each.line
            if line.meter or line.model in _OF_COST:
                # The product as a whole is of usage as soon as one of its prices is.
                self._metered |= {(line.product, line.price), (line.product, "")}

    def part(self, each: InvoiceLine) -> Part:
        """The part of one line."""
        line = each.line
        if line.role in _SETTLING:
            return "settlement"
        if each.corrects:
            return "corrections"
        if not line.product:
            return "adjustments"
        return "usage" if (line.product, line.price) in self._metered else "recurring"
