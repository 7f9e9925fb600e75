"""``meterbook ledger doctor``: beside a real ledger, before one is started, and with one thing wrong at a time."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from ledger.access.credentials import make
from ledger.journal import looking
from ledger.proof.errors import KeyRefused
from ledger.server import doctor
from meterbook.health import HealthServer
from meterbook.proof.note import SigningKey
from tests.fakes.certificates import Authority
from tests.ledger.running import run_cli, serving

Found = list[tuple[str, str, str]]


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    return {"store": f"file:{tmp_path}/store", "listen": "127.0.0.1:0", "http": "127.0.0.1:1"}


def examined(settings: dict[str, Any], tmp_path: Path, *, code: int) -> Found:
    path = tmp_path / "ledger.yaml"
    path.write_text(yaml.safe_dump(settings))
    result = run_cli("ledger", "doctor", "--config", str(path), "--json")
    assert result.exit_code == code, result.output
    findings = json.loads(result.stdout)["findings"]
    assert all(bool(each["advice"]) is (each["status"] != "ok") for each in findings)
    return [(each["check"], each["status"], each["found"]) for each in findings]


def only(found: Found) -> tuple[str, str]:
    ((check, _, text),) = (each for each in found if each[1] == "failure")
    return check, text


def texts(found: Found) -> str:
    return "\n".join(text for _, _, text in found)


def test_before_it_is_started(settings: dict[str, Any], tmp_path: Path) -> None:
    found = examined(settings, tmp_path, code=0)
    assert {check for check, _, _ in found} >= {
        "configuration",
        "versions",
        "store",
        "permissions",
        "disk",
        "reachability",
    }
    assert "a new book begins there" in texts(found) and "is free" in texts(found)
    assert not (tmp_path / "store").exists(), "nothing is made to find out"


def test_beside_a_ledger_that_runs(settings: dict[str, Any], tmp_path: Path) -> None:
    with serving(tmp_path / "store") as running:
        settings |= {"listen": running.address, "http": f"127.0.0.1:{running.process.http_port}"}
        told = texts(examined(settings, tmp_path, code=0))
        assert "and a process has it open" in told and "says at" in told and "is listened on" in told
        assert "holds 1 signing keys" in told
        assert running.admin is not None
    assert "and nobody has it open" in texts(examined(settings | {"listen": "127.0.0.1:0"}, tmp_path, code=0))


def test_a_key_file_that_is_not_the_books(settings: dict[str, Any], tmp_path: Path) -> None:
    """What it says is what a ledger says that is started all the same."""
    with serving(tmp_path / "store"):
        pass
    (key,) = (tmp_path / "store" / "keys").iterdir()
    assert "and the one by which the book is signed" in texts(examined(settings, tmp_path, code=0))
    first = key.read_text()
    key.unlink()
    check, text = only(examined(settings, tmp_path, code=1))
    assert check == "store" and "the book is signed by" in text and "the file holds nothing" in text
    key.write_text(f"{SigningKey.generate('meterbook/another').secret_text()}\n")
    key.chmod(0o600)
    check, text = only(examined(settings, tmp_path, code=1))
    assert "the book is signed by" in text and "holds meterbook/another+" in text
    with pytest.raises(KeyRefused) as refused, serving(tmp_path / "store"):
        pass
    assert text == f"proof.{refused.value}"
    settings["proof"] = {"replace_lost_key": True}
    found = examined(settings, tmp_path, code=0)
    assert any(status == "warning" and "a new one takes its place" in told for _, status, told in found)
    key.write_text(first)
    settings["proof"] = {"origin": "meterbook/elsewhere"}
    assert "the book is called" in only(examined(settings, tmp_path, code=1))[1]


def test_a_log_that_was_restored_without_tables(settings: dict[str, Any], tmp_path: Path) -> None:
    with serving(tmp_path / "store"):
        pass
    shutil.rmtree(tmp_path / "store" / "tables")
    assert "holds 1 signing keys" in texts(examined(settings, tmp_path, code=0))
    assert not (tmp_path / "store" / "tables").exists(), "nothing is made to find out"


def test_tables_that_cannot_be_read(settings: dict[str, Any], tmp_path: Path) -> None:
    with serving(tmp_path / "store"):
        pass
    (tmp_path / "store" / "tables" / "catalog.sqlite").write_bytes(b"x" * 4096)
    found = examined(settings, tmp_path, code=0)
    assert any(status == "warning" and "could not be found out" in text for _, status, text in found)


def test_a_ledger_that_hangs(settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PATIENCE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings["http"] = f"127.0.0.1:{silent.getsockname()[1]}"
        check, text = only(examined(settings, tmp_path, code=1))
        assert (check, text) == ("reachability", f"something listens at http {settings['http']}, and does not answer")
        with serving(tmp_path / "store") as running:
            settings["listen"] = running.address
            found = examined(settings, tmp_path, code=1)
    check, text = only(found)
    assert check == "reachability"
    assert text == f"a ledger has the book open, and does not answer at http {settings['http']}: it hangs, or is busy"
    assert f"listen {settings['listen']} is listened on" in texts(found)


def test_a_ledger_whose_page_is_elsewhere(settings: dict[str, Any], tmp_path: Path) -> None:
    with serving(tmp_path / "store") as running:
        settings["listen"] = running.address
        found = examined(settings, tmp_path, code=0)
    assert any(status == "warning" and "a process has the book open, and no" in text for _, status, text in found)


def test_a_configuration_that_is_wrong(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["listne"] = "x"
    assert only(examined(settings, tmp_path, code=1)) == (
        "configuration",
        f"{tmp_path}/ledger.yaml: listne is not a key; did you mean listen?",
    )


def test_options_take_the_place_of_the_file(tmp_path: Path) -> None:
    result = run_cli("ledger", "doctor", "--store", f"file:{tmp_path}/store", "--listen", "0.0.0.0:0")
    assert result.exit_code == 1 and "failure  configuration: options: listen '0.0.0.0:0'" in result.stdout


def test_a_ledger_that_is_not_ready(settings: dict[str, Any], tmp_path: Path) -> None:
    from prometheus_client import CollectorRegistry

    door = HealthServer("127.0.0.1:0", CollectorRegistry(), lambda: "the tables cannot be filled")
    door.start()
    try:
        settings["http"] = f"127.0.0.1:{door.port}"
        found = examined(settings, tmp_path, code=1)
    finally:
        door.stop()
    assert "the ledger that runs is not ready: the tables cannot be filled" in texts(found)


def test_an_address_that_is_taken_or_not_ours(settings: dict[str, Any], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings["listen"] = f"127.0.0.1:{other.getsockname()[1]}"
        assert "is taken, and not by a ledger" in only(examined(settings, tmp_path, code=1))[1]
    settings |= {"listen": "203.0.113.7:9460", "insecure": True}
    assert "cannot be listened on" in only(examined(settings, tmp_path, code=1))[1]


def test_a_directory_that_is_no_store(settings: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "holiday.jpg").write_text("")
    check, text = only(examined(settings, tmp_path, code=1))
    assert check == "store" and "is not a store" in text


def test_a_store_of_another_version(settings: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "FORMAT").write_text("meterbook journal 9\n")
    assert "meterbook journal 9" in only(examined(settings, tmp_path, code=1))[1]


def test_a_disk_that_is_full(settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "ROOM_BYTES", 1 << 60)
    assert only(examined(settings, tmp_path, code=1))[0] == "disk"


def test_signing_keys_that_others_can_read(settings: dict[str, Any], tmp_path: Path) -> None:
    key = tmp_path / "signing.key"
    key.write_text("")
    key.chmod(0o644)
    settings["proof"] = {"key_file": str(key)}
    check, text = only(examined(settings, tmp_path, code=1))
    assert check == "permissions" and "has the mode 0644" in text


def test_an_admin_token_that_is_none(settings: dict[str, Any], tmp_path: Path) -> None:
    token = tmp_path / "admin"
    token.write_text("hunter2")
    token.chmod(0o600)
    settings["access"] = {"admin_token_file": str(token)}
    check, text = only(examined(settings, tmp_path, code=1))
    assert (check, text) == ("permissions", f"access.admin_token_file {token} holds no token")
    token.write_text(make("token").text + "\n")
    assert "holds an admin token" in texts(examined(settings, tmp_path, code=0))
    token.unlink()
    assert "cannot be read" in only(examined(settings, tmp_path, code=1))[1]


def test_certificates(settings: dict[str, Any], tmp_path: Path) -> None:
    authority = Authority(tmp_path / "tls")
    pair, old = authority.issue("ledger"), authority.issue("old", valid_days=-1)
    pair.key_file.chmod(0o600)
    settings["tls"] = {"cert_file": str(pair.cert_file), "key_file": str(pair.key_file)}
    found = examined(settings, tmp_path, code=0)
    assert any(status == "warning" and "holds for 4 more days" in text for _, status, text in found)
    settings["tls"]["cert_file"] = str(old.cert_file)
    failed = [text for _, status, text in examined(settings, tmp_path, code=1) if status == "failure"]
    assert "has ended at" in failed[0] and "is not the key of" in failed[1]


def test_libraries_that_do_not_fit(settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "version", lambda name: "1.5.5" if name == "duckdb" else "1.5.4")
    check, text = only(examined(settings, tmp_path, code=1))
    assert check == "versions" and "duckdb-extension-ducklake 1.5.4" in text


def test_services_that_are_not_there(settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    settings["store"] = [
        "s3://book/x?endpoint=http://127.0.0.1:1&region=eu-central-1",
        "postgresql://m:hunter2@127.0.0.1:1/m",
    ]
    settings["proof"] = {"key_file": str(tmp_path / "signing.key")}
    found = examined(settings, tmp_path, code=1)
    failed = [text for _, status, text in found if status == "failure"]
    assert len(failed) == 2 and "Connection refused" in failed[0] and "is S3 running?" in failed[1]
    assert "hunter2" not in texts(found)
