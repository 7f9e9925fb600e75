"""Commands as a person or a script uses them: tables, JSON, exit codes, and one sentence for each mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from meterbook.command import _COMMANDS
from tests.ledger.books import DEFINITIONS, ODD, filled, first
from tests.ledger.running import Running, run_cli, serving

METER = "kind: meter\nname: m\nspec: {source: {event: e}, aggregation: count, unit: u}\n"


@pytest.fixture
def own(tmp_path: Path):
    """A ledger of the test's own, empty."""
    with serving(tmp_path / "store") as running:
        yield running


def test_usage_as_a_table(shop: Running) -> None:
    lines = shop.cli("usage", "--window", "hour", "--meter", "requests").splitlines()
    assert lines[0].split() == ["meter", "tenant", "dimensions", "window", "quantity", "unit", "estimated", "coverage"]
    assert lines[1].split() == [
        "requests", "acme", "code=200,", "pod=p-1", "2026-03-10T10:00:00Z", "756", "requests", "0", "100.00", "%",
    ]  # fmt: skip
    assert ODD in lines[3]
    assert lines[-1] == "as of position 8"


def test_usage_as_json(shop: Running) -> None:
    found = shop.json("usage", "--tenant", ODD, "--meter", "requests", "--from", "2026-03-10", "--to", "2026-03-11")
    assert found == {
        "as_of": 8,
        "rows": [
            {
                "meter": "requests",
                "tenant": ODD,
                "dimensions": {"code": "200"},
                "window": "",
                "quantity": "15",
                "unit": "requests",
                "estimated": "0",
                "coverage": "1",
            }
        ],
        "rows_total": 1,
    }


@pytest.mark.parametrize(
    "command",
    [
        ["usage"],
        ["cost"],
        ["margin", "--at", "2026-03-10"],
        ["invoice", "draft", "acme", "--at", "2026-03-10"],
        ["bills"],
        ["trace", "requests", "acme", "--at", "2026-03-10T10:20:00Z", "--dimension", "pod=p-1"],
        ["charges", "--by", "ServiceName"],
        ["agents"],
        ["coverage"],
        ["dead-letters"],
        ["definitions"],
    ],
)
def test_every_answer_comes_as_table_and_as_json(shop: Running, command: list[str]) -> None:
    assert "as of position 8" in shop.cli(*command)
    text = shop.cli(*command, "--json")
    assert json.loads(text)["as_of"] == 8
    assert text == shop.cli(*command, "--json", "--as-of", "8")


def test_cost_says_what_has_no_price_and_the_totals(shop: Running) -> None:
    note = shop.cli("cost").splitlines()[-1]
    assert note == (
        "total 10.97685125281 EUR; total 0.01191 USD; no sheet has a price for unpriced: its cost is unknown; "
        "as of position 8"
    )
    assert shop.json("cost")["totals"] == {"EUR": "10.97685125281", "USD": "0.01191"}


def test_an_invoice_reads_like_one(shop: Running) -> None:
    lines = shop.cli("invoice", "draft", "acme", "--at", "2026-03-10").splitlines()
    assert lines[0] == "Draft invoice for acme: team (version 1), 2026-02-28T23:00:00Z to 2026-03-31T22:00:00Z"
    assert lines[-2].split() == ["total", "11.92", "EUR"]
    assert lines[-1] == "coverage 83.33 %; as of position 8"
    (draft,) = shop.json("invoice", "draft", "acme", "--at", "2026-03-10")["invoices"]
    assert draft["plan_version"] == 1 and draft["total"] == "11.92"


def test_bills_and_what_they_add_up_to(shop: Running) -> None:
    lines = shop.cli("bills").splitlines()
    assert lines[1].split()[-6:] == ["2", "3", "incomplete:", "1", "of", "2", "charges"][-6:]
    assert lines[2].split()[:3] + lines[2].split()[-2:] == [
        "bills/focus",
        "2026-01",
        "v1",
        "10.340000000000000001",
        "stands",
    ]
    lines = shop.cli("charges", "--by", "ServiceName", "--by", "Tags.team", "--limit", "1").splitlines()
    assert lines[1].split() == ["Amazon", "EC2", "red", "1", *["12.340000000000000001"] * 2, "USD"]
    assert lines[2] == (
        "total 10.340000000000000001 USD billed, 10.340000000000000001 effective; 1 more rows; "
        "bills/focus 2026-01: a newer version is incomplete, 1 of 2 charges; as of position 8"
    )
    assert "\\x1b[31mS3" in shop.cli("charges", "--by", "ServiceName", "--from", "2026-01-01T01:00:00Z")
    assert shop.json("charges", "--nature", "estimate") == {
        "as_of": 8,
        "rows": [],
        "rows_total": 0,
        "totals": [],
        "notes": [],
    }


def test_integers_are_numbers_in_json(shop: Running) -> None:
    row = shop.json("agents")["rows"][0]
    assert (row["epoch"], row["sequence"], row["samples"]) == (1_769_851_800_000_000, 1, 1)
    verdict = shop.json("verify")
    assert (verdict["holds"], verdict["position"], verdict["batches"], verdict["faults"]) == (True, 8, 2, [])


def test_gaps(shop: Running) -> None:
    lines = shop.cli("coverage", "--gaps").splitlines()
    assert "timeout after 5 s" in lines[1] and lines[1].startswith("prometheus/shop  2026-03-10T11:00:00Z")
    assert "100.00 %" in shop.cli("coverage", "--source", "prometheus/two", "--to", "2026-03-10T12:00:00Z")


def test_what_agents_send_cannot_move_the_cursor(shop: Running) -> None:
    text = shop.cli("dead-letters")
    assert "\x1b" not in text and "garbage \\x1b[31m\\nred" in text
    assert shop.json("dead-letters")["rows"][1]["document"] == "garbage \x1b[31m\nred"
    assert len(shop.json("dead-letters", "--limit", "1")["rows"]) == 1


def test_verify(shop: Running) -> None:
    assert shop.cli("verify").startswith(
        "the book holds: 8 positions, 2 batches, 94 samples, 4 events, 11 entries, root "
    )


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["usage", "--meter", "request"], "meters: there is no meter 'request'; did you mean 'requests'?"),
        (["usage", "--tenant", "acmee"], "tenants: there is no tenant 'acmee'; did you mean 'acme'?"),
        (["coverage", "--source", "x"], "sources: there is no source 'x'; there are prometheus/shop, prometheus/two"),
        (["usage", "--from", "today"], "range.start: 'today' is not an RFC 3339 time such as 2026-01-31T09:30:00Z"),
        (["usage", "--from", "2026-03-10T10:00"], "range.start: '2026-03-10T10:00' has no offset: end it with Z or +01:00"),
        (["usage", "--as-of", "9"], "as_of: position 9 is not in the book, which ends at 8"),
        (["cost", "--from", "2026-03-11", "--to", "2026-03-10"], "range.end: 2026-03-10T00:00:00Z is before range.start 2026-03-11T00:00:00Z; give an end that is not before the start"),
        (["charges", "--by", "Region"], "by: no charge here has 'Region'; every one has source, BillingCurrency, "),
        (["charges", "--source", "x"], "sources: no bill is of 'x'; there are bills/focus"),
        (["invoice", "draft", "acmee"], "tenant: tenant 'acmee' has no subscription in the billing period"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_one_sentence(shop: Running, command: list[str], message: str) -> None:
    assert shop.error(*command).startswith(message)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["usage", "--window", "age"], "'age' is not one of 'total', 'own', 'minute', 'hour'"),
        (["usage", "--as-of", "0"], "0 is not in the range 1<=x"),
        (["usage", "--as-of", "x"], "'x' is not a valid integer range"),
        (["dead-letters", "--limit", "0"], "0 is not in the range 1<=x<=10000"),
        (["invoice", "draft"], "Missing argument 'TENANT'"),
        (["apply"], "Missing option '-f' / '--file'"),
        (["nothing"], "No such command 'nothing'"),
        (["ledger", "serve", "--nothing"], "No such option"),
    ],
)
def test_wrong_usage_exits_with_2(command: list[str], message: str) -> None:
    result = run_cli(*command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no.such.host.invalid:9460"])
def test_no_ledger_listens(address: str) -> None:
    result = run_cli("usage", "--ledger", address)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"Error: no ledger answers at {address}: start one with 'meterbook ledger serve' or name another with --ledger\n"
    )


def test_an_address_that_is_none() -> None:
    result = run_cli("usage", "--ledger", "")
    assert result.stderr == "Error: --ledger '' is not host:port, such as 127.0.0.1:9460\n"


def test_a_meter_is_tried(shop: Running, tmp_path: Path) -> None:
    file = tmp_path / "meter.yaml"
    file.write_text(
        "kind: meter\nname: m\nspec: {source: {event: sale}, aggregation: sum, unit: u, value: size, window: day}\n"
    )
    lines = shop.cli("meter", "try", str(file), "--tenant", "acme").splitlines()
    assert lines[1].split()[:5] == ["m", "acme", "2026-03-10T00:00:00Z", "3", "u"]
    note = " ".join(" ".join(lines[2:]).split())
    assert note.endswith("as of position 8; nothing was written")
    assert "1 events count for nothing: " in note
    file.write_text("kind: tenant\nname: t\nspec: {}\n")
    assert shop.error("meter", "try", str(file)).startswith("definition: give one definition of a meter")


def test_apply_is_all_or_nothing_and_idempotent(own: Running, tmp_path: Path) -> None:
    folder = tmp_path / "definitions"
    folder.mkdir()
    (folder / "good.yaml").write_text(METER)
    (folder / "bad.yml").write_text(
        "kind: meter\nname: n\nspec: {unit: 3, agregation: count}\n---\nkind: metre\nname: x\nspec: {}\n"
    )
    (folder / "worse.yaml").write_text("kind: [\n")
    (folder / "ignored.txt").write_text("kind: [\n")
    stderr = own.cli("apply", "-f", str(folder), code=1)
    faults = stderr.removeprefix("Error: ").splitlines()
    assert [fault.partition(str(folder) + "/")[2].partition(":")[0] for fault in faults] == ["bad.yml"] * 4 + [
        "worse.yaml"
    ]
    assert any("'agregation' is not a known key; did you mean 'aggregation'?" in fault for fault in faults)
    assert own.json("definitions") == {"as_of": 1, "rows": []}
    for name in ("bad.yml", "worse.yaml"):
        (folder / name).unlink()
    assert "nothing was written: this was a dry run" in own.cli("apply", "-f", str(folder), "--dry-run")
    assert own.json("definitions")["as_of"] == 1
    created = {"position": 2, "changes": [{"kind": "meter", "name": "m", "version": 1, "outcome": "created"}]}
    assert own.json("apply", "-f", str(folder), "--author", "ada") == created
    assert own.json("apply", "-f", str(folder))["changes"][0]["outcome"] == "unchanged"
    (row,) = own.json("definitions")["rows"]
    assert (row["author"], row["position"], own.json("definitions")["as_of"]) == ("ada", 2, 2)


def test_apply_says_what_it_cannot_read(own: Running, tmp_path: Path) -> None:
    assert (
        own.error("apply", "-f", str(tmp_path / "x.yaml"))
        == f"{tmp_path}/x.yaml: cannot be read (No such file or directory)"
    )
    (tmp_path / "empty").mkdir()
    assert (
        own.error("apply", "-f", str(tmp_path / "empty"))
        == f"{tmp_path}/empty: no .yaml or .yml file in this directory"
    )
    (tmp_path / "latin.yaml").write_bytes(b"kind: \xe9")
    assert own.error("apply", "-f", str(tmp_path / "latin.yaml")) == f"{tmp_path}/latin.yaml: not UTF-8 text at byte 6"


def test_book_and_an_answer_that_stays(own: Running, tmp_path: Path) -> None:
    filled(own, tmp_path)
    at = str(own.json("agents")["as_of"])
    earlier = own.cli("usage", "--window", "hour", "--json", "--as-of", at)
    booked = own.json("book")
    assert booked["entries"] == 1 and booked["position"] > int(at)
    assert own.json("book")["entries"] == 0
    own.send(first(), agent="second")
    assert own.cli("usage", "--window", "hour", "--json", "--as-of", at) == earlier
    # Everything in it was known already.
    assert own.json("usage", "--window", "hour")["rows"] == json.loads(earlier)["rows"]
    assert "entries booked; the book stands at position" in own.cli("book")


def test_verify_exits_with_1_where_the_book_does_not_hold(own: Running, tmp_path: Path) -> None:
    own.apply(tmp_path, METER)
    own.cli("definitions")  # which waits until the tables have them
    own.process._journal.tables._connection.execute("UPDATE definitions SET name = 'n'")
    result = run_cli("verify", "--ledger", own.address)
    assert result.exit_code == 1
    assert result.stdout.startswith("fault: table definitions holds 1 rows of positions 1 to 2 that are not the 1")
    assert "the book does NOT hold" in result.stdout
    as_json = run_cli("verify", "--json", "--ledger", own.address)
    assert as_json.exit_code == 1 and json.loads(as_json.stdout)["holds"] is False


def test_the_real_command(shop: Running, tmp_path: Path) -> None:
    command = str(Path(sys.executable).parent / "meterbook")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([command, *arguments], capture_output=True, text=True, timeout=60)

    assert run("--version").stdout.startswith("meterbook, version ")
    helped = run("--help")
    assert helped.returncode == 0 and all(name in helped.stdout for name in _COMMANDS)
    found = run("usage", "--json", "--ledger", shop.address)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == shop.cli("usage", "--json")
    refused = run("usage", "--meter", "x", "--ledger", shop.address)
    assert refused.returncode == 1 and refused.stderr.startswith("Error: meters: there is no meter 'x'")
    assert run("usage", "--window", "x").returncode == 2


def test_every_command_has_help() -> None:
    for name in _COMMANDS:
        result = run_cli(name, "--help")
        assert result.exit_code == 0 and "Usage:" in result.stdout


def test_definitions_of_one_kind(shop: Running) -> None:
    rows = shop.json("definitions", "--kind", "price-sheet")["rows"]
    assert [row["version"] for row in rows] == [1, 1, 2]
    assert DEFINITIONS.count("kind: price-sheet") == 3
