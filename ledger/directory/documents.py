"""The kinds of definition, in one place, and what a definition looks like once it has been read.

A new kind is one module with its specification and one line in ``KINDS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ledger.directory.allocation import Allocation
from ledger.directory.credit import Credit
from ledger.directory.exchange import ExchangeRates
from ledger.directory.meter import Meter
from ledger.directory.plan import Plan
from ledger.directory.pricebook import PriceBook
from ledger.directory.pricesheet import PriceSheet
from ledger.directory.reassignment import Reassignment
from ledger.directory.seller import Seller
from ledger.directory.subscription import Subscription
from ledger.directory.tenant import Tenant
from ledger.schema.spec import Path, Spec

KINDS: Mapping[str, type[Spec]] = {
    "allocation": Allocation,
    "credit": Credit,
    "exchange-rates": ExchangeRates,
    "meter": Meter,
    "plan": Plan,
    "price-book": PriceBook,
    "price-sheet": PriceSheet,
    "reassignment": Reassignment,
    "seller": Seller,
    "subscription": Subscription,
    "tenant": Tenant,
}


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong in a manifest.

    ``place`` is ``file:line``, ``field`` the dotted path (empty for the document as a whole), ``message`` a
    clause that names the value. As text the three make the sentence that people read.
    """

    place: str
    field: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.field, self.message) if part)


@dataclass(frozen=True)
class Document:
    """A definition as somebody wrote it, checked by itself but not yet against the others.

    ``effective_from_us`` is 0, the beginning of time, where nothing else was said. ``lines`` gives the line of
    every field, from 1.
    """

    kind: str
    name: str
    effective_from_us: int
    spec: Spec
    place: str
    file: str = field(default="", compare=False)
    lines: Mapping[Path, int] = field(default_factory=dict, repr=False, compare=False)

    def fault(self, path: Path, message: str) -> Fault:
        """A fault at a field of this document."""
        return Fault(place_of(self.file, self.lines, path) if self.lines else self.place, field_text(path), message)


def place_of(file: str, lines: Mapping[Path, int], path: Path) -> str:
    """``file:line`` of a field, or of the nearest thing around it that was written down."""
    while path and path not in lines:
        path = path[:-1]
    return f"{file}:{lines.get(path, 1)}"


def field_text(path: Path) -> str:
    """``spec.charges[0].meter``: list positions from 0, in brackets."""
    parts = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(parts).removeprefix(".")
