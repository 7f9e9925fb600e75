"""Columns of an export: which there are, what they are called, and what is read of what providers write in them."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from ledger.costing.focuscolumns import CUSTOM_MAX, columns_of
from tests.ledger.costing.focus import exported, texts_of
from tests.ledger.costing.memory import Book, hourly
from tests.ledger.costing.test_exporting import given_rules, rows_of


@pytest.fixture
def book() -> Book:
    return Book()


def test_what_a_charge_lacks_or_has_no_number_in_is_told(book: Book) -> None:
    odd = ["1e30", "many", "12345678901234567890.5", ""]
    book.bill(
        [
            hourly(line, "1", others=json.dumps({"ConsumedQuantity": text, "ServiceCategory": "Other"}))
            for line, text in enumerate(odd)
        ]
    )
    table, export = exported(book.view(), given_rules(), book.standing())
    assert table["ConsumedQuantity"].to_pylist() == [None, None, Decimal("12345678901234567890.5"), None]
    assert (
        "ConsumedQuantity: 2 charges have a text that is no number of at most 20 digits before the point, and nothing in the export; "
        "the first is bills/focus v1:0"
    ) in export.notes()
    assert "InvoiceIssuerName: 4 charges have none, which FOCUS asks for" in export.notes()
    assert not any("ServiceCategory" in note for note in export.notes())


def test_a_number_of_more_digits_than_an_amount_has_is_rounded_and_told(book: Book) -> None:
    odd = ["1.2345678901234567890e-5", "0.0000000000000000005", "1E-400", "0.10000000000000000000", "2.5e-3"]
    book.bill([hourly(line, "1", others=json.dumps({"ListUnitPrice": text})) for line, text in enumerate(odd)])
    table, export = exported(book.view(), given_rules(), book.standing())
    assert [str(price) for price in table["ListUnitPrice"].to_pylist()] == [
        "0.000012345678901235",
        "1E-18",
        "0E-18",
        "0.100000000000000000",
        "0.002500000000000000",
    ]
    assert (
        "ListUnitPrice: 3 charges have a number of more than 18 digits after the point, which is rounded to them; the first is bills/focus v1:0"
        in export.notes()
    )


def test_the_end_of_a_billing_period_is_read_as_providers_write_it(book: Book) -> None:
    written = {
        "2026-03-01T00:00:00Z": "2026-03-01T00:00:00Z",
        "2026-03-01T00:00Z": "2026-03-01T00:00:00Z",
        "2026-03-01T01:30:00+01:30": "2026-03-01T00:00:00Z",
        "2026-03-01 07:00:00 UTC": "2026-03-01T07:00:00Z",
        "2026-03-01": "2026-03-01T00:00:00Z",
        "": "2026-02-01T00:00:00Z",
        "infinity": "2026-02-01T00:00:00Z",
        "290000-01-01": "2026-02-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00": "2026-02-01T00:00:00Z",
    }
    book.bill([hourly(line, "1", others=json.dumps({"BillingPeriodEnd": text})) for line, text in enumerate(written)])
    table, export = exported(book.view(), given_rules(), book.standing())
    assert [row["BillingPeriodEnd"] for row in texts_of(table.to_pylist())] == list(written.values())
    assert (
        "BillingPeriodEnd: 3 charges have a text that is no time, and one month after BillingPeriodStart in the export; the first is bills/focus v1:6"
        in export.notes()
    )


def test_documents_that_are_none_say_nothing(book: Book) -> None:
    book.bill(
        [
            hourly(0, "1", others="{"),
            hourly(1, "1", others='{"RegionId":"\\ud800"}'),
            hourly(2, "1", others='{"RegionId":"eu"}'),
        ]
    )
    table, _ = exported(book.view(), given_rules(), book.standing())
    assert table["RegionId"].to_pylist() == [None, None, "eu"]


def test_columns_are_there_where_a_charge_has_them_and_those_of_providers_begin_with_x(book: Book) -> None:
    found = columns_of({"RegionId", "AllocatedTags", "line_item_id", "x_line_item_id", "x_Bearer", "BillLine"})
    assert "RegionId" in found.schema.names and "SkuId" not in found.schema.names
    assert {name: key for name, key in found.read.items() if name.startswith("x_")} == {
        "x_ProviderAllocatedTags": "AllocatedTags",
        "x_line_item_id": "line_item_id",
        "x_ProviderBearer": "x_Bearer",
        "x_line_item_id_": "x_line_item_id",
        "x_ProviderBillLine": "BillLine",
    }
    assert len(set(found.schema.names)) == len(found.schema.names)
    many = columns_of({f"x_{number:05}" for number in range(CUSTOM_MAX + 3)})
    assert many.left_out == 3 and f"x_{CUSTOM_MAX - 1:05}" in many.schema.names


def test_providers_are_called_by_their_new_names_too(book: Book) -> None:
    names = [
        {"ProviderName": "AWS", "PublisherName": "Shop"},
        {"ServiceProviderName": "GCP", "HostProviderName": "Dell"},
    ]
    book.bill([hourly(line, "1", others=json.dumps(each)) for line, each in enumerate(names)])
    told = [
        [row[name] for name in ("ProviderName", "PublisherName", "ServiceProviderName", "HostProviderName")]
        for row in rows_of(book, given_rules())
    ]
    assert told == [["AWS", "Shop", "AWS", "AWS"], ["GCP", "GCP", "GCP", "Dell"]]
