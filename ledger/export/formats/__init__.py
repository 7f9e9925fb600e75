"""The formats of invoices, in one place. A new one is one module with its ``Format``, and one line in ``FORMATS``."""

from __future__ import annotations

from collections.abc import Mapping

from ledger.export.format import Format
from ledger.export.formats.as_csv import CSV
from ledger.export.formats.as_html import HTML
from ledger.export.formats.as_json import JSON
from ledger.export.formats.as_pdf import PDF

FORMATS: Mapping[str, Format] = {each.name: each for each in (JSON, CSV, HTML, PDF)}
