"""Which version of a bill stands, and what it adds up to, whatever came in which order, twice, in part or not at all."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.costing.bills import BILL_LIMIT, Bill, bills, why_not
from ledger.costing.charges import charge_sums
from ledger.costing.columns import NoSuchColumn
from ledger.journal.journal import Journal
from ledger.journal.view import View
from meterbook.wire.instants import DAY_US, HOUR_US, LATEST_US
from meterbook.wire.sections import COST_LIMIT
from tests.ledger.batches import MONTH, Sender, append, bill, charge, content, opened
from tests.ledger.costing.memory import Book


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with opened(tmp_path) as journal:
        yield journal


def states(view: View) -> list[tuple[str, str]]:
    return [(each.version, each.state) for each in bills(view)]


def total(view: View, *by: str, start_us: int = 0, end_us: int = LATEST_US) -> list[tuple[Any, ...]]:
    standing = [each for each in bills(view) if each.state == "stands"]
    found = charge_sums(view, standing, by, start_us, end_us, 100)
    assert found.count == len(found.first)
    return [(*row.group.values(), row.currency, row.charges, row.costs["BilledCost"]) for row in found.first]


def test_a_bill_stands_once_it_is_closed(journal: Journal) -> None:
    append(journal, content(charges=[charge(0, "0.1"), charge(1, "0.2")]))
    assert (states(journal.view()), total(journal.view())) == ([], [])
    append(journal, content(bills=[bill(2, "0.3")]), sender=Sender("other"))
    assert states(journal.view()) == [("v1", "stands")]
    assert total(journal.view()) == [("USD", 2, Decimal("0.3"))]


def test_a_refreshed_bill_takes_the_place_of_the_former_as_a_whole(journal: Journal) -> None:
    sender = Sender()
    first = append(journal, content(charges=[charge(0, "1"), charge(1, "2")], bills=[bill(2, "3")]), sender=sender)
    later = MONTH + 2 * DAY_US
    append(journal, content(charges=[charge(0, "7", "v2")]), sender=sender)
    assert total(journal.view()) == [("USD", 2, Decimal(3))]
    append(journal, content(bills=[bill(1, "7", "v2", issued=later)]), sender=sender)
    assert states(journal.view()) == [("v2", "stands"), ("v1", "overtaken")]
    assert total(journal.view()) == [("USD", 1, Decimal(7))]
    assert total(journal.view(first)) == [("USD", 2, Decimal(3))]


def test_whoever_comes_late_with_an_old_version_does_not_bring_it_back(journal: Journal) -> None:
    append(journal, content(charges=[charge(0, "7", "v2")], bills=[bill(1, "7", "v2", issued=MONTH + 2 * DAY_US)]))
    append(journal, content(charges=[charge(0, "1")], bills=[bill(1, "1")]), sender=Sender("late"))
    assert states(journal.view()) == [("v2", "stands"), ("v1", "overtaken")]


@pytest.mark.parametrize(
    "wrong",
    [
        content(charges=[charge(0, "1")], bills=[bill(2, "1", "v1")]),
        content(charges=[charge(0, "1"), charge(2, "1")], bills=[bill(2, "2")]),
        content(charges=[charge(0, "1"), charge(1, "1")], bills=[bill(2, "3")]),
        content(charges=[charge(0, "1"), charge(1, "1"), charge(2, "1")], bills=[bill(2, "2")]),
        content(bills=[bill(1, "0")]),
    ],
    ids=["a line is missing", "a line is another", "another sum", "a line too many", "no line"],
)
def test_what_is_not_whole_does_not_count(journal: Journal, wrong: Any) -> None:
    append(journal, content(charges=[charge(0, "5", "v0")], bills=[bill(1, "5", "v0", issued=MONTH)]))
    append(journal, wrong, sender=Sender("other"))
    assert states(journal.view()) == [("v1", "incomplete"), ("v0", "stands")]
    assert total(journal.view()) == [("USD", 1, Decimal(5))]


def test_a_bill_that_cannot_be_added_up_is_told_and_leaves_all_others_readable(journal: Journal) -> None:
    append(journal, content(charges=[charge(0, "5", "v0")], bills=[bill(1, "5", "v0", issued=MONTH)]))
    most = COST_LIMIT - 1
    count = BILL_LIMIT // most + 1
    odd = [charge(line, str(most)) for line in range(count)]
    append(journal, content(charges=odd, bills=[bill(count, str(count * most))]), sender=Sender("other"))
    hidden = [charge(line, "0", "v2", ListCost=Decimal(most if line % 2 else -most)) for line in range(count)]
    later = MONTH + 2 * DAY_US
    append(journal, content(charges=hidden, bills=[bill(count, "0", "v2", issued=later)]), sender=Sender("third"))
    assert states(journal.view()) == [("v2", "too large"), ("v1", "too large"), ("v0", "stands")]
    assert total(journal.view()) == [("USD", 1, Decimal(5))]
    assert why_not(bills(journal.view())[0]) == (
        "is too large to be added up: the charges of one of its costs come to 100000000000000000 or more"
    )


def test_sums_of_charges_that_no_decimal_can_hold_are_told_too() -> None:
    book = Book()
    book.bill([charge(line, str(sign * 99 * 10**18)) for line, sign in enumerate((1, 1, -1, -1))])
    assert states(book.view()) == [("v1", "too large")]


def test_large_charges_that_can_be_added_up_are_held_against_their_sum(journal: Journal) -> None:
    large = [
        charge(0, "9999999999999.000000000000000001"),
        charge(1, "-9999999999990.000000000000000003"),
        charge(2, "-1"),
    ]
    append(journal, content(charges=large, bills=[bill(3, "7.999999999999999998")]))
    assert states(journal.view()) == [("v1", "stands")]
    other = [(*row[:2], "v2", *row[3:]) for row in large]
    later = MONTH + 2 * DAY_US
    append(journal, content(charges=other, bills=[bill(3, "8", "v2", issued=later)]), sender=Sender("other"))
    assert states(journal.view()) == [("v2", "incomplete"), ("v1", "stands")]
    assert why_not(bills(journal.view())[0]) == "is incomplete, 3 of 3 charges, which do not come to 8"


def test_a_bill_of_nothing_stands(journal: Journal) -> None:
    append(journal, content(bills=[bill(0, "0")]))
    assert (states(journal.view()), total(journal.view())) == ([("v1", "stands")], [])


def test_what_two_agents_bring_counts_once(journal: Journal) -> None:
    whole = content(charges=[charge(0, "1"), charge(1, "2")], bills=[bill(2, "3")])
    append(journal, whole)
    append(journal, whole, sender=Sender("other"))
    assert states(journal.view()) == [("v1", "stands")]
    assert total(journal.view()) == [("USD", 2, Decimal(3))]


def test_of_a_line_that_one_batch_tells_twice_always_the_same_one_counts(tmp_path: Path) -> None:
    told = [charge(0, "1", SubAccountId="a"), charge(0, "1", SubAccountId="b")]
    for place, rows in enumerate((told, told[::-1])):
        with opened(tmp_path / str(place)) as journal:
            append(journal, content(charges=rows, bills=[bill(1, "1")]))
            assert total(journal.view(), "SubAccountId") == [("a", "USD", 1, Decimal(1))]


def test_charges_are_told_by_any_column(journal: Journal) -> None:
    rows = [
        charge(0, "1", Tags='{"team/a~b":"red"}', others='{"RegionId":"eu-west-1"}'),
        charge(1, "2", BillingCurrency="EUR", ServiceName="S3", others='{"RegionId":"us-east-1","x_Kind":"a \\"b\\""}'),
        charge(30, "4"),
    ]
    numbered = [(*row[:3], line, *row[4:]) for line, row in enumerate(rows)]
    append(journal, content(charges=numbered, bills=[bill(3, "7")]))
    view = journal.view()
    assert total(view, "RegionId") == [
        ("", "USD", 1, Decimal(4)),
        ("us-east-1", "EUR", 1, Decimal(2)),
        ("eu-west-1", "USD", 1, Decimal(1)),
    ]
    assert total(view, "Tags.team/a~b") == [
        ("", "USD", 1, Decimal(4)),
        ("", "EUR", 1, Decimal(2)),
        ("red", "USD", 1, Decimal(1)),
    ]
    assert total(view, "x_Kind")[1][0] == 'a "b"'
    assert total(view, "day", "ServiceName")[0] == ("2026-01-02", "Amazon EC2", "USD", 1, Decimal(4))
    assert total(view, "month", "BillingPeriodStart")[0][:2] == ("2026-01", "2026-01-01T00:00:00Z")
    assert total(view, start_us=MONTH + HOUR_US, end_us=MONTH + 2 * HOUR_US) == [("EUR", 1, Decimal(2))]
    for odd in ("RegionID", "others", "line; drop", "Tags.none"):
        with pytest.raises(NoSuchColumn, match=r"charge|column"):
            total(view, odd)


def test_a_tag_that_is_empty_and_one_that_is_missing_are_one_group(journal: Journal) -> None:
    tags = ("{}", '{"team":""}', '{"team":"red"}')
    rows = [charge(line, "1", Tags=each) for line, each in enumerate(tags)]
    append(journal, content(charges=rows, bills=[bill(3, "3")]))
    assert total(journal.view(), "Tags.team") == [("", "USD", 2, Decimal(2)), ("red", "USD", 1, Decimal(1))]


def test_of_many_groups_the_first_are_told_and_all_are_counted(journal: Journal) -> None:
    # Few have the tag, and none of those that are told.
    rows = [charge(line, str(50 - line), Tags='{"team":"red"}' if line == 49 else "{}") for line in range(50)]
    append(journal, content(charges=rows, bills=[bill(50, "1275")]))
    view = journal.view()
    found = charge_sums(view, bills(view), ["ResourceId", "Tags.team"], 0, LATEST_US, 3)
    assert found.count == 50
    assert [row.group["ResourceId"] for row in found.first] == ["i-0", "i-1", "i-2"]


Part = tuple[str, int, int, bool]
#: What batches may hold: lines first to last of a version, and whether it is closed there.
PARTS = st.tuples(st.sampled_from(["v1", "v2", "v3"]), st.integers(0, 3), st.integers(0, 4), st.booleans())
#: The lines that every version has when it is whole; the costs are those of the line.
LINES = {"v1": 3, "v2": 4, "v3": 1}
COSTS = ("0.1", "-0.000000000000000001", "123.45", "7")


def _issued(version: str) -> int:
    return MONTH + int(version[1:]) * DAY_US


def _sum(version: str) -> Decimal:
    return sum((Decimal(cost) for cost in COSTS[: LINES[version]]), Decimal(0))


@pytest.mark.slow
@given(st.lists(st.tuples(PARTS, st.sampled_from(["a", "b"])), max_size=8))
def test_parts_in_any_order_give_the_newest_whole_version(parts: list[tuple[Part, str]]) -> None:
    told: defaultdict[str, set[int]] = defaultdict(set)
    closed: set[str] = set()
    senders = {"a": Sender("a"), "b": Sender("b")}
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as journal:
        for (version, first, last, is_closed), agent in parts:
            numbers = range(first, min(last, LINES[version]))
            rows = [charge(line, COSTS[line], version) for line in numbers]
            closing = [bill(LINES[version], str(_sum(version)), version, issued=_issued(version))] if is_closed else []
            told[version].update(numbers)
            closed.update([version] if is_closed else [])
            append(journal, content(charges=rows, bills=closing), sender=senders[agent])
        view = journal.view()
        whole = sorted(version for version in closed if len(told[version]) == LINES[version])
        expected = [("USD", LINES[whole[-1]], _sum(whole[-1]))] if whole else []
        assert total(view) == expected
        found: list[Bill] = bills(view)
        assert {each.version for each in found} == closed
        assert [each.version for each in found if each.state == "stands"] == whole[-1:]
