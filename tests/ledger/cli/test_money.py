"""Another currency, ``meterbook margin`` and ``cost per-unit``: tables for people, JSON for programs, and an exit code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ledger.running import Running, serving
from tests.ledger.serving import DEFINITIONS, february, january

PERIOD = ("--period", "2026-01")
AT = ("--at", "2026-01-15")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("money")
    with serving(folder / "store") as running:
        running.apply(folder, DEFINITIONS)
        running.send(january(), february())
        yield running


def table(text: str) -> dict[str, list[str]]:
    return {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}


def test_amounts_in_another_currency_come_with_their_rates(shop: Running) -> None:
    for command in (("reconcile", *PERIOD), ("cost", "allocated", *PERIOD), ("margin", *AT)):
        text = shop.cli(*command, "--currency", "USD")
        assert "1 EUR = 1.25 USD of 2026-01-01 (ecb, version 1)" in text
        assert shop.json(*command, "--currency", "USD")["rates"][0]["rate"] == "1.25"
    rates = shop.cli("reconcile", *PERIOD, "--currency", "EUR").splitlines()
    assert any("0.833333333333" in line and "2026-01-02" in line for line in rates)


@pytest.mark.parametrize(
    "command", [("reconcile", *PERIOD), ("margin", *AT), ("cost", "per-unit", "--meter", "cpu", *PERIOD)]
)
def test_a_currency_without_a_rate_is_exit_code_one(shop: Running, command: tuple[str, ...]) -> None:
    error = shop.cli(*command, "--currency", "CHF", code=1)
    assert "problem: there is no exchange rate of USD into CHF on 2026-01-01" in error


def test_margin_shows_both_sides_and_what_is_nobodys(shop: Running) -> None:
    text = shop.cli("margin", *AT, "--currency", "USD")
    rows = table(text)
    assert rows["tenant"] == [
        "tenant",
        "currency",
        "revenue",
        "cost",
        "margin",
        "of",
        "revenue",
        "coverage",
        "of",
        "revenue",
        "of",
        "cost",
    ]
    assert rows["acme"] == [
        "acme",
        "USD",
        "16.250000",
        "4.500000",
        "11.750000",
        "72.31",
        "%",
        "0.00",
        "%",
        "50.00",
        "%",
    ]
    assert rows["@unallocated"][:5] == ["@unallocated", "USD", "0.000000", "5.750000", "-5.750000"]
    assert rows["total"][:5] == ["total", "USD", "21.250000", "20.250000", "1.000000"]
    assert "cost of 2026-01: billed cost of bills/focus v1, allocated" in text
    by_product = shop.cli("margin", *AT, "--by", "plan, product", "--tenant", "bcorp")
    assert ["pro", "cpu", "USD", "3.000000", "6.000000", "-3.000000"] in [
        line.split()[:6] for line in by_product.splitlines()
    ]
    assert shop.cli("margin", *AT, "--by", " , ") == shop.cli("margin", *AT)
    assert "cost of 2026-01: price sheets" in shop.cli("margin", *AT, "--cost", "sheet")


def test_cost_per_unit_shows_a_trend(shop: Running) -> None:
    command = ("cost", "per-unit", "--meter", "requests", "--period", "2026-02", "--months", "3")
    rows = table(shop.cli(*command))
    assert rows["2025-12"][1:4] == ["-", "0", "requests"]
    assert rows["2026-01"][1:7] == ["4.000000", "400", "requests", "0.01", "-", "USD"]
    assert rows["2026-02"][1:8] == ["6.000000", "300", "requests", "0.02", "100.00", "%", "USD"]
    assert [row["unit_cost"] for row in shop.json(*command)["rows"]] == ["", "0.01", "0.02"]
    assert shop.error("cost", "per-unit", "--meter", "x", *PERIOD).startswith("meter: no allocation rule divides")
