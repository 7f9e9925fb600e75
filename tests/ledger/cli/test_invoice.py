"""Invoices as a person makes, reads, proves and explains them at the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ledger.books import filled
from tests.ledger.running import Running, run_cli, serving

MARCH = ["--at", "2026-03-10", "--tenant", "acme"]
FORCED = ["--force", "--reason", "the agent is gone"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A book of which one invoice is final."""
    folder = tmp_path_factory.mktemp("shop")
    with serving(folder / "store") as running:
        filled(running, folder)
        running.cli("invoice", "finalize", *MARCH, *FORCED)
        yield running


def test_what_is_final_is_told_and_not_made_again(shop: Running) -> None:
    lines = shop.cli("invoice", "finalize", *MARCH, *FORCED).splitlines()
    assert lines[0].startswith("acme acme-team: already by ") and "invoice INV-000001" in lines[0]
    assert lines[-1] == "1 already"


def test_the_list(shop: Running) -> None:
    lines = shop.cli("invoice", "list").splitlines()
    assert lines[1].split()[:4] == ["INV-000001", "invoice", "acme", "acme-team"]
    assert lines[-1].startswith("1 in all; as of position ")
    (head,) = shop.json("invoice", "list", "--tenant", "acme")["invoices"]
    assert (head["id"], head["total"], head["currency"]) == ("INV-000001", "11.92", "EUR")
    assert shop.json("invoice", "list", "--offset", "1")["invoices"] == []


def test_it_is_proved(shop: Running) -> None:
    assert shop.cli("invoice", "verify", "INV-000001").startswith("INV-000001 holds: 11.92 EUR, computed again")
    assert "there is no finalized invoice 'INV-9'" in shop.cli("invoice", "verify", "INV-9", code=1)


def test_a_line_leads_to_entries_and_samples(shop: Running) -> None:
    document = json.loads(shop.cli("invoice", "show", "INV-000001"))
    lines = document["invoice"]["lines"]
    number = 1 + next(at for at, line in enumerate(lines) if line["meter"] == "requests")
    told = shop.cli("invoice", "explain", "INV-000001", "--line", str(number)).splitlines()
    assert told[-1].startswith("samples: meterbook trace requests acme --at 2026-03-10T10:00:00Z --as-of ")
    traced = shop.cli(*told[-1].removeprefix("samples: meterbook ").split())
    assert "requests of acme" in traced
    fee = 1 + next(at for at, line in enumerate(lines) if not line["meter"])
    assert "charges no usage" in shop.cli("invoice", "explain", "INV-000001", "--line", str(fee))
    assert "is not a line" in shop.cli("invoice", "explain", "INV-000001", "--line", "99", code=1)


@pytest.mark.parametrize("form", ["json", "csv", "html", "pdf"])
def test_it_is_written_to_a_file(shop: Running, form: str, tmp_path: Path) -> None:
    file = tmp_path / f"invoice.{form}"
    shop.cli("invoice", "show", "INV-000001", "--format", form, "--language", "de", "-o", str(file))
    assert len(file.read_bytes()) > 500
    again = tmp_path / "again"
    shop.cli("invoice", "show", "INV-000001", "--format", form, "--language", "de", "-o", str(again))
    assert again.read_bytes() == file.read_bytes()


def test_a_draft_is_shown_as_one(shop: Running, tmp_path: Path) -> None:
    told = shop.cli("invoice", "show", "acme", "--draft", "--at", "2026-03-10", "--format", "html")
    assert "draft" in told.lower()
    assert "no finalized invoice" in shop.cli("invoice", "show", "acme", code=1)
    assert "language" in shop.cli("invoice", "show", "INV-000001", "--format", "html", "--language", "xx", code=1)


def test_what_is_in_the_way_is_told(shop: Running) -> None:
    result = run_cli("invoice", "finalize", "--at", "2026-02-10", "--tenant", "acme", "--ledger", shop.address)
    assert result.exit_code in (0, 1)
    assert "say why" in shop.cli("invoice", "finalize", *MARCH, "--force", code=1)
    assert "has not ended" in shop.cli("invoice", "finalize", "--tenant", "acme", "--at", "2999-01-01", code=1)


def test_nothing_is_corrected_where_nothing_changed(shop: Running) -> None:
    assert (
        shop.cli("invoice", "correct", "acme", "acme-team", "--reason", "asked").strip() == "nothing is to be corrected"
    )
    assert "has no subscription" in shop.cli("invoice", "correct", "acme", "acme-x", "--reason", "asked", code=1)
