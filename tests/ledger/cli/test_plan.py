"""``meterbook plan`` as a person or a pipeline uses it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.ledger.running import Running, run_cli

DIP = """\
kind: plan
name: team
spec:
  currency: EUR
  products:
    - name: p
      prices:
        - {name: a, meter: m, charge: {model: volume, tiers: [{up_to: 10, unit_price: 2}, {unit_price: 1}]}}
"""


def test_lint_says_what_it_finds_and_exits_with_1(tmp_path: Path) -> None:
    file = tmp_path / "plans" / "team.yaml"
    file.parent.mkdir()
    file.write_text(DIP)
    result = run_cli("plan", "lint", str(file.parent))
    assert (result.exit_code, result.stderr) == (1, "1 findings\n")
    assert result.stdout.splitlines() == [
        f"{file}:8: volume-dip: price 'a': 10 units cost 20, a little more costs 10, and only from 20 on as much again",
        "    spec.products[0].prices[0].charge.tiers[1]: use the model graduated, or give the tier an amount that makes up for it",
    ]
    (found,) = json.loads(run_cli("plan", "lint", "--json", str(file)).stdout)["findings"]
    assert (found["place"], found["rule"]) == (f"{file}:8", "volume-dip")
    assert sorted(found) == ["advice", "field", "place", "rule", "sentence"]


def test_lint_exits_with_0_where_nothing_is_found(tmp_path: Path) -> None:
    file = tmp_path / "team.yaml"
    file.write_text(DIP)
    result = run_cli("plan", "lint", str(file), "--without", "volume-dip")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "nothing found in 1 definitions\n")
    assert json.loads(run_cli("plan", "lint", "--without", "volume-dip", "--json", str(file)).stdout) == {
        "findings": []
    }


def test_lint_refuses_what_cannot_be_applied(tmp_path: Path) -> None:
    file = tmp_path / "team.yaml"
    file.write_text(DIP.replace("currency: EUR", "curency: EUR"))
    result = run_cli("plan", "lint", str(file))
    assert result.exit_code == 1
    assert f"{file}:4: invalid: 'curency' is not a known key; did you mean 'currency'?" in result.stdout
    assert run_cli("plan", "lint", str(tmp_path / "nothing.yaml")).exit_code == 1
    assert run_cli("plan", "lint").exit_code == 2


def test_schemas_are_printed() -> None:
    def printed(*arguments: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(run_cli("plan", "schema", *arguments).stdout)
        return found

    assert printed()["title"] == "plan"
    assert printed("meter")["title"] == "meter"
    every = printed("--all")["anyOf"]
    assert isinstance(every, list) and "subscription" in [each["title"] for each in every]
    assert run_cli("plan", "schema", "plam").exit_code == 2


DEARER = """\
kind: plan
name: team
spec:
  currency: EUR
  flat_fee: 20
  charges:
    - {meter: requests, tiers: [{up_to: 100, unit_price: 0.003}, {unit_price: 0.0015}]}
    - {meter: sales, tiers: [{unit_price: 0.005}]}
"""


def test_simulate_as_a_table(shop: Running, tmp_path: Path) -> None:
    file = tmp_path / "team.yaml"
    file.write_text(DEARER)
    lines = shop.cli("plan", "simulate", str(file), "--period", "2026-03").splitlines()
    assert lines[0].split() == ["tenant", "currency", "now", "then", "difference", "percent"]
    assert lines[1].split() == ["acme", "EUR", "11.92", "21.92", "10.00", "83.89", "%"]
    assert lines[2].split() == ["total", "EUR", "11.92", "21.92", "10.00", "83.89", "%"]
    assert lines[3] == "1 billing periods rated; as of position 8; nothing was written"
    assert shop.json("plan", "simulate", str(file), "--period", "2026-03", "--as-of", "8")["rated"] == 1


def test_diff_as_text(shop: Running, tmp_path: Path) -> None:
    file = tmp_path / "team.yaml"
    file.write_text(DEARER)
    lines = shop.cli("plan", "diff", str(file)).splitlines()
    assert lines[:4] == [
        "plan team: changed, version 2 since ever, in place of version 1",
        "  ~ price 'flat fee': the amount goes from 10 to 20",
        "  1 subscriptions of 1 tenants are on it",
        "  no finalized invoice is corrected",
    ]
    assert lines[5].split() == ["acme", "acme-team", "2026-02-28T23:00:00Z", "now"]
    assert lines[-1] == "as of position 8; nothing was written"
    file.write_text("{kind: tenant, name: t, spec: {}}")
    assert shop.cli("plan", "diff", str(file)).endswith("note: there is no plan in these files\n")


def test_simulate_needs_a_period(tmp_path: Path) -> None:
    assert run_cli("plan", "simulate").exit_code == 2
    assert "--period" in run_cli("plan", "simulate").stderr
