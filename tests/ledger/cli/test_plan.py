"""``meterbook plan`` as a person or a pipeline uses it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.ledger.running import run_cli

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
