"""What every format keeps to: the contract suite over FORMATS, and the files that what they write must stay the same as.

After a change that is meant, write the files anew with ``METERBOOK_WRITE_INVOICES=1`` and look at the difference.
"""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from ledger.billing.document import document_of, invoice_of
from ledger.billing.invoice import Invoice
from ledger.export.errors import CannotRender, UnknownFormat, UnknownLanguage
from ledger.export.formats import FORMATS
from ledger.export.formats.as_csv import COLUMNS
from ledger.export.languages import LANGUAGES
from ledger.export.rendering import render
from ledger.schema.decimals import total
from tests.ledger.export import invoices

GOLDEN = Path(__file__).parents[2] / "data" / "invoices"
SAMPLES = {"everything": invoices.everything(), "credit-note": invoices.credit_note(), "nothing": invoices.nothing()}


def finalized(invoice: Invoice, format: str, language: str = "") -> bytes:
    """The invoice as it looks with a number."""
    return render(
        document_of(invoice), format, language, id="INV-42", issued_us=invoices.ISSUED_US, proof=invoices.HASH
    )


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("sample", SAMPLES)
def test_the_same_document_gives_the_same_bytes(name: str, sample: str) -> None:
    assert finalized(SAMPLES[sample], name) == finalized(SAMPLES[sample], name)


@pytest.mark.parametrize("name", FORMATS)
def test_a_draft_differs_from_what_is_finalized(name: str) -> None:
    assert render(document_of(invoices.everything()), name, "en") != finalized(invoices.everything(), name, "en")


@pytest.mark.parametrize("name", FORMATS)
def test_formats_go_by_their_own_names(name: str) -> None:
    found = FORMATS[name]
    assert found.name == name
    assert found.suffix == f".{name}"
    assert "/" in found.media_type


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_takes_every_kind_of_line_and_long_invoices(name: str) -> None:
    assert len(finalized(invoices.long(400), name)) > len(finalized(invoices.long(4), name))


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "pdf"])
@pytest.mark.parametrize("sample", SAMPLES)
def test_what_is_written_stays_as_it_is(name: str, sample: str) -> None:
    file = GOLDEN / f"{sample}{FORMATS[name].suffix}"
    written = finalized(SAMPLES[sample], name)
    if os.environ.get("METERBOOK_WRITE_INVOICES"):
        file.write_bytes(written)
    assert written.decode() == file.read_bytes().decode()


def test_json_holds_the_document_to_the_byte() -> None:
    document = document_of(invoices.everything())
    told = json.loads(finalized(invoices.everything(), "json"))
    assert json.dumps(told["invoice"], sort_keys=True, separators=(",", ":"), ensure_ascii=False) == document
    assert (told["id"], told["verify"]) == ("INV-42", "meterbook invoice verify INV-42")


def test_amounts_of_csv_add_up_to_the_total() -> None:
    invoice = invoices.everything()
    rows = list(csv.DictReader(io.StringIO(finalized(invoice, "csv").decode(), newline="")))
    assert tuple(rows[0]) == COLUMNS
    assert total(Decimal(row["amount"]) for row in rows if row["amount"]) == invoice.total
    assert len([row for row in rows if row["row"] == "line"]) == len(invoice.lines)
    assert len([row for row in rows if row["row"] == "piece"]) == sum(len(each.line.details) for each in invoice.lines)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1"])
def test_a_text_is_no_formula(text: str) -> None:
    invoice = replace(invoices.everything(), lines=(invoices.besides("discount", text, "-1.00"),))
    (row,) = csv.DictReader(io.StringIO(finalized(invoice, "csv").decode(), newline=""))
    assert row["title"] == f"'{text}"
    assert row["amount"] == "-1.00"


def test_what_is_not_known_is_named_with_what_is() -> None:
    document = document_of(invoices.everything())
    with pytest.raises(UnknownFormat, match=r"'docx' is not one .* json, csv, html, pdf"):
        render(document, "docx", "en")
    for tag in ("tlh", "pt", "de_CH", "en-XX", "../en", "-"):
        with pytest.raises(UnknownLanguage, match="give one of de, en, es, fr, ja"):
            render(document, "html", tag)
    with pytest.raises(CannotRender, match="cannot be read"):
        render("{}", "json", "en")
    with pytest.raises(CannotRender, match="'DEM' is not one"):
        render(document.replace('"currency":"EUR"', '"currency":"DEM"'), "html", "en")
    for zone in ("Mars/Olympus", "../etc/passwd"):
        with pytest.raises(CannotRender, match="is not an IANA time zone"):
            render(document, "html", "en", zone=zone)


def test_the_customer_chose_the_language() -> None:
    invoice = invoices.everything()
    german = replace(invoice, paper=replace(invoice.paper, language="de"))
    assert finalized(german, "html") == finalized(german, "html", "de")
    assert finalized(german, "html") != finalized(german, "html", "en")
    assert finalized(invoices.nothing(), "html") == finalized(invoices.nothing(), "html", "en")


@pytest.mark.parametrize("sample", SAMPLES)
def test_documents_keep_parties_and_paper(sample: str) -> None:
    document = document_of(SAMPLES[sample])
    read = invoice_of(document)
    assert (read.seller, read.customer, read.paper) == (
        SAMPLES[sample].seller,
        SAMPLES[sample].customer,
        SAMPLES[sample].paper,
    )
    assert document_of(read) == document


@pytest.mark.parametrize("tag", [*LANGUAGES, "de-CH", "en-GB", "es-MX", "fr-CA"])
def test_every_language_is_written(tag: str) -> None:
    told = finalized(invoices.everything(), "html", tag).decode()
    assert f'<html lang="{tag}">' in told
    labels = LANGUAGES[tag.partition("-")[0]]
    for text in (labels.invoice, labels.recurring, labels.usage, labels.corrections, labels.settlement, labels.due):
        assert text in told
