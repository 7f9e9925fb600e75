"""PDF: the same bytes for the same document, text that stays text, and a clear word where a font or the compiler is missing."""

from __future__ import annotations

import builtins
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import typst
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.billing.document import document_of
from ledger.billing.invoice import Invoice
from ledger.export.copy import Copy
from ledger.export.errors import NotRendered
from ledger.export.formats import as_pdf
from ledger.export.languages import language_of
from ledger.export.rendering import render
from ledger.export.wording import Wording
from tests.ledger.export import invoices
from tests.ledger.export.test_html import typed


def copy_of(invoice: Invoice, language: str = "en") -> Copy:
    """A finalized copy."""
    locale, labels = language_of(language)
    wording = Wording(labels, locale, invoice.currency, ZoneInfo("Europe/Berlin"))
    return Copy(document_of(invoice), invoice, wording, "INV-42", invoices.ISSUED_US, invoices.HASH)


def pdf(invoice: Invoice, language: str = "en", **more: Any) -> bytes:
    """The invoice as PDF."""
    return render(document_of(invoice), "pdf", language, id="INV-42", issued_us=invoices.ISSUED_US, **more)


def pages(file: bytes) -> int:
    """How many pages a file has."""
    found = re.search(rb"/Type/Pages/Count (\d+)", file)
    assert found is not None
    return int(found[1])


def elements(copy: Copy, selector: str) -> list[dict[str, Any]]:
    """What the compiler sees of one kind."""
    fonts, families = as_pdf._fonts(None)
    inputs = {"sheet": as_pdf._data(copy, families), "document": copy.document}
    return json.loads(
        typst.query(as_pdf._template(), selector, font_paths=fonts, ignore_system_fonts=True, sys_inputs=inputs)
    )


def texts(told: Any) -> str:
    """All text below an element."""
    if isinstance(told, dict):
        own = told["text"] if isinstance(told.get("text"), str) else ""
        return own + "".join(texts(value) for value in told.values())
    return "".join(texts(each) for each in told) if isinstance(told, list) else ""


def test_the_same_document_gives_the_same_file() -> None:
    first, second = pdf(invoices.everything()), pdf(invoices.everything())
    assert first == second
    assert first.startswith(b"%PDF-")
    assert 20_000 < len(first) < 300_000
    assert b"pdfaid" in first
    assert b"2026-04-01T00:00:00Z" in first


def test_the_compiler_sees_the_texts() -> None:
    copy = copy_of(invoices.everything())
    assert [texts(each["body"]) for each in elements(copy, "heading.where(level: 1)")] == ["Invoice"]
    table = texts(elements(copy, "table"))
    for text in (
        "API requests",
        "Tier 3",
        "region us-east-1",
        "Minimum charge: Storage",
        "Corrections of earlier invoices",
    ):
        assert text in table, text
    assert texts(elements(copy, "<total>")) == "€1,240.48"


def test_the_document_is_attached() -> None:
    (attached,) = elements(copy_of(invoices.everything()), "pdf.attach")
    assert attached["path"] == "INV-42.json"


def test_long_tables_go_over_pages_with_their_headings() -> None:
    assert pages(pdf(invoices.long(120))) == 4


@pytest.mark.parametrize(
    "text",
    ["#panic()", "*b* _i_ `c`", "$x$ <label> @ref", "= Heading", "\\u{41}", '"', "//", "[](", '#read("/etc/passwd")'],
)
def test_markup_is_a_text(text: str) -> None:
    table = texts(elements(copy_of(typed(text)), "table"))
    assert text in table
    assert pdf(typed(text)).startswith(b"%PDF-")


LATIN = st.text(st.characters(max_codepoint=0x24F), max_size=40)
MARKUP = st.text(alphabet="#$*_`<>@=-+/\\[](){}\"'~:;,.!?%&|^ \n\tab1", max_size=40)


@given(text=st.one_of(LATIN, MARKUP))
@settings(max_examples=25)
def test_no_text_breaks_out(text: str) -> None:
    plain, hostile = pdf(typed("plain")), pdf(typed(text))
    assert hostile.startswith(b"%PDF-")
    assert abs(pages(hostile) - pages(plain)) <= 1


def test_text_without_a_glyph_is_named() -> None:
    with pytest.raises(NotRendered, match=r"no font has the text .* such as Noto Sans CJK"):
        pdf(invoices.everything(), "ja")
    with pytest.raises(NotRendered, match="no font has the text '日'"):
        pdf(typed("日本"))


def test_a_folder_of_fonts_has_fonts(tmp_path: Path) -> None:
    with pytest.raises(NotRendered, match="is no folder"):
        pdf(invoices.everything(), fonts=tmp_path / "none")
    with pytest.raises(NotRendered, match="has no font"):
        pdf(invoices.everything(), fonts=tmp_path)


def test_without_the_compiler_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "typst":
            raise ImportError(name)
        return found(name, *arguments, **named)

    found = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", refusing)
    with pytest.raises(NotRendered, match=r"install 'meterbook\[pdf\]'"):
        pdf(invoices.everything())


@pytest.mark.parametrize("currency", ["JPY", "KWD", "USD", "INR", "KRW"])
def test_currencies_are_printed(currency: str) -> None:
    assert pdf(invoices.in_currency(currency)).startswith(b"%PDF-")


def test_a_draft_has_the_date_of_what_it_bills() -> None:
    invoice = replace(invoices.everything(), notes=())
    draft = render(document_of(invoice), "pdf", "de")
    assert draft == render(document_of(invoice), "pdf", "de")
    assert b"2026-03-31T" in draft
