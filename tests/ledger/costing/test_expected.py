"""What is expected of a month: bills that stand, and estimates of what no bill says yet."""

from __future__ import annotations

import pytest

from ledger.costing.bills import bills
from ledger.costing.expected import book_sources, month_end, month_of
from meterbook.wire.instants import DAY_US, LATEST_US, parse
from tests.ledger.batches import MONTH
from tests.ledger.costing.memory import END, Book, catalog, hourly

RACK = "{machines: 1, prices: 1}"


def book(name: str, more: str = "", since: str = "") -> str:
    date = f"effective_from: {since}, " if since else ""
    return f"{{kind: price-book, name: {name}, {date}spec: {{currency: USD{more}, items: {{rack: {RACK}}}}}}}"


BOOKS = (
    book("any"),
    book("named", ", until_billed_by: [bills/focus]"),
    book("other", ", until_billed_by: [bills/other]"),
    book("own", ", until_billed_by: []"),
)
#: By the version that holds at the end of the month, nothing takes its place.
TURNED = (book("own"), book("own", ", until_billed_by: []", since="2026-01-20"))


def expected(held: Book, *books: str, nature: str = "expected", month_us: int = MONTH) -> list[str]:
    definitions = catalog(*books)
    found = month_of(held.view(), definitions, bills(held.view()), month_us, nature)
    return [bill.source for bill in found.bills if bill.state == "stands"]


@pytest.mark.parametrize(
    ("lines", "changes", "sources"),
    [
        (1, {}, ["bills/focus", "price-book/other", "price-book/own"]),
        (1, {"nature": "reconciliation"}, [f"price-book/{name}" for name in ("any", "named", "other", "own")]),
        (2, {}, [f"price-book/{name}" for name in ("any", "named", "other", "own")]),
        (
            1,
            {"nature": "estimate"},
            ["bills/focus", *(f"price-book/{name}" for name in ("any", "named", "other", "own"))],
        ),
    ],
    ids=["a bill stands", "it is of another nature", "one of its lines is missing", "it is an estimate that was sent"],
)
def test_an_estimate_counts_until_a_bill_stands_that_its_book_names(
    lines: int, changes: dict[str, object], sources: list[str]
) -> None:
    held = Book()
    held.bill([hourly(0, "5")] * lines, **changes)
    assert expected(held, *BOOKS) == sources


def test_the_newest_version_in_the_month_says_what_takes_the_place_of_its_estimate() -> None:
    held = Book()
    held.bill([hourly(0, "5")])
    assert expected(held, *TURNED) == ["bills/focus", "price-book/own"]


def test_a_bill_of_another_month_takes_no_place() -> None:
    held = Book()
    held.bill([hourly(0, "5")])
    assert expected(held, book("any"), month_us=MONTH - 31 * DAY_US) == ["price-book/any"]


@pytest.mark.parametrize(
    ("nature", "asked"), [("billed", []), ("reconciliation", []), ("estimate", ["price-book/any"])]
)
def test_price_books_are_for_estimates(nature: str, asked: list[str]) -> None:
    assert book_sources(catalog(book("any")), nature) == asked
    assert expected(Book(), book("any"), nature=nature) == asked


def test_months_end_where_the_next_begin() -> None:
    assert (month_end(MONTH), month_end(parse("2024-02-01"))) == (END, parse("2024-03-01"))
    assert month_end(parse("2026-12-01")) == parse("2027-01-01")
    assert month_end(parse("9999-12-01")) <= LATEST_US
