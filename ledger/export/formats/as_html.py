"""HTML: one page that needs nothing else, for a screen, for mail and for a printer.

Everything on it is escaped by the template engine; the page itself forbids scripts and whatever would be loaded, so that even a text which got through could do nothing.
"""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from ledger.export.copy import Copy
from ledger.export.format import Format
from ledger.export.setting import sheet_of
from ledger.export.sheet import Sheet
from ledger.export.widths import widths_of


def write(copy: Copy) -> bytes:
    """The copy as UTF-8 HTML."""
    sheet = sheet_of(copy)
    return (_template().render(sheet=sheet, widths=widths_of(sheet), locale=_tag(sheet)) + "\n").encode()


def _tag(sheet: Sheet) -> str:
    return f"{sheet.language}-{sheet.region}" if sheet.region else sheet.language


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("ledger.export", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("invoice.html")


HTML = Format("html", "text/html; charset=utf-8", ".html", write)
