"""What options and environment say of a ledger and of who asks, and what must not be sent to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from meterbook.asking import TOKEN_VARIABLE, Asker, asker, asks, is_here
from meterbook.health import is_loopback

ELSEWHERE = "192.0.2.1:9460"


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LEDGER", "CA_FILE", "CERT_FILE", "KEY_FILE", "TOKEN_FILE", "TOKEN", "SERVER_NAME"):
        monkeypatch.delenv(f"METERBOOK_{name}", raising=False)


def asked(*arguments: str) -> list[Asker]:
    """Who asks, by a group and by each of the commands that is called."""
    found: list[Asker] = []

    @click.group(invoke_without_command=True)
    @asks
    def outer() -> None:
        found.append(asker())

    @outer.command()
    @asks
    def inner() -> None:
        found.append(asker())

    result = CliRunner().invoke(outer, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return found


def written(folder: Path, **texts: str) -> dict[str, Path]:
    """Files of the options that are named."""
    for name, text in texts.items():
        (folder / name).write_text(text)
    return {name: folder / name for name in texts}


def refused(ask: Callable[[], object], kind: type[click.ClickException] = click.ClickException) -> str:
    with pytest.raises(kind) as caught:
        ask()
    assert type(caught.value) is kind
    return caught.value.message


def test_nothing_that_is_said_is_a_ledger_on_this_machine_in_plain_text() -> None:
    (found,) = asked()
    assert found == Asker("127.0.0.1:9460")
    assert (found.certificates(), found.token()) == (None, "")


def test_options_come_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LEDGER", "CA_FILE", "CERT_FILE", "KEY_FILE", "TOKEN_FILE", "SERVER_NAME"):
        monkeypatch.setenv(f"METERBOOK_{name}", f"{name}-of-the-environment")
    options = [
        "--ledger",
        "b:1",
        "--ca-file",
        "ca",
        "--cert-file",
        "cert",
        "--key-file",
        "key",
        "--token-file",
        "token",
        "--server-name",
        "ledger.example.com",
    ]
    assert asked(*options, "--insecure") == [
        Asker("b:1", Path("ca"), Path("cert"), Path("key"), Path("token"), True, "ledger.example.com")
    ]
    (found,) = asked()
    assert (found.ledger, found.ca_file) == ("LEDGER-of-the-environment", Path("CA_FILE-of-the-environment"))
    assert found.server_name == "SERVER_NAME-of-the-environment"
    assert (found.token_file, found.is_insecure) == (Path("TOKEN_FILE-of-the-environment"), False)


def test_what_is_said_to_a_command_counts_and_not_what_is_said_to_its_group() -> None:
    group, command = asked("--ledger", "a:1", "--token-file", "a", "inner", "--ledger", "b:1")
    assert (group, command) == (Asker("a:1", token_file=Path("a")), Asker("b:1"))


def test_certificates_are_read_where_there_is_tls(tmp_path: Path) -> None:
    files = written(tmp_path, ca_file="authority", cert_file="chain", key_file="key")
    assert Asker(ELSEWHERE, **files).certificates() == (b"authority", b"chain", b"key")
    assert Asker(ELSEWHERE, files["ca_file"]).certificates() == (b"authority", None, None)
    files["key_file"].unlink()
    assert refused(Asker(ELSEWHERE, **files).certificates) == (
        f"--key-file {files['key_file']}: cannot be read (No such file or directory)"
    )


@pytest.mark.parametrize("given", ["cert_file", "key_file"])
def test_a_certificate_and_its_key_go_together(given: str) -> None:
    alone = Asker(ELSEWHERE, Path("ca"), **{given: Path("x")})
    assert "go together: give both" in refused(alone.certificates, click.UsageError)


def test_plain_text_has_no_certificates() -> None:
    found = Asker("127.0.0.1:1", cert_file=Path("a"), key_file=Path("b"))
    assert refused(found.certificates, click.UsageError).startswith("--cert-file without --ca-file")
    found = Asker("127.0.0.1:1", server_name="ledger.example.com")
    assert refused(found.certificates, click.UsageError).startswith("--server-name without --ca-file")


def test_a_token_comes_from_its_file_or_else_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = written(tmp_path, token_file="of-the-file\n")
    monkeypatch.setenv(TOKEN_VARIABLE, " of-the-environment\n")
    assert Asker("localhost:1").token() == "of-the-environment"
    assert Asker("localhost:1", **files).token() == "of-the-file"
    assert "cannot be read" in refused(Asker("localhost:1", token_file=tmp_path).token)
    for text in ("two\nlines", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"):
        files["token_file"].write_text(text)
        assert "characters that no token has" in refused(Asker("localhost:1", **files).token)


def test_a_token_leaves_the_machine_in_plain_text_only_where_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "secret")
    said = refused(Asker(ELSEWHERE).token)
    assert said == f"the token would travel to {ELSEWHERE} in plain text: give --ca-file, or say --insecure"
    assert Asker(ELSEWHERE, is_insecure=True).token() == Asker(ELSEWHERE, Path("ca")).token() == "secret"
    monkeypatch.setenv(TOKEN_VARIABLE, "")
    assert Asker(ELSEWHERE).token() == ""


@pytest.mark.parametrize(
    ("host", "is_it"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_this_machine(host: str, is_it: bool) -> None:
    assert is_loopback(host) is is_here(f"[{host}]:9460") is is_it


@pytest.mark.parametrize("target", ["", "localhost", "127.0.0.1:x", "unix:/run/ledger"])
def test_what_is_no_address_is_not_here(target: str) -> None:
    assert not is_here(target)
