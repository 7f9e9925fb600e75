"""The operator's door, opened over real HTTP."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter

from meterbook.health import HealthServer, split_address


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
    "address", ["", "9464", ":9464", "localhost:", "localhost:http", "h:65536", "h:-1", "h:\N{ARABIC-INDIC DIGIT ONE}"]
)
def test_what_is_no_address_is_named(address: str) -> None:
    with pytest.raises(ValueError, match="is not host:port"):
        split_address(address)
