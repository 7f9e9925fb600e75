"""A sheet: everything that stands on a printed invoice, as texts in their places, in the order in which they are read.

HTML and PDF are two ways to set one sheet, so they cannot say different things. Every text is fit for paper (``printable``) and none is markup: whoever sets a
sheet escapes what it holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ledger.export.wording import Figure

#: What a row is: a line of the invoice, a piece that it is made of, or a remark on it.
RowKind = Literal["line", "piece", "remark"]


@dataclass(frozen=True)
class Row:
    """A row of the table; figures that do not apply are None."""

    kind: RowKind
    text: str
    quantity: Figure | None = None
    unit: str = ""
    unit_price: Figure | None = None
    amount: Figure | None = None


@dataclass(frozen=True)
class Group:
    """The rows of one product. ``subtotal`` is None where one line stands alone and says it itself."""

    title: str
    rows: tuple[Row, ...]
    subtotal_label: str
    subtotal: Figure | None


@dataclass(frozen=True)
class Section:
    """A part of the table with a title, and what it comes to."""

    title: str
    groups: tuple[Group, ...]
    sum: Figure


@dataclass(frozen=True)
class Fact:
    """Something that has a name."""

    label: str
    value: str


@dataclass(frozen=True)
class Address:
    """A party: a heading, its name, and the lines beneath."""

    heading: str
    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Columns:
    """Headings of the table."""

    description: str
    quantity: str
    unit: str
    unit_price: str
    amount: str


@dataclass(frozen=True)
class Sheet:
    """A printed invoice. ``number`` and ``draft`` are "" where there is none; one of them always is.

    ``page`` has ``{page}`` and ``{pages}`` in it. ``statements`` say how well usage was observed, ``proof`` what it can be checked by.
    """

    language: str
    region: str
    accent: str
    title: str
    number: str
    draft: str
    draft_note: str
    seller: Address | None
    customer: Address
    facts: tuple[Fact, ...]
    total: Fact
    due: Fact | None
    columns: Columns
    sections: tuple[Section, ...]
    nothing: str
    statements: tuple[str, ...]
    notes_label: str
    notes: tuple[str, ...]
    payment_label: str
    payment: tuple[str, ...]
    proof: tuple[str, ...]
    attached: str
    footer: tuple[str, ...]
    page: str

    @property
    def name(self) -> str:
        """What a window or a list of files calls it."""
        return f"{self.title} {self.number or f'({self.draft})'}"
