"""HTML: nothing that anybody typed becomes markup, everything is there, and nothing is fetched."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.billing.document import document_of
from ledger.billing.invoice import Invoice
from ledger.export.copy import Copy
from ledger.export.languages import language_of
from ledger.export.rendering import render
from ledger.export.setting import sheet_of
from ledger.export.wording import Wording, printable
from tests.ledger.export import invoices

BERLIN = ZoneInfo("Europe/Berlin")


@dataclass
class Seen(HTMLParser):
    """The elements and texts of a page."""

    elements: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page(invoice: Invoice, language: str = "en") -> Seen:
    """What a browser makes of an invoice."""
    seen = Seen()
    seen.feed(render(document_of(invoice), "html", language, id="INV-42", issued_us=invoices.ISSUED_US).decode())
    seen.close()
    return seen


def typed(text: str) -> Invoice:
    """An invoice in which everything that anybody can type is this text."""
    invoice = invoices.everything()
    party = replace(invoice.customer, title=text or "-", address=(text,), tax_id=text, email=text)
    lines = tuple(
        replace(
            each,
            corrects=each.corrects and text,
            line=each.line._replace(
                product=text,
                price=text,
                name=text,
                title=text,
                unit=text,
                details=tuple(replace(piece, label=text) for piece in each.line.details),
            ),
        )
        for each in invoice.lines
    )
    paper = replace(invoice.paper, payment_details=(text,), footer=(text,), accent=text)
    return replace(invoice, plan=text, notes=(text,), seller=party, customer=party, paper=paper, lines=lines)


def test_a_script_is_a_text() -> None:
    script = "<script>alert(1)</script>"
    seen = page(typed(script))
    assert "script" not in {tag for tag, _ in seen.elements}
    assert script in seen.texts


HOSTILE = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="<>&\"'/=-!{}%# \\script", max_size=60),
    st.sampled_from(
        ["</style><script>", "{{ sheet }}", "{% raw %}", "--><img src=x onerror=a>", "</title>", "&#60;b&#62;", "\x00"]
    ),
)


@given(text=HOSTILE)
def test_no_text_breaks_out(text: str) -> None:
    plain, hostile = page(typed("plain")), page(typed(text))
    shown = printable(text)
    if shown:
        assert hostile.elements == plain.elements
    assert {tag for tag, _ in hostile.elements} <= {tag for tag, _ in plain.elements}
    assert not hostile.links
    assert "--accent: #1f4e79;" in "".join(hostile.texts)


def test_nothing_is_fetched() -> None:
    told = render(document_of(invoices.everything()), "html", "en").decode()
    assert "default-src 'none'" in told
    assert not page(invoices.everything()).links
    assert "url(" not in told
    assert "@import" not in told


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "ja"])
@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD"])
def test_the_total_is_that_of_the_document(language: str, currency: str) -> None:
    invoice = invoices.in_currency(currency)
    locale, labels = language_of(language)
    sheet = sheet_of(Copy("", invoice, Wording(labels, locale, currency, BERLIN)))
    digits = "".join(each for each in sheet.total.value if each.isdecimal())
    assert digits == str(invoice.total).replace(".", "")
    assert sheet.total.value in page(invoice, language).texts


def test_everything_is_on_the_page() -> None:
    told = " ".join("".join(page(invoices.everything()).texts).split())
    for text in (
        "Invoice",
        "INV-42",
        "April 1, 2026",
        "April 15, 2026",
        "Mar 1 \N{EN DASH} 31, 2026",
        "Nordlicht Metering GmbH",
        "Tax ID: DE 312 456 789",
        "Acme Observatory Ltd",
        "Recurring and one-time charges",
        "Itemised usage",
        "Tier 2",
        "0.00025",
        "in proportion to time: 61.29% of 80.00",
        "less what was invoiced before",
        "Discount: Launch partner, 10 %",
        "Minimum charge: Storage",
        "Drawn from the commitment: annual 2026",
        "Credit: Outage of 3 February",
        "corrects INV-41 for Feb 1 \N{EN DASH} 28, 2026",
        "invoiced €1,480.25, now €1,467.85",
        "Subtotal gateway",
        "Usage was observed 99.98% of the time.",
        "of which estimated: 1,204 requests",
        "region us-east-1",
        "journal position 184213",
        "meterbook invoice verify INV-42",
        "IBAN DE02",
    ):
        assert text in told, text
    assert "Draft" not in told


def test_drafts_and_credit_notes_say_so() -> None:
    document = document_of(invoices.credit_note())
    draft = render(document, "html", "en").decode()
    assert "Credit note (Draft)" in draft
    assert "Nothing is due" in draft
    assert "invoice verify" not in draft
    final = render(document, "html", "en", id="CN-1", issued_us=invoices.ISSUED_US).decode()
    assert "<title>Credit note CN-1</title>" in final
    assert "Draft" not in final
    assert "April 15" not in final, "a credit note is not due"
    assert "IBAN" not in final


def test_days_are_those_of_the_zone() -> None:
    document = document_of(invoices.everything())
    late = invoices.ISSUED_US + 17 * 3_600_000_000
    told = render(document, "html", "en", id="I", issued_us=late).decode()
    assert "April 2, 2026" in told
    assert "April 16, 2026" in told
    assert "April 1, 2026" in render(document, "html", "en", id="I", issued_us=late, zone="America/Denver").decode()


def test_sections_and_subtotals_add_up() -> None:
    invoice = invoices.everything()
    locale, labels = language_of("en")
    sheet = sheet_of(Copy("", invoice, Wording(labels, locale, "EUR", BERLIN)))
    sums = [Decimal(str(section.sum).replace(",", "")) for section in sheet.sections]
    assert sum(sums) == invoice.total
    assert [section.title for section in sheet.sections] == [
        labels.recurring,
        labels.usage,
        labels.adjustments,
        labels.corrections,
        labels.settlement,
    ]
    for section in sheet.sections:
        amounts = [
            Decimal(str(row.amount).replace(",", ""))
            for group in section.groups
            for row in group.rows
            if row.kind == "line" and row.amount is not None
        ]
        assert sum(amounts) == Decimal(str(section.sum).replace(",", ""))
