"""The operator's door, opened over real HTTP."""

from __future__ import annotations

import logging
import socket
import struct
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter

from meterbook.health import CONNECTIONS_MAX, HealthServer, split_address


class Process:
    """A process with a metric and a health."""

    def __init__(self, listen: str = "127.0.0.1:0") -> None:
        self.reason: str | None = None
        registry = CollectorRegistry()
        Counter("batches", "Batches sent.", registry=registry).inc(3)
        self.server = HealthServer(listen, registry, lambda: self.reason)
        self.server.start()

    def get(self, path: str, host: str = "127.0.0.1", accept: str = "*/*") -> tuple[int, str, str]:
        request = urllib.request.Request(f"http://{host}:{self.server.port}{path}", headers={"Accept": accept})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=10) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["Content-Type"], error.read().decode()


@pytest.fixture
def process() -> Iterator[Process]:
    process = Process()
    yield process
    process.server.stop()


def test_metrics_are_served(process: Process) -> None:
    status, kind, body = process.get("/metrics")
    assert (status, kind.partition(";")[0]) == (200, "text/plain")
    assert "batches_total 3.0" in body


def test_metrics_are_served_as_openmetrics_on_request(process: Process) -> None:
    status, kind, body = process.get("/metrics?x=1", accept="application/openmetrics-text; version=1.0.0")
    assert (status, kind.partition(";")[0]) == (200, "application/openmetrics-text")
    assert body.endswith("# EOF\n")


def test_a_process_that_answers_is_healthy_even_if_it_is_not_ready(process: Process) -> None:
    process.reason = "the disk is full"
    assert process.get("/healthz") == (200, "text/plain; charset=utf-8", "alive\n")


def test_readiness_gives_its_reason(process: Process) -> None:
    assert process.get("/readyz") == (200, "text/plain; charset=utf-8", "ready\n")
    process.reason = "the disk is full: 0 bytes on /søk"
    assert process.get("/readyz") == (503, "text/plain; charset=utf-8", "the disk is full: 0 bytes on /søk\n")
    process.reason = None
    assert process.get("/readyz")[0] == 200


def test_who_connects_and_says_nothing_holds_up_nobody(process: Process) -> None:
    address = ("127.0.0.1", process.server.port)
    silent = [socket.create_connection(address) for _ in range(4 * CONNECTIONS_MAX)]
    try:
        for each in silent:
            each.sendall(b"GET /metrics HTTP/1.0\r\nX-Slow: ")
        assert process.get("/readyz")[0] == 200
        # The ones that have been there longest were ended, and no more than so many are left.
        ended = [each for each in silent if not is_open(each)]
        assert len(silent) - len(ended) <= CONNECTIONS_MAX
        assert ended[0] is silent[0] and is_open(silent[-1])
    finally:
        for each in silent:
            each.close()


def is_open(connection: socket.socket) -> bool:
    """Whether the other side still listens."""
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


def test_who_goes_away_is_not_told_of_at_length(process: Process, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(20):
        gone = socket.create_connection(("127.0.0.1", process.server.port))
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        gone.close()
    assert process.get("/healthz")[0] == 200
    assert caplog.records == []


def test_a_fault_of_ours_is_one_record(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> str | None:
        raise RuntimeError("nobody knows")

    server = HealthServer("127.0.0.1:0", CollectorRegistry(), fails)
    server.start()
    with socket.create_connection(("127.0.0.1", server.port)) as asking:
        asking.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
        assert asking.recv(100) == b""
    server.stop()
    (record,) = caplog.records
    assert record.getMessage() == "a request of 127.0.0.1 had no answer"
    assert record.exc_info is not None and str(record.exc_info[1]) == "nobody knows"


def test_a_form_that_nobody_knows_is_text(process: Process) -> None:
    status, kind, _ = process.get("/metrics", accept="application/openmetrics-text;version=zz")
    assert (status, kind.partition(";")[0]) in {(200, "text/plain"), (200, "application/openmetrics-text")}


def test_head_is_the_page_without_its_body(process: Process) -> None:
    with socket.create_connection(("127.0.0.1", process.server.port)) as asking:
        asking.sendall(b"HEAD /healthz HTTP/1.0\r\n\r\n")
        answer = asking.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.0 200 ") and answer.endswith(b"Content-Length: 6\r\n\r\n")


def test_another_page_is_not_found(process: Process) -> None:
    status, _, body = process.get("/")
    assert status == 404
    assert "/readyz" in body


def test_a_port_in_use_is_named(process: Process) -> None:
    taken = f"127.0.0.1:{process.server.port}"
    with pytest.raises(OSError, match=f"cannot listen on {taken}: Address already in use"):
        Process(taken)


def test_a_stopped_door_frees_its_port(process: Process) -> None:
    process.server.stop()
    again = Process(f"127.0.0.1:{process.server.port}")
    assert again.get("/healthz")[0] == 200
    again.server.stop()


def test_a_door_that_was_never_opened_can_be_closed() -> None:
    HealthServer("127.0.0.1:0", CollectorRegistry(), lambda: None).stop()


def test_version_6_addresses_are_served() -> None:
    try:
        process = Process("[::1]:0")
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    assert process.get("/healthz", host="[::1]")[0] == 200
    process.server.stop()


@pytest.mark.parametrize(
    ("address", "parts"),
    [("127.0.0.1:9464", ("127.0.0.1", 9464)), ("[::1]:1", ("::1", 1)), ("localhost:0", ("localhost", 0))],
)
def test_addresses(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize(
    "address",
    [
        "",
        "9464",
        ":9464",
        "localhost:",
        "localhost:http",
        "h:65536",
        "h:-1",
        "https://h:1",
        "h:\N{ARABIC-INDIC DIGIT ONE}",
    ],
)
def test_what_is_no_address_is_named(address: str) -> None:
    with pytest.raises(ValueError, match="is not host:port"):
        split_address(address)
