"""What a doctor of either side says of the machine, of certificates and of the way to a server: one test for each thing that can be wrong."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from meterbook.doctor import certificates, machine
from meterbook.doctor.findings import Finding, as_json_option, examined, failure, ok, told, warning
from meterbook.doctor.reaching import Trust, reached
from tests.fakes.certificates import Authority, Pair


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


def only(found: Iterator[Finding]) -> Finding:
    (each,) = found
    return each


@contextmanager
def listening(pair: Pair | None = None) -> Iterator[int]:
    """Something that listens, with TLS where there is a certificate, and says nothing else."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            try:
                connection, _ = server.accept()
                with connection:
                    if pair is None:
                        connection.sendall(b"220 mail\r\n")
                        return
                    context.load_cert_chain(pair.cert_file, pair.key_file)
                    context.set_alpn_protocols(["h2"])
                    context.wrap_socket(connection, server_side=True).close()
            except OSError:
                return  # whoever refuses the certificate hangs up

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_report_is_lines_or_json_and_ends_with_1_where_something_fails() -> None:
    def fails() -> Iterator[Finding]:
        yield warning("clock", "it is 3 s ahead of postgresql://me:hunter2@db/x", "set it")
        raise RuntimeError("Bearer abcdefghijkl")

    checks = [("versions", lambda: [ok("versions", "new")]), ("clock", fails), ("disk", lambda: [ok("disk", "empty")])]

    @click.command()
    @as_json_option
    def doctor(as_json: bool) -> None:
        told(examined(checks), as_json=as_json)

    lines = CliRunner().invoke(doctor)
    assert lines.exit_code == 1
    assert lines.output.splitlines() == [
        "ok       versions: new",
        "warning  clock: it is 3 s ahead of postgresql://***@db/x",
        "         -> set it",
        "failure  clock: this could not be looked at: RuntimeError: Bearer ***",
        "         -> look at that first, or report it",
        "ok       disk: empty",
    ]
    document = json.loads(CliRunner().invoke(doctor, ["--json"]).output)
    assert document["ok"] is False and len(document["findings"]) == 4
    assert document["findings"][1]["status"] == "warning"
    checks.pop(1)
    assert CliRunner().invoke(doctor).exit_code == 0


def test_files_that_are_missing_or_open_to_all(tmp_path: Path) -> None:
    key = tmp_path / "key"
    missing = only(machine.readable("permissions", "ledger.key_file", key))
    assert missing.status == "failure" and f"ledger.key_file {key} cannot be read: No such file" in missing.found
    key.write_text("secret")
    key.chmod(0o644)
    found = only(machine.readable("permissions", "ledger.key_file", key, is_secret=True))
    assert (found.status, found.advice) == ("warning", f"chmod o-rwx {key}")
    key.chmod(0o600)
    assert only(machine.readable("permissions", "ledger.key_file", key, is_secret=True)).status == "ok"


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert only(machine.writable("permissions", "spool.path", tmp_path / "file" / "below")).status == "failure"
    assert only(machine.writable("permissions", "spool.path", tmp_path / "to" / "be" / "made")).status == "ok"
    assert not (tmp_path / "to").exists(), "nothing is made to find out"


@pytest.mark.parametrize(("share", "status"), [(0.5, "ok"), (2.0, "warning"), (20.0, "failure")])
def test_room_on_the_disk(tmp_path: Path, share: float, status: str) -> None:
    free = machine.os.statvfs(tmp_path)
    wanted = int(free.f_bavail * free.f_frsize * share)
    assert only(machine.room("store", tmp_path / "store", wanted, "where the book grows")).status == status


@pytest.mark.parametrize(
    ("ahead_s", "status", "words"),
    [(0.5, "ok", "0.500 s ahead of"), (-3, "warning", "3.000 s behind"), (90, "failure", "90.000 s ahead of")],
)
def test_clocks_that_differ(ahead_s: float, status: str, words: str) -> None:
    found = machine.clock_difference(ahead_s, "the ledger's")
    assert (found.status, words in found.found) == (status, True)


def test_sizes_are_told_as_people_read_them() -> None:
    assert [machine.size(each) for each in (12, 1536, 5 << 30)] == ["12 bytes", "1.5 KiB", "5 GiB"]


def test_certificates_that_ended_end_soon_or_have_not_begun(authority: Authority, tmp_path: Path) -> None:
    pair = authority.issue("agent:edge", valid_days=30)
    now = datetime.now(UTC)

    def status(at: datetime) -> str:
        return only(certificates.chain("cert_file", pair.cert_file, at)).status

    days = [timedelta(days=each) for each in (0, 20, 40, -40)]
    assert [status(now + each) for each in days] == ["ok", "warning", "failure", "failure"]
    assert "holds for 29 more days" in only(certificates.chain("cert_file", pair.cert_file)).found
    (tmp_path / "text").write_text("no certificate")
    assert "holds no PEM certificate" in only(certificates.chain("cert_file", tmp_path / "text")).found
    assert "cannot be read" in only(certificates.chain("cert_file", tmp_path / "none")).found


def test_a_key_that_is_anothers(authority: Authority) -> None:
    one, two = authority.issue("one"), authority.issue("two")
    assert only(certificates.key_fits(one.cert_file, one.key_file)).status == "ok"
    assert "is not the key of" in only(certificates.key_fits(one.cert_file, two.key_file)).found
    assert "is not an unencrypted key" in only(certificates.key_fits(one.cert_file, two.cert_file)).found


def last(port: int, trust: Trust | None, host: str = "127.0.0.1") -> Finding:
    return list(reached(host, port, trust))[-1]


def test_the_way_to_a_server(authority: Authority) -> None:
    with listening(authority.issue("ledger", valid_days=90)) as port:
        found = list(reached("127.0.0.1", port, Trust(authority.file)))
    assert [each.status for each in found] == ["ok", "ok", "ok"]
    assert "holds for 89 more days" in found[-1].found


@pytest.mark.parametrize("reason", ["expired", "authority", "name", "plain", "closed", "unknown"])
def test_what_stands_in_the_way(authority: Authority, tmp_path: Path, reason: str) -> None:
    if reason == "closed":
        with listening() as port:
            list(reached("127.0.0.1", port, None))
        found = last(port, None)
        assert "takes no connection: Connection refused" in found.found
    elif reason == "unknown":
        found = last(1, None, "nobody.invalid")
        assert "nobody.invalid is not found" in found.found
    elif reason == "plain":
        with listening() as port:
            found = last(port, Trust(authority.file))
        assert "does not speak TLS" in found.found
    elif reason == "expired":
        with listening(authority.issue("old", valid_days=-1)) as port:
            found = last(port, Trust(authority.file))
        assert "certificate has expired" in found.found and "renew" in found.advice
    elif reason == "authority":
        with listening(authority.issue("ledger")) as port:
            found = last(port, Trust(Authority(tmp_path / "other").file))
        assert "is refused" in found.found and "ca_file" in found.advice
    else:
        with listening(authority.issue("ledger")) as port:
            found = last(port, Trust(authority.file, server_name="127.0.0.1"), "localhost")
            assert found.status != "failure", found
        with listening(authority.issue("ledger")) as port:
            found = last(port, Trust(authority.file), "localhost")
        assert "Hostname mismatch" in found.found and "name the server" in found.advice
    assert found.status == "failure"


def test_files_for_tls_that_are_none(authority: Authority, tmp_path: Path) -> None:
    with listening(authority.issue("ledger")) as port:
        assert last(port, Trust(tmp_path / "none")).check == "certificates"


def test_all_failures_have_advice() -> None:
    assert failure("a", "b", "c") == Finding("a", "failure", "b", "c")
