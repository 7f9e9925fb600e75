"""PDF by Typst, whose compiler and fonts come in one wheel: PDF/A-3a, to be kept for years, and PDF/UA-1, to be read aloud.

The document that was finalized is attached to the file, so the paper carries its own proof. What is printed goes to the compiler as data, never as source. Only the fonts that come
with the compiler are used, and those of a folder that somebody names: what a machine happens to have installed would change the bytes. PDF/A asks for every glyph, so text that no font can show is an error
here and not an empty box on paper. The fonts that come along know Latin, Greek and Cyrillic letters; Chinese, Japanese and Korean need a folder.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import UTC
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger.export.copy import Copy
from ledger.export.errors import NotRendered
from ledger.export.format import Format
from ledger.export.setting import sheet_of
from ledger.export.widths import widths_of
from meterbook.wire import instants

if TYPE_CHECKING:
    from typst import Fonts

_FAMILY = "Libertinus Serif"
#: Families whose letters are for other things than an invoice's text.
_LAST_FAMILIES = ("New Computer Modern", "DejaVu Sans Mono")
_NO_GLYPH = re.compile(r'the text `"(?P<text>.*)"` could not be displayed')


def write(copy: Copy) -> bytes:
    """The copy as PDF. Raises NotRendered without the compiler, and for text that no font can show."""
    try:
        import typst
    except ImportError as error:
        raise NotRendered("PDF needs Typst, which is not installed: install 'meterbook[pdf]'") from error
    fonts, families = _fonts(copy.fonts)
    try:
        made = typst.compile(
            _template(),
            font_paths=fonts,
            ignore_system_fonts=True,
            format="pdf",
            sys_inputs={"sheet": _data(copy, families), "document": copy.document},
            pdf_standards=["a-3a", "ua-1"],
            timestamp=_at_us(copy) // instants.SECOND_US,
        )
    except typst.TypstError as error:
        raise NotRendered(_reason(error.message, copy.fonts)) from error
    return bytes(made)


def _data(copy: Copy, families: tuple[str, ...]) -> str:
    sheet = sheet_of(copy)
    moment = instants.to_datetime(_at_us(copy)).astimezone(UTC)
    told: dict[str, Any] = {
        **asdict(sheet),
        "name": sheet.name,
        "widths": widths_of(sheet),
        "fonts": families,
        "date": {"year": moment.year, "month": moment.month, "day": moment.day},
        "attachment": f"{re.sub(r'[^A-Za-z0-9-]', '-', copy.id) or 'draft'}.json",
    }
    return json.dumps(told)


def _at_us(copy: Copy) -> int:
    """The date of the file: that of issue, and of a draft the end of what it bills. Nothing here looks at a clock."""
    return max(0, copy.invoice.billed.end_us if copy.issued_us is None else copy.issued_us)


@cache
def _template() -> bytes:
    return resources.files("ledger.export").joinpath("templates", "invoice.typ").read_bytes()


@cache
def _fonts(folder: Path | None) -> tuple[Fonts, tuple[str, ...]]:
    """The fonts, and their families in the order in which a letter is looked for."""
    from typst import Fonts

    own = Fonts(include_system_fonts=False, include_embedded_fonts=True)
    if folder is None:
        return own, (_FAMILY, *_LAST_FAMILIES)
    if not folder.is_dir():
        raise NotRendered(f"fonts: {str(folder)!r} is no folder")
    found = Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=[folder])
    added = sorted(set(found.families()) - set(own.families()))
    if not added:
        raise NotRendered(
            f"fonts: {str(folder)!r} has no font (.ttf, .otf, .ttc) of a family that is not there already"
        )
    return found, (_FAMILY, *added, *_LAST_FAMILIES)


def _reason(message: str, folder: Path | None) -> str:
    found = _NO_GLYPH.search(message)
    if found is None:
        return f"PDF cannot be made: {message}"
    of = "the fonts that come with Typst" if folder is None else f"these and those of {str(folder)!r}"
    return (
        f"no font has the text {found['text']!r}: {of} lack it; name a folder with a font that has it, such as Noto Sans CJK "
        "for Chinese, Japanese and Korean, or choose HTML"
    )


PDF = Format("pdf", "application/pdf", ".pdf", write)
