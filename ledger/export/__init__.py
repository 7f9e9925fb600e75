"""Export: what leaves the book as something to keep: invoices as JSON, CSV, HTML and PDF.

An invoice is rendered from its document, the text that was finalized, so what a customer gets is what stands in the book::

    render(document, "pdf", "de", id="INV-42", issued_us=..., proof=...)
"""

from __future__ import annotations

from ledger.export.errors import CannotRender, NotRendered, UnknownFormat, UnknownLanguage
from ledger.export.formats import FORMATS
from ledger.export.languages import LANGUAGES
from ledger.export.rendering import render

__all__ = ["FORMATS", "LANGUAGES", "CannotRender", "NotRendered", "UnknownFormat", "UnknownLanguage", "render"]
