"""The process: what it refuses to start with, what it serves, and how it stops."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from ledger.journal.errors import StoreInUse, StoreRefused
from ledger.metering.booking import Booker, Until
from ledger.server.config import LedgerConfig
from ledger.server.process import CannotServe, LedgerProcess
from meterbook.ledger.v1 import admin_pb2, query_pb2
from meterbook.wire.instants import HOUR_US, SECOND_US, now_us
from tests.ledger.batches import content, coverage, event
from tests.ledger.running import Running, loop, run_cli, serving

METER = "kind: meter\nname: m\nspec: {source: {event: sale}, aggregation: count, unit: u}\n"


def refused(store: Path, kind: type[Exception], **config: Any) -> str:
    """What a ledger says that cannot start; it leaves nothing open."""
    settings = {"store": f"file:{store}", "listen": "127.0.0.1:0", "http": "127.0.0.1:0"} | config
    with loop() as run, pytest.raises(kind) as error:
        run(LedgerProcess(LedgerConfig.model_validate(settings)).start())
    return str(error.value)


@contextmanager
def taken() -> Iterator[str]:
    """An address that something else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def get(address: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}", timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_port_in_use(tmp_path: Path) -> None:
    with taken() as address:
        assert refused(tmp_path / "store", CannotServe, listen=address) == (
            f"listen: cannot listen on {address}; stop what listens there or choose another address"
        )
        assert refused(tmp_path / "store", CannotServe, http=address) == (
            f"http: cannot listen on {address}: Address already in use; stop what listens there or choose another address"
        )
    # Whatever was opened was closed again.
    with serving(tmp_path / "store"):
        pass


def test_a_store_in_use(tmp_path: Path) -> None:
    with serving(tmp_path / "store"):
        assert refused(tmp_path / "store", StoreInUse) == (
            f"{tmp_path}/store: another process has this store open; stop it or choose another directory"
        )


def test_a_store_of_another_version_and_what_is_none(tmp_path: Path) -> None:
    with serving(tmp_path / "store"):
        pass
    (tmp_path / "store" / "FORMAT").write_text("meterbook journal 3\n")
    said = refused(tmp_path / "store", StoreRefused)
    assert "the store says 'meterbook journal 3', this software reads 'meterbook journal 2'" in said
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    assert (
        refused(tmp_path / "other", StoreRefused)
        == f"{tmp_path}/other: not empty and not a store; choose an empty directory"
    )


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command makes the certificate, and is not installed")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-subj", "/CN=ledger", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


def test_tls(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    strange = tmp_path / "strange"
    strange.mkdir()
    other, _ = certificate(strange)

    def told(running: Running, *arguments: str, address: str = "") -> str:
        result = run_cli("agents", "--ledger", address or running.address, *arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1
        return result.stderr.removeprefix("Error: ").strip()

    tls = {"cert_file": cert, "key_file": key}
    with serving(tmp_path / "store", tls=tls, access={"anonymous": "admin"}) as running:
        at = running.address
        trusted = run_cli("agents", "--ledger", at, "--ca-file", str(cert))
        assert (trusted.exit_code, trusted.stderr) == (0, "") and "as of position 1" in trusted.stdout
        assert told(running) == f"{at} does not speak plain text: give --ca-file if it has a certificate"
        assert told(running, "--ca-file", str(tmp_path / "none.pem")) == (
            f"--ca-file {tmp_path}/none.pem: cannot be read (No such file or directory)"
        )
        assert told(running, "--ca-file", str(other)) == (
            f"the certificate of {at} is not signed by --ca-file {other}: give the authority that signed it"
        )
        assert (
            told(running, "--ca-file", str(key)) == f"--ca-file {key}: holds no PEM certificate; give the authority's"
        )
        named = f"localhost:{running.process.port}"
        assert told(running, "--ca-file", str(cert), address=named) == (
            f"the certificate of {named} is for another name: name the ledger as the certificate does, or give that name by --server-name"
        )
        # As through a port-forward: the address is another, the name that of the certificate.
        again = run_cli("agents", "--ledger", named, "--ca-file", str(cert), "--server-name", "127.0.0.1")
        assert (again.exit_code, again.stderr) == (0, "") and "as of position 1" in again.stdout
        stranger = told(running, "--ca-file", str(cert), "--server-name", "ledger.example.com")
        assert stranger.startswith(f"the certificate of {at} is for another name: ")
        door = f"127.0.0.1:{running.process.http_port}"
        assert told(running, address=door) == f"{door} is no ledger's gRPC port: give the one that it listens on"
    with serving(tmp_path / "store") as running:
        assert told(running, "--ca-file", str(cert)) == f"{running.address} speaks plain text: leave --ca-file out"


def test_tls_files_that_cannot_be_used(tmp_path: Path) -> None:
    missing = {"cert_file": tmp_path / "cert.pem", "key_file": tmp_path / "key.pem"}
    assert refused(tmp_path / "store", CannotServe, tls=missing) == (
        f"tls: {tmp_path}/key.pem cannot be read (No such file or directory); give files that the ledger may read"
    )
    for path in missing.values():
        path.write_text("no certificate\n")
    unusable = f"tls: {tmp_path}/cert.pem and {tmp_path}/key.pem are not a certificate and its unencrypted key"
    assert refused(tmp_path / "store", CannotServe, tls=missing).startswith(unusable)
    certificate(tmp_path)
    strange = tmp_path / "other"
    strange.mkdir()
    _, missing["key_file"] = certificate(strange)
    assert "give files that belong together" in refused(tmp_path / "store", CannotServe, tls=missing)


def test_the_operators_door(tmp_path: Path) -> None:
    with serving(tmp_path / "store") as running:
        running.send(content(coverage=[coverage(0)]))
        door = f"127.0.0.1:{running.process.http_port}"
        assert get(f"{door}/healthz") == (200, "alive\n")
        assert get(f"{door}/readyz") == (200, "ready\n")
        status, page = get(f"{door}/metrics")
        lines = page.splitlines()
        assert status == 200
        assert "meterbook_ledger_batches_total 1.0" in lines
        assert "meterbook_ledger_log_position 2.0" in lines
        running.process._journal.materialiser.trouble = "the tables are not being filled: disk full"
        running.process._journal.materialiser.stop()
        running.process._journal.materialiser.trouble = "the tables are not being filled: disk full"
        assert get(f"{door}/readyz") == (503, "the tables are not being filled: disk full\n")


def test_health_and_reflection(tmp_path: Path) -> None:
    with serving(tmp_path / "store") as running:
        for name in ("", "meterbook.ledger.v1.Query", "meterbook.intake.v1.Intake"):
            answer = health_pb2_grpc.HealthStub(running.channel).Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        (listed,) = reflection_pb2_grpc.ServerReflectionStub(running.channel).ServerReflectionInfo(iter([asked]))
        names = {each.name for each in listed.list_services_response.service}
        assert {"meterbook.intake.v1.Intake", "meterbook.ledger.v1.Query", "meterbook.ledger.v1.Admin"} <= names


def test_closed_hours_are_booked_by_themselves(tmp_path: Path) -> None:
    with serving(tmp_path / "store", metering={"every_s": 1}) as running:
        running.apply(tmp_path, METER)
        running.send(content(events=[event(1)]))
        while not running.process._journal.view().count("entries"):
            time.sleep(0.05)
        assert (
            "meterbook_ledger_entries_total 1.0"
            in get(f"127.0.0.1:{running.process.http_port}/metrics")[1].splitlines()
        )


def test_a_window_is_booked_as_soon_as_its_sources_have_told_of_it(tmp_path: Path) -> None:
    """Its lateness is a day, and half of it is told: nobody waits for the day once the rest is, too."""
    hour_us = now_us() // HOUR_US * HOUR_US
    sold = event(1, time=hour_us - 10 * SECOND_US)
    told = [
        coverage(0, source="logfile", start=start_us, end=end_us)
        for start_us, end_us in ((hour_us - HOUR_US, hour_us - 1), (hour_us - 1, hour_us))
    ]
    with serving(tmp_path / "store", metering={"every_s": 1}) as running:
        running.apply(tmp_path, METER.replace("unit: u", "unit: u, lateness: 1d"))
        running.send(content(events=[sold], coverage=told[:1]))
        journal = running.process._journal
        assert running.process._booker.book_closed(now_us(), 0) == (journal.view().position, 0)
        running.send(content(coverage=told[1:]))
        while not journal.view().count("entries"):
            time.sleep(0.05)


@pytest.mark.slow
def test_many_ask_and_book_while_the_book_grows(tmp_path: Path) -> None:
    def grow(running: Running, agent: str) -> None:
        for number in range(5):
            running.send(content(events=[event(number, source=agent)]), agent=agent)
            running.admin.Book(admin_pb2.BookRequest())

    with serving(tmp_path / "store") as running:
        running.apply(tmp_path, METER)
        threads = [threading.Thread(target=grow, args=(running, f"agent-{number}")) for number in range(3)]
        for thread in threads:
            thread.start()
        seen = [0]
        while any(thread.is_alive() for thread in threads):
            rows = running.query.Usage(query_pb2.UsageRequest()).rows
            seen.append(sum(int(row.quantity) for row in rows))
        assert seen == sorted(seen)
        (row,) = running.query.Usage(query_pb2.UsageRequest()).rows
        assert row.quantity == "15"
        assert running.cli("verify").startswith("the book holds")


def test_stopping_waits_for_a_booking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began, may_end = threading.Event(), threading.Event()
    book = Booker.book

    def slowly(self: Booker, closed_us: int | None = None, until: Until | None = None) -> tuple[int, int]:
        with self._running:
            began.set()
            may_end.wait(30)
        return book(self, closed_us, until)

    monkeypatch.setattr(Booker, "book", slowly)
    with serving(tmp_path / "store", metering={"every_s": 1}):
        assert began.wait(30)
        threading.Timer(0.5, may_end.set).start()
    assert may_end.is_set()


def test_what_fails_inside_is_told_without_ending_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by nothing")

    with serving(tmp_path / "store") as running:
        with monkeypatch.context() as patch:
            patch.setattr("ledger.query.usage.usage", fails)
            with pytest.raises(grpc.RpcError) as error:
                running.query.Usage(query_pb2.UsageRequest())
        assert error.value.code() is grpc.StatusCode.INTERNAL  # type: ignore[attr-defined]
        assert "by nothing; its log has the details" in error.value.details()  # type: ignore[attr-defined]
        assert running.query.Usage(query_pb2.UsageRequest()).as_of == 1


def test_serve_as_a_process(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).parent / "meterbook"), "ledger", "serve", "--store", f"file:{tmp_path}/store"]
    serve = [*command, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log-format", "text"]
    with subprocess.Popen(serve, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "serving" in next(line for line in process.stderr if "serving" in line)
        second = subprocess.run(serve, capture_output=True, text=True, timeout=60)
        assert second.returncode == 1 and "another process has this store open" in second.stderr
        assert "Traceback" not in second.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert "Traceback" not in process.stderr.read()
    wrong = subprocess.run(
        [*command, "--listen", "0.0.0.0:0", "--log-format", "text"], capture_output=True, text=True, timeout=60
    )
    assert wrong.returncode == 1
    assert (
        wrong.stderr == "Error: options: listen '0.0.0.0:0' can be reached by others: give tls, or say insecure: true\n"
    )
