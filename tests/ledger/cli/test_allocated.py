"""``meterbook reconcile``, ``cost allocated`` and ``cost explain``: tables for people, JSON for programs, and an exit code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from meterbook.wire.instants import DAY_US
from tests.ledger.allocations import filled
from tests.ledger.batches import MONTH, bill, charge, content
from tests.ledger.running import Running, serving

PERIOD = ("--period", "2026-01")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("allocated")
    with serving(folder / "store") as running:
        filled(running, folder)
        yield running


def test_reconcile_shows_what_became_of_a_bill(shop: Running) -> None:
    text = shop.cli("reconcile", *PERIOD, "--by", "service, day")
    lines = text.splitlines()
    assert lines[0].split() == [
        "ServiceName",
        "day",
        "charges",
        "billed",
        "direct",
        "driver",
        "stated",
        "shared",
        "idle",
        "unallocated",
        "residual",
        "currency",
    ]
    assert lines[1].split()[:5] == ["Amazon", "EC2", "2026-01-01", "1", "80.000000"]
    assert lines[2].startswith("total")
    assert "note: the rule 'tagged' took no charge" in text
    found = shop.json("reconcile", *PERIOD, "--by", "account")
    assert [(row["group"], row["driver"], row["idle"], row["residual"]) for row in found["rows"]] == [
        ({"SubAccountId": ""}, "60", "20", "0")
    ]


def test_cost_allocated_shows_what_each_tenant_bears(shop: Running) -> None:
    rows = [line.split() for line in shop.cli("cost", "allocated", *PERIOD).splitlines()]
    assert [row[:2] for row in rows[:4]] == [
        ["tenant", "cost"],
        ["@idle", "20.000000"],
        ["acme", "20.000000"],
        ["bcorp", "40.000000"],
    ]
    (row,) = shop.json("cost", "allocated", *PERIOD, "--tenant", "acme", "--cost", "effective")["rows"]
    assert (row["cost"], row["parts"]) == ("20", {"driver": "20"})


def test_cost_explain_leads_to_rules_charges_and_usage(shop: Running) -> None:
    text = shop.cli("cost", "explain", "bcorp", *PERIOD)
    assert "nodes" in text and "bills/focus v2:0" in text and "2 of 4 by cpu" in text
    (row,) = shop.json("cost", "explain", "bcorp", *PERIOD)["charges"]
    assert (row["share"], row["part"], row["drivers"][0]["capacity"]) == ("0.5", "40", "4")


def test_a_problem_is_exit_code_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("incomplete")
    with serving(folder / "store") as running:
        filled(running, folder)
        month = MONTH + 31 * DAY_US
        running.send(content(charges=[charge(0, "1", "v9", period=month)], bills=[bill(2, "2", "v9", period=month)]))
        error = running.cli("reconcile", "--period", "2026-02", code=1)
        assert "problem: the bill of bills/focus is incomplete, 1 of 2 charges" in error


def test_what_the_ledger_refuses_is_one_sentence(shop: Running) -> None:
    assert shop.error("cost", "explain", "nobody", *PERIOD).startswith("tenants: there is no tenant 'nobody'")
    assert (
        shop.error("reconcile", "--period", "March")
        == "period: 'March' is no month such as 2026-03; bills are of months in UTC"
    )


def test_cost_without_a_command_is_that_of_price_sheets(shop: Running) -> None:
    assert shop.json("cost")["rows"] == []
