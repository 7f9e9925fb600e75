"""Price books as documents: what can be written, and what is refused with which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.directory.applying import plan_changes
from ledger.directory.catalog import Catalog
from ledger.directory.manifest import parse_manifests
from ledger.directory.pricebook import PriceBook
from ledger.schema.spec import canonical

BASE = """
{kind: meter, name: cores, spec: {source: {event: c}, aggregation: sum, unit: core-seconds, group_by: [node, type]}}
---
{kind: meter, name: daily, spec: {source: {event: c}, aggregation: sum, unit: h, window: day}}
"""


def book(items: str, more: str = "", since: str = "") -> str:
    date = f"effective_from: {since}, " if since else ""
    return f"\n---\n{{kind: price-book, name: nodes, {date}spec: {{currency: EUR, items: {{{items}}}{more}}}}}"


def faults(*books: str) -> list[str]:
    manifest = parse_manifests([("books.yaml", BASE + "".join(books))])
    found = manifest.faults or plan_changes(Catalog.of([]), manifest.documents).faults
    return [str(fault) for fault in found]


@pytest.mark.parametrize(
    "items",
    [
        "a: {meter: cores, prices: 0.1}",
        "a: {machines: 12, prices: [{price: 1, until: 2026-07-01}, {price: 2, from: 2026-07-01}]}",
        "a: {meter: cores, match: {type: [m5, c5], tenant: '@shared'}, unit: core-hours, prices: 0.04}",
        "a: {meter: cores, dimensions: {ResourceId: node, Tags.team: tenant}, columns: {RegionId: eu}, prices: 1}",
        "a: {meter: cores, prices: [{event: {type: aws.spot_price, match: {product: Linux}, where: {instanceType: type}}}]}",
        "a: {meter: cores, match: {type: m5}, prices: 1}, b: {meter: cores, match: {type: c5}, prices: 1}",
        "a: {meter: cores, prices: [{price: 1, from: 2026-02-01}, {price: 2, until: 2026-02-01}]}, b: {machines: 1, prices: 0}",
    ],
)
def test_what_can_be_written_means_the_same_for_ever(items: str) -> None:
    assert faults(book(items)) == []
    (document,) = parse_manifests([("books.yaml", book(items).removeprefix("\n---\n"))]).documents
    assert isinstance(document.spec, PriceBook)
    assert PriceBook.model_validate_json(canonical(document.spec)) == document.spec


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ("", "spec.items: {} is refused: dictionary should have at least 1 item"),
        ("a: {prices: 1}", "spec.items.a: give either 'meter' or 'machines', and not both"),
        ("a: {meter: cores, machines: 1, prices: 1}", "spec.items.a: give either 'meter' or 'machines', and not both"),
        ("a: {machines: 1, match: {type: m5}, prices: 1}", "'match' goes with 'meter': machines are counted by the hour"),
        ("a: {machines: 1, prices: [{event: {type: t, where: {x: node}}}]}", "'where' goes with 'meter': machines have no dimensions"),
        ("a: {meter: corse, prices: 1}", "spec.items.a.meter: there is no meter 'corse'; did you mean 'cores'?"),
        ("a: {meter: daily, prices: 1}", "spec.items.a.meter: meter 'daily' has windows of a day, but prices hold by the hour"),
        ("a: {meter: cores, match: {typ: m5}, prices: 1}", "spec.items.a.match.typ: meter 'cores' has no dimension 'typ'; did you mean 'type'?"),
        ("a: {meter: cores, dimensions: {ResourceId: x}, prices: 1}", "spec.items.a.dimensions.ResourceId: meter 'cores' has no dimension 'x'; it has tenant, node, type"),
        ("a: {meter: cores, unit: GiB, prices: 1}", "spec.items.a.unit: meter 'cores': 'core-seconds' measures cpu.time and 'GiB' measures data"),
        ("a: {meter: cores, columns: {BilledCost: '1'}, prices: 1}", "spec.items.a.columns: 'BilledCost' follows from usage and price: leave it out"),
        ("a: {meter: cores, columns: {ResourceId: x}, dimensions: {ResourceId: node}, prices: 1}", "'ResourceId' stands in 'columns' and in 'dimensions': leave one out"),
        ("a: {meter: cores, prices: []}", "spec.items.a.prices"),
        ("a: {meter: cores, prices: -1}", "'-1' is negative: the number must be zero or more"),
        ("a: {meter: cores, prices: [{from: 2026-01-01}]}", "spec.items.a.prices[0]: give either 'price' or 'event', and not both"),
        ("a: {meter: cores, prices: [{price: 1, from: 2026-02-01, until: 2026-02-01}]}", "until 2026-02-01 is not after from 2026-02-01: give a later one"),
        (
            "a: {meter: cores, prices: [{price: 1, until: 2026-07-01}, {price: 2, from: 2026-06-01}]}",
            "spec: 'a' has two prices for the same at one time, from ever to 2026-07-01 and from 2026-06-01 to no end: let one end where the other begins",
        ),
        (
            "a: {machines: 2, prices: [{price: 1, from: 2026-01-01, until: 2027-01-01}, {price: 2, from: 2026-02-01, until: 2026-03-01}]}",
            "'a' has two prices for the same at one time, from 2026-01-01 to 2027-01-01 and from 2026-02-01 to 2026-03-01",
        ),
        (
            "a: {meter: cores, match: {type: m5}, prices: 1}, b: {meter: cores, match: {type: [m5]}, prices: [{price: 2, from: 2026-02-01}]}",
            "'a' and 'b' have two prices for the same at one time, from ever to no end and from 2026-02-01 to no end",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_by_name(items: str, message: str) -> None:
    (fault,) = faults(book(items))
    assert message in fault


def test_the_currency_of_a_book_is_the_same_for_all_dates() -> None:
    later = book("a: {machines: 1, prices: 1}", since="2026-03-01").replace("EUR", "USD")
    found = faults(book("a: {machines: 1, prices: 1}"), later)
    assert len(found) == 2 and all("the currency must be the same for all dates" in fault for fault in found)


def test_the_example_prices_the_nodes_of_the_other_example() -> None:
    folder = Path(__file__).parents[3] / "examples" / "kubernetes"
    manifest = parse_manifests([(name, (folder / name).read_text()) for name in ("allocation.yaml", "prices.yaml")])
    found = plan_changes(Catalog.of([]), manifest.documents)
    assert (manifest.faults, found.faults) == ((), ())
    assert [each.name for each in found.changes if each.kind == "price-book"] == ["cluster"]
