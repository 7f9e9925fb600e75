"""Cost plus: what serving a tenant cost by the bills, on its invoice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meterbook.wire.instants import HOUR_US
from tests.ledger.batches import MONTH, bill, charge, content
from tests.ledger.running import Running, serving
from tests.ledger.serving import DEFINITIONS, january, used

PLAN = """\
---
kind: plan
name: at-cost
spec:
  currency: USD
  products: [{name: hosting, prices: [{name: cost, charge: {model: cost_plus, markup_percent: 20}}]}]
---
{kind: tenant, name: ccorp, spec: {}}
---
{kind: subscription, name: ccorp-cost, spec: {tenant: ccorp, plan: at-cost, start: 2026-01-01}}
"""


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Running]:
    """The book of ``serving`` with acme on a plan at cost, instead of its own."""
    definitions = tmp_path / "definitions.yaml"
    definitions.write_text(DEFINITIONS.replace("plan: team, start", "plan: at-cost, start") + PLAN)
    with serving(tmp_path / "store") as running:
        running.send(january())
        running.cli("apply", "-f", str(definitions))
        running.cli("book")
        yield running


def line(running: Running, tenant: str) -> dict[str, Any]:
    (draft,) = running.json("invoice", "draft", tenant, "--at", "2026-01-10")["invoices"]
    lines = json.loads(draft["document"])["lines"]
    return lines[0] if lines else {}


def test_cost_is_charged_with_its_markup(book: Running) -> None:
    # 2 of the node, 3 of the balancer, 1 of support, less a credit of 1.50.
    found = line(book, "acme")
    assert (found["quantity"], found["unit"], found["amount"]) == ("4.5", "USD", "5.40")
    assert line(book, "ccorp") == {}


def test_cost_that_is_not_known_yet_is_not_guessed(book: Running) -> None:
    told = book.cli("invoice", "draft", "acme", "--at", "2026-02-10", code=1)
    assert (
        "tenant 'acme'" in told
        or "'acme' cannot be charged: what serving cost is not known: no bill of 2026-02" in told
    )
    refused = book.cli("invoice", "finalize", "--tenant", "acme", "--at", "2026-02-10", "--json", code=1)
    assert refused == ""


def test_a_bill_that_is_made_anew_is_corrected_on_the_next_invoice(book: Running) -> None:
    finalized = ["invoice", "finalize", "--tenant", "acme", "--force", "--reason", "asked"]
    assert "5.40 USD" in book.cli(*finalized, "--at", "2026-01-10")
    anew = content(
        charges=[charge(0, "12", version="v2", ServiceName="EC2")],
        bills=[bill(1, "12", version="v2", issued=MONTH + 40 * 24 * HOUR_US)],
    )
    book.send(anew)
    told = book.cli("invoice", "correct", "acme", "acme-team", "--reason", "the provider's bill was made anew")
    # A quarter of 12 is 3, and 3.60 with the markup.
    assert told.strip() == "credit-note INV-000002: -1.80 USD"
    assert "holds" in book.cli("invoice", "verify", "INV-000001")
    assert "holds" in book.cli("invoice", "verify", "INV-000002")


def test_usage_of_others_that_comes_late_is_corrected_for_everybody(tmp_path: Path) -> None:
    definitions = tmp_path / "definitions.yaml"
    definitions.write_text(
        DEFINITIONS.replace("plan: team, start", "plan: at-cost, start").replace(
            "plan: pro, start", "plan: at-cost, start"
        )
        + PLAN
    )
    with serving(tmp_path / "store") as running:
        running.send(january())
        running.cli("apply", "-f", str(definitions))
        running.cli("invoice", "finalize", "--at", "2026-01-10", "--force", "--reason", "asked")
        running.send(content(events=[used(9, "cpu", "bcorp", 0, 4)]))
        told = {
            name: running.cli("invoice", "correct", tenant, name, "--reason", "late").strip()
            for tenant, name in (("acme", "acme-team"), ("bcorp", "bcorp-pro"))
        }
    # Of the node's 8 acme had a quarter, and has an eighth: one less, and 1.20 with the markup.
    assert told["acme-team"].endswith(": -1.20 USD")
    assert told["bcorp-pro"].endswith(": 1.20 USD")
