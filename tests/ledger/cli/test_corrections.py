"""Operators correct from the command line: reassign, amend, look at what became of it, and be told of mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.ledger.batches import content, event
from tests.ledger.query.test_amending import DEFINITIONS, TEN
from tests.ledger.running import Running, run_cli, serving

REASSIGNMENT = "kind: reassignment\nname: typo\nspec: {from: amce, to: acme, reason: a typing mistake}\n"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Running]:
    with serving(tmp_path / "store") as running:
        fill(running, tmp_path)
        yield running


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A ledger that nothing is written to."""
    folder = tmp_path_factory.mktemp("closed")
    with serving(folder / "store") as running:
        fill(running, folder)
        yield running


def fill(running: Running, folder: Path) -> None:
    (folder / "definitions.yaml").write_text(DEFINITIONS, encoding="utf-8")
    running.cli("apply", "-f", str(folder / "definitions.yaml"), "--author", "ada")
    tenants = ((1, "acme"), (2, "amce"))
    running.send(content(events=[event(n, time=TEN, value=Decimal(n), tenant=tenant) for n, tenant in tenants]))
    running.cli("book")


def amend(shop: Running, *options: str) -> str:
    return shop.cli("event", "amend", "log", "1", "--author", "ada", "--reason", "typed wrong", *options)


def test_a_tenant_that_was_spelt_wrong(shop: Running, tmp_path: Path) -> None:
    (tmp_path / "typo.yaml").write_text(REASSIGNMENT, encoding="utf-8")
    assert "created" in shop.cli("apply", "-f", str(tmp_path / "typo.yaml"), "--author", "ada")
    (row,) = shop.json("usage", "--meter", "sales")["rows"]
    assert (row["tenant"], row["quantity"]) == ("acme", "3")
    shop.cli("book")
    lines = shop.cli("corrections", "sales").splitlines()
    assert lines[0].split() == [
        "window",
        "tenant",
        "dimensions",
        "before",
        "after",
        "unit",
        "booked",
        "position",
        "why",
    ]
    assert [(line.split()[1:4], line.split()[-2:]) for line in lines[1:3]] == [
        (["acme", "1", "3"], ["reassignment", "typo"]),
        (["amce", "2", "0"], ["reassignment", "typo"]),
    ]
    assert "reassignment typo" in shop.cli("trace", "sales", "acme", "--at", "2026-03-10T10:00:00Z")
    assert "reassignment" in shop.cli("definitions", "--kind", "reassignment")


def test_an_event_that_was_typed_wrong(shop: Running) -> None:
    assert amend(shop, "--value", "7", "--tenant", "blue", "--property", "size=m=l").startswith(
        "the amendment is written at position "
    )
    assert amend(shop, "--value", "7", "--tenant", "blue", "--property", "size=m=l").startswith(
        "the amendment stands already"
    )
    lines = shop.cli("event", "show", "log", "1").splitlines()
    assert lines[1].split() == [
        "3",
        "shop-agent",
        "logfile",
        "sale",
        "acme",
        "2026-03-10T10:00:00Z",
        "1",
        '{"size":"xl"}',
    ]
    changed = 'tenant acme -> blue, value 1 -> 7, properties {"size":"xl"} -> {"size":"m=l"}'
    assert all(told in lines[4] for told in (changed, "typed wrong", "ada"))
    assert lines[-1].startswith('counts as blue, 2026-03-10T10:00:00Z, 7, {"size":"m=l"}; as of position ')
    shop.cli("book")
    assert "amendment log 1" in shop.cli("corrections", "sales", "--tenant", "blue", "--from", "2026-03-10")
    assert changed in shop.cli("trace", "sales", "blue", "--at", "2026-03-10T10:00:00Z")


def test_an_event_that_never_was(shop: Running) -> None:
    amend(shop, "--void")
    found = shop.json("event", "show", "log", "1")
    assert found["state"]["is_void"] and found["amendments"][0]["reason"] == "typed wrong"
    assert shop.cli("event", "show", "log", "1").splitlines()[-1].startswith("counts as nothing: it is void; as of")
    (row,) = shop.json("usage", "--meter", "sales")["rows"]
    assert row["tenant"] == "amce"
    amend(shop, "--value", "1")
    assert "not void any more" in shop.cli("event", "show", "log", "1")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["9", "--value", "1"], "id: there is no event '9' of source 'log'"),
        (["1"], "give at least one of value, tenant, time, properties, dropped_properties and void"),
        (["1", "--tenant", "bleu"], "tenant: there is no tenant 'bleu'; did you mean 'blue'?"),
        (["1", "--drop-property", "colour"], "the event has no property 'colour'; it has size"),
    ],
)
def test_a_mistake_is_one_sentence(closed: Running, options: list[str], said: str) -> None:
    assert said in closed.error("event", "amend", "log", *options, "--reason", "r", "--author", "ada")


def test_a_property_has_a_name_and_a_value_and_an_amendment_a_reason() -> None:
    result = run_cli("event", "amend", "log", "1", "--property", "size", "--reason", "r")
    assert result.exit_code == 2 and "--property: size is no NAME=VALUE" in result.output
    result = run_cli("event", "amend", "log", "1", "--value", "1")
    assert result.exit_code == 2 and "--reason" in result.output
