"""Costs are exact, and everybody's add up to the whole."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ledger.costing.pricesheet import CostLine, costs, merged, totals, unpriced
from ledger.directory.pricesheet import PriceSheet
from ledger.metering.usage import Usage
from ledger.schema.decimals import exact, total

QUANTITIES = st.decimals(min_value=-(10**28), max_value=10**28, places=9)
PRICES = st.decimals(min_value=0, max_value=10**19, places=18)


def used(
    meter: str, tenant: str, quantity: Decimal | str, dimensions: str = "{}", window_us: int | None = None
) -> Usage:
    return Usage(meter, tenant, dimensions, window_us, Decimal(quantity), "u", Decimal(0), 1, 1)


def sheet(currency: str = "EUR", **prices: Decimal | str) -> PriceSheet:
    return PriceSheet.model_validate({"currency": currency, "prices": prices})


USAGE = st.lists(
    st.builds(
        used, st.sampled_from(["cpu", "memory"]), st.sampled_from(["a", "b", "@shared", "@unassigned"]), QUANTITIES
    ),
    max_size=20,
)


@given(USAGE, PRICES, PRICES)
def test_conservation(usage: list[Usage], cpu: Decimal, memory: Decimal) -> None:
    lines = costs(usage, {"s": sheet(cpu=cpu, memory=memory)})
    with exact():
        expected = sum(
            (
                total(row.quantity for row in usage if row.meter == meter) * price
                for meter, price in (("cpu", cpu), ("memory", memory))
            ),
            Decimal(0),
        )
    assert totals(lines) == ({"EUR": expected} if usage else {})
    assert {line.tenant for line in lines} == {row.tenant for row in usage}


@given(USAGE, USAGE, PRICES)
def test_pieces_of_a_range_merge_to_the_whole(first: list[Usage], second: list[Usage], price: Decimal) -> None:
    sheets = {"s": sheet(cpu=price), "t": sheet("USD", cpu="1", memory="2")}
    assert merged(costs(first, sheets), costs(second, sheets)) == costs(first + second, sheets)


@given(USAGE, st.randoms(use_true_random=False))
def test_order_does_not_matter(usage: list[Usage], random) -> None:
    sheets = {"s": sheet(cpu="0.1", memory="0.3")}
    shuffled = list(usage)
    random.shuffle(shuffled)
    assert costs(usage, sheets) == costs(shuffled, sheets)


def test_lines_of_tenants_sheets_and_currencies() -> None:
    usage = [
        used("cpu", "acme", "1.5", '{"pod":"x"}'),
        used("cpu", "acme", "0.5", '{"pod":"y"}'),
        used("cpu", "@shared", "0.000000001"),
        used("disk", "acme", "1"),
    ]
    sheets = {"aws": sheet(cpu="0.1"), "licence": sheet("JPY", cpu="3")}
    assert [(line.tenant, line.price_sheet, str(line.quantity), str(line.cost)) for line in costs(usage, sheets)] == [
        ("@shared", "aws", "1E-9", "1E-10"),
        ("@shared", "licence", "1E-9", "3E-9"),
        ("acme", "aws", "2.0", "0.20"),
        ("acme", "licence", "2.0", "6.0"),
    ]
    assert totals(costs(usage, sheets)) == {"EUR": Decimal("0.2000000001"), "JPY": Decimal("6.000000003")}
    assert unpriced(usage, sheets) == ("disk",)


def test_a_price_change_keeps_two_lines() -> None:
    before = costs([used("cpu", "acme", "1")], {"aws": sheet(cpu="1")})
    after = costs([used("cpu", "acme", "1")], {"aws": sheet(cpu="2")})
    lines: dict[Decimal, list[CostLine]] = defaultdict(list)
    for line in merged(before, after):
        lines[line.unit_price].append(line)
    assert [len(each) for each in lines.values()] == [1, 1]
