"""``meterbook access`` and the options that say who is asking, as a person uses them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.access.credentials import parse
from tests.fakes.certificates import Authority
from tests.ledger.guarded import Guarded, guarded
from tests.ledger.running import run_cli


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded(tmp_path_factory.mktemp("guarded")) as found:
        yield found


def good(ledger: Guarded, *arguments: str, token: str = "") -> str:
    """What a command prints."""
    result = ledger.cli(token or ledger.admin, *arguments)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def bad(result: Any) -> str:
    """The one sentence of a command that is refused."""
    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1
    return str(result.stderr).removeprefix("Error: ").strip()


def test_the_credential_stands_alone_on_standard_output(ledger: Guarded) -> None:
    issued = ledger.cli(
        ledger.admin, "access", "issue-token", "bob", "--role", "viewer", "--tenants", "acme, b", "--expires", "2d"
    )
    presented = parse(issued.stdout.rstrip("\n"))
    assert presented.kind == "token" and presented.secret not in issued.stderr
    assert f"token bob ({presented.id}), good until 20" in issued.stderr
    invited = good(ledger, "access", "invite-agent", "edge", "--tenants", "acme,shop-*", "--sources", "*")
    rows = {row["id"]: row for row in json.loads(good(ledger, "access", "list", "--json"))["rows"]}
    assert (rows[presented.id]["role"], rows[presented.id]["tenants"]) == ("viewer", ["acme", "b"])
    invitation = rows[parse(invited.rstrip("\n")).id]
    assert (invitation["kind"], invitation["tenants"], invitation["sources"]) == ("enrol", ["acme", "shop-*"], ["*"])
    assert invitation["state"] == "valid"
    assert presented.id in good(ledger, "access", "list")


def test_a_token_is_rotated_and_revoked(ledger: Guarded) -> None:
    first = good(ledger, "access", "issue-token", "op", "--role", "operator").strip()
    credential = parse(first).id
    second = json.loads(good(ledger, "access", "rotate", credential, "--overlap", "0s", "--json"))["token"]
    assert "is not known here" in bad(ledger.cli(first, "usage"))
    good(ledger, "usage", token=second)
    assert good(ledger, "access", "revoke", credential) == f"op ({credential}) is revoked\n"
    assert "was revoked" in bad(ledger.cli(second, "usage"))


@pytest.mark.parametrize("expires", ["1", "h", "1.5h", "-1h", "1y", "1h ", ""])
def test_a_duration_has_a_number_and_a_unit(ledger: Guarded, expires: str) -> None:
    result = ledger.cli(ledger.admin, "access", "issue-token", "x", "--role", "admin", "--expires", expires)
    assert result.exit_code == 2 and "such as 1h" in result.stderr


def test_the_token_may_stand_in_a_file(ledger: Guarded, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(ledger.admin + "\n")
    good(ledger, "usage", "--token-file", str(tmp_path / "token"), token="mb_wrong")
    assert "cannot be read (No such file" in bad(ledger.cli("", "usage", "--token-file", str(tmp_path / "none")))
    (tmp_path / "token").write_text("two\nlines")
    assert "characters that no token has" in bad(ledger.cli("", "usage", "--token-file", str(tmp_path / "token")))


def test_a_token_is_not_sent_in_plain_text_to_another_machine(monkeypatch: pytest.MonkeyPatch, ledger: Guarded) -> None:
    monkeypatch.setenv("METERBOOK_TOKEN", ledger.admin)
    for address in ("192.0.2.1:9", "ledger.example:9", "[2001:db8::1]:9"):
        said = bad(run_cli("usage", "--ledger", address))
        assert said == f"the token would travel to {address} in plain text: give --ca-file, or say --insecure"
    assert "no ledger answers" in bad(run_cli("usage", "--ledger", "127.0.0.1:9"))


def test_a_client_certificate(tmp_path: Path) -> None:
    clients = Authority(tmp_path / "clients")
    (tmp_path / "ledger").mkdir()
    with guarded(tmp_path / "ledger", clients) as ledger:
        pair = clients.issue("op")
        certified = ["--cert-file", str(pair.cert_file), "--key-file", str(pair.key_file)]
        good(ledger, "usage", *certified)
        assert "give a client certificate that it accepts" in bad(ledger.cli(ledger.admin, "usage"))
        assert "go together" in ledger.cli(ledger.admin, "usage", *certified[:2]).stderr
