"""The rows of a line: the line itself, the pieces that its amount is made of, and what is to be known of it.

A line that is one quantity at one price says both itself. Any other has its pieces beneath, so that whoever checks it by hand finds every product of two figures; what is included
is a piece that costs nothing. Amounts of pieces are for a whole billing period and exact; a line that is charged for a part of one says for which.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from ledger.billing.charging import Line
from ledger.billing.invoice import Invoice, InvoiceLine
from ledger.billing.period import Period
from ledger.export.sheet import Row
from ledger.export.wording import Figure, Wording, printable
from ledger.rating.model import RatedLine
from ledger.rating.rounding import round_digits
from ledger.schema.decimals import exact, portion, total

_SHARE_DIGITS = 4


def rows_of(each: InvoiceLine, invoice: Invoice, wording: Wording) -> Iterator[Row]:
    """All rows of one line of an invoice."""
    if each.corrects:
        yield from _correction(each, invoice, wording)
        return
    line = each.line
    alone = _alone(line)
    quantity, unit = _quantity(line, wording)
    yield Row(
        "line",
        title_of(line, wording),
        quantity=quantity,
        unit=unit,
        unit_price=None if alone is None or alone.unit_price is None else wording.price(alone.unit_price),
        amount=wording.amount(each.amount),
    )
    if alone is None:
        yield from _pieces(line, wording)
    yield from (Row("remark", text) for text in _remarks(each, invoice.billed, wording))


def title_of(line: Line, wording: Wording) -> str:
    """What a line is called."""
    labels = wording.labels
    names = {
        "charge": "",
        "discount": labels.discount,
        "minimum": labels.minimum,
        "maximum": labels.maximum,
        "commitment": labels.commitment,
        "overage": labels.overage,
        "draw-down": labels.draw_down,
        "credit": labels.credit,
    }
    name, title = names[line.role], printable(line.title)
    return f"{name}: {title}" if name and title else name or title


def _alone(line: Line) -> RatedLine | None:
    """The piece that is the whole line; None where pieces are to be shown."""
    if len(line.details) != 1:
        return None
    piece = line.details[0]
    is_plain = not piece.tier and not piece.label and not line.included
    return piece if is_plain and line.quantity in (None, piece.quantity) else None


def _quantity(line: Line, wording: Wording) -> tuple[Figure | None, str]:
    """Quantity and unit; that of what a commitment covers is money."""
    if line.quantity is None:
        return None, ""
    if line.role == "charge":
        return wording.number(line.quantity), printable(line.unit)
    return wording.amount(line.quantity), wording.currency


def _pieces(line: Line, wording: Wording) -> Iterator[Row]:
    labels = wording.labels
    if line.included:
        yield Row("piece", labels.included, wording.number(line.included), printable(line.unit))
    for piece in line.details:
        tier = labels.tier.format(number=wording.number(Decimal(piece.tier))) if piece.tier else ""
        yield Row(
            "piece",
            ", ".join(part for part in (tier, printable(piece.label)) if part) or labels.charged,
            quantity=wording.number(piece.quantity),
            unit=printable(line.unit),
            unit_price=None if piece.unit_price is None else wording.price(piece.unit_price),
            amount=wording.piece(piece.amount),
        )


def _remarks(each: InvoiceLine, billed: Period, wording: Wording) -> Iterator[str]:
    labels, line = wording.labels, each.line
    if each.invoiced:
        yield labels.taken_back
    if line.period != billed:
        yield labels.for_period.format(period=wording.span(line.period))
    whole = total(piece.amount for piece in line.details)
    if whole and line.exact != whole:
        yield labels.prorated.format(percent=wording.percent(_share(line, whole)), amount=wording.piece(whole))
    if line.estimated:
        quantity = f"{wording.number(line.estimated)} {printable(line.unit)}".strip()
        yield labels.estimated.format(quantity=quantity)
    observed = portion(line.observed_us, line.expected_us)
    if observed is not None and observed < 1:
        yield labels.observed.format(percent=wording.percent(observed))


def _share(line: Line, whole: Decimal) -> Decimal:
    return round_digits(Fraction(line.exact) / Fraction(whole), _SHARE_DIGITS)


def _correction(each: InvoiceLine, invoice: Invoice, wording: Wording) -> Iterator[Row]:
    """A line of the difference, with what was invoiced and what it should have been beneath."""
    labels = wording.labels
    with exact():
        due = each.invoiced + each.amount
    named = " · ".join(part for part in (printable(each.line.product), title_of(each.line, wording)) if part)
    yield Row("line", named, amount=wording.amount(each.amount))
    yield Row(
        "remark",
        labels.corrects.format(invoice=printable(each.corrects), period=wording.span(each.line.period)),
    )
    yield Row("remark", labels.corrected.format(invoiced=wording.money(each.invoiced), due=wording.money(due)))
