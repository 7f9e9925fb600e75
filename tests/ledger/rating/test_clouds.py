"""The price tables of public clouds, against amounts worked out by hand and against fractions that know nothing of tiers."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rating.model import Model, Piece, Unpriced, Used
from ledger.schema.decimals import total
from ledger.schema.yamltext import read
from tests.ledger.rating.documents import amount, model

(TREE,) = read((Path(__file__).parents[2] / "data" / "clouds" / "prices.yaml").read_text(encoding="utf-8"))
TABLES: dict[str, dict[str, Any]] = TREE.value
CASES = [(name, case) for name, table in TABLES.items() for case in table["cases"]]

MILLION = 10**6
BILLION = 10**9
TB = 1024


def per(price: str) -> Fraction:
    return Fraction(price)


# Tiers whose prices fall by a step at each end are sums: the last price for everything, and each step for what lies below its end.


def s3_standard(gb: Fraction) -> Fraction:
    return gb * per("0.021") + (min(gb, 500 * TB) + min(gb, 50 * TB)) * per("0.001")


def internet_out(gb: Fraction) -> Fraction:
    steps = min(gb, 150 * TB) * per("0.02") + min(gb, 50 * TB) * per("0.015") + min(gb, 10 * TB) * per("0.005")
    return gb * per("0.05") + steps - min(gb, 100) * per("0.09")


def lambda_requests(requests: Fraction) -> Fraction:
    return max(requests - MILLION, 0) / MILLION * per("0.20")


def lambda_compute(gb_s: Fraction) -> Fraction:
    steps = min(gb_s, 15 * BILLION) * per("0.0000016666") + min(gb_s, 6 * BILLION) * per("0.0000016667")
    return gb_s * per("0.0000133334") + steps - min(gb_s, 400_000) * per("0.0000166667")


def lambda_compute_2019(gb_s: Fraction) -> Fraction:
    return max(gb_s - 400_000, 0) * per("0.00001667")


def azure_blob(gb: Fraction) -> Fraction:
    return gb * per("0.017") + (min(gb, 500 * TB) + min(gb, 50 * TB)) * per("0.0007")


def gcp_internet_out(gib: Fraction) -> Fraction:
    return gib * per("0.08") + min(gib, 10 * TB) * per("0.03") + min(gib, TB) * per("0.01")


FORMULAS: dict[str, Callable[[Fraction], Fraction]] = {
    "s3-standard": s3_standard,
    "internet-out": internet_out,
    "lambda-requests": lambda_requests,
    "lambda-compute": lambda_compute,
    "lambda-compute-2019": lambda_compute_2019,
    "azure-blob": azure_blob,
    "gcp-internet-out": gcp_internet_out,
}

HOUR_US = {"t3.micro": per("0.0104"), "m5.large": per("0.096"), "c5.large": per("0.085"), "r5.large": per("0.126")}
HOUR_EU = {"t3.micro": per("0.0114"), "m5.large": per("0.107"), "c5.large": per("0.096"), "r5.large": per("0.141")}
# The next size of a machine is twice the machine.
HOURS = {
    "us-east-1": {**HOUR_US, "m5.xlarge": 2 * HOUR_US["m5.large"]},
    "eu-west-1": {**HOUR_EU, "m5.xlarge": 2 * HOUR_EU["m5.large"]},
}


def table(name: str) -> Model:
    return model(TABLES[name]["charge"])


def machines(hours: dict[str, str]) -> Used:
    pieces = []
    for machine, quantity in hours.items():
        region, kind = machine.split()
        pieces.append(Piece({"region": region, "type": kind, "zone": "a"}, Decimal(quantity)))
    return Used(total(piece.quantity for piece in pieces), tuple(pieces))


def used(case: dict[str, Any]) -> Used:
    if "pieces" in case:
        return machines(case["pieces"])
    others = {"payments": Decimal(case["payments"])} if "payments" in case else {}
    return Used(Decimal(case["quantity"]), others=others)


def by_fractions(name: str, use: Used) -> Fraction:
    if name == "ec2-hours":
        prices = ((piece, HOURS[piece.dimensions["region"]][piece.dimensions["type"]]) for piece in use.pieces)
        return sum((Fraction(piece.quantity) * price for piece, price in prices), Fraction(0))
    if name == "card-payments":
        return Fraction(use.quantity) * 29 / 1000 + Fraction(use.others["payments"]) * 3 / 10
    return FORMULAS[name](Fraction(use.quantity))


def test_the_tables_are_read_whole() -> None:
    assert not TREE.faults
    assert set(TABLES) == {*FORMULAS, "ec2-hours", "card-payments"}


@pytest.mark.parametrize(("name", "case"), CASES)
def test_it_costs_what_was_worked_out_by_hand(name: str, case: dict[str, Any]) -> None:
    assert amount(table(name).rate(used(case))) == Decimal(case["amount"])


@pytest.mark.parametrize(("name", "case"), CASES)
def test_the_fractions_say_the_same(name: str, case: dict[str, Any]) -> None:
    assert by_fractions(name, used(case)) == Fraction(case["amount"])


@pytest.mark.parametrize("name", FORMULAS)
@given(quantity=st.one_of(st.decimals(0, 10**6, places=9), st.decimals(0, 10**11, places=9)))
def test_any_quantity_costs_what_the_fractions_say(name: str, quantity: Decimal) -> None:
    assert Fraction(amount(table(name).rate(Used(quantity)))) == FORMULAS[name](Fraction(quantity))


@given(
    st.dictionaries(
        st.sampled_from([f"{region} {kind}" for region, kinds in HOURS.items() for kind in kinds]),
        st.decimals(0, 10**6, places=9).map(str),
    )
)
def test_any_machines_cost_what_the_fractions_say(hours: dict[str, str]) -> None:
    use = machines(hours)
    assert Fraction(amount(table("ec2-hours").rate(use))) == by_fractions("ec2-hours", use)


@given(st.decimals(0, 10**9, places=2), st.integers(0, 10**9))
def test_any_payments_cost_what_the_fractions_say(paid: Decimal, payments: int) -> None:
    use = Used(paid, others={"payments": Decimal(payments)})
    assert Fraction(amount(table("card-payments").rate(use))) == by_fractions("card-payments", use)


def test_a_machine_that_is_in_no_table_is_not_free() -> None:
    with pytest.raises(Unpriced, match=r"type='p5.48xlarge'"):
        table("ec2-hours").rate(machines({"us-east-1 m5.large": "1", "us-east-1 p5.48xlarge": "1"}))
