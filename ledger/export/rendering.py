"""Rendering: from the document of an invoice to the bytes that a customer gets.

What is rendered is the text that was finalized, and nothing is asked of the book: a copy made in ten years is the copy of today.
"""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ledger.billing.document import UnreadableInvoice, invoice_of
from ledger.export.copy import Copy
from ledger.export.errors import CannotRender, UnknownFormat
from ledger.export.format import Format
from ledger.export.formats import FORMATS
from ledger.export.languages import DEFAULT_LANGUAGE, language_of
from ledger.export.wording import Wording
from ledger.schema.currency import EXPONENTS


def format_of(name: str) -> Format:
    """The format of a name. Raises UnknownFormat."""
    if name not in FORMATS:
        raise UnknownFormat(
            f"format {name!r} is not one that invoices are written in: give one of {', '.join(FORMATS)}"
        )
    return FORMATS[name]


def render(
    document: str,
    format: str,
    language: str = "",
    *,
    id: str = "",
    issued_us: int | None = None,
    zone: str = "",
    proof: str = "",
    fonts: Path | None = None,
) -> bytes:
    """The document of an invoice in a format and a language.

    ``language`` is a tag such as ``de`` or ``de-CH``; "" is the customer's, as the document says, and English where it does not. Without ``id`` it is a draft. ``issued_us``
    is when it was finalized, ``proof`` the hash of its record, in hexadecimal. ``zone`` is the IANA time zone in which days are told; "" is the customer's. ``fonts`` is a folder
    with fonts for what those at hand do not have, such as Japanese in PDF.

    Raises CannotRender, with what would help: UnknownFormat, UnknownLanguage, or NotRendered for a format that lacks a compiler or a font.
    """
    chosen = format_of(format)
    try:
        invoice = invoice_of(document)
        known = ZoneInfo(zone or invoice.paper.timezone)
    except UnreadableInvoice as error:
        raise CannotRender(str(error)) from error
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise CannotRender(f"zone {zone or invoice.paper.timezone!r} is not an IANA time zone") from error
    if invoice.currency not in EXPONENTS:
        raise CannotRender(f"currency {invoice.currency!r} is not one that can be paid in")
    locale, labels = language_of(language or invoice.paper.language or DEFAULT_LANGUAGE)
    wording = Wording(labels, locale, invoice.currency, known)
    return chosen.write(Copy(document, invoice, wording, id, issued_us, proof, fonts))
