"""/readyz and gRPC health tell whether the ledger can work: with what keeps the book, and until it stops."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ledger.journal.errors import LogUnavailable
from ledger.server import readiness as readiness_module
from ledger.server.readiness import PATIENCE_S, STOPPING, Readiness
from tests.ledger.journal.shared.places import address, credentials
from tests.ledger.running import Running, serving
from tests.ledger.server.test_process import get
from tests.servers.fixtures import Bucket, Database

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
FULL = "/book: cannot be written (No space left on device); free space or repair the disk"


class Tried:
    """A journal whose store answers as a test says."""

    def __init__(self) -> None:
        self.place = "file:/book"
        self.log = self
        self.materialiser = SimpleNamespace(trouble=None)
        self.error: Exception | None = None
        self.tries = 0
        self.now_s = 100.0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def check(self) -> None:
        self.tries += 1
        self.may_answer.wait(30)
        if self.error is not None:
            raise self.error


def readiness(journal: Any) -> Readiness:
    return Readiness(journal, lambda: float(journal.now_s))


def eventually(is_so: Callable[[], bool]) -> None:
    while not is_so():
        time.sleep(0.05)


def test_a_ledger_that_can_let_in_nobody_is_not_ready() -> None:
    why: list[str | None] = ["nobody can be let in"]
    found = Readiness(Tried(), lambda: 0.0, lambda: why[0])  # type: ignore[arg-type]
    assert found.not_ready() == "nobody can be let in"
    why[0] = None
    assert found.not_ready() is None


def test_what_the_store_says_holds_until_it_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    journal = Tried()
    found = readiness(journal)
    assert found.not_ready() is None and journal.tries == 0
    journal.error = LogUnavailable(FULL)
    for _ in range(3):
        found.look()
    assert [found.not_ready() for _ in range(100)] == [FULL] * 100 and journal.tries == 3
    journal.error = None
    found.look()
    assert found.not_ready() is None
    assert caplog.messages == [f"not ready: {FULL}", "ready again: the store answers, and takes what is written"]


def test_tables_that_are_not_filled_are_a_reason() -> None:
    journal = Tried()
    found = readiness(journal)
    journal.materialiser.trouble = "the tables are not being filled: disk on fire"
    assert found.not_ready() == "the tables are not being filled: disk on fire"


def test_a_bug_in_trying_is_told_and_ends_nothing() -> None:
    journal = Tried()
    found = readiness(journal)
    journal.error = ZeroDivisionError("by nothing")
    found.look()
    assert found.not_ready() == "file:/book: the store could not be tried (by nothing); the log has the details"


def test_a_store_that_hangs_is_one_that_does_not_answer() -> None:
    journal = Tried()
    found = readiness(journal)
    journal.may_answer.clear()
    looking = threading.Thread(target=found.look)
    looking.start()
    eventually(lambda: journal.tries == 1)
    assert found.not_ready() is None
    journal.now_s += PATIENCE_S + 5
    assert found.not_ready() == "file:/book: the store has not answered for 25 s"
    journal.may_answer.set()
    looking.join()
    assert found.not_ready() is None


def test_a_store_that_is_closed_meanwhile_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    journal = Tried()
    found = readiness(journal)
    found.stop()
    for error in (LogUnavailable(FULL), ZeroDivisionError("closed")):
        journal.error = error
        found.look()
    assert caplog.messages == []


def test_nothing_makes_a_ledger_ready_that_stops() -> None:
    journal = Tried()
    found = readiness(journal)
    found.stop_serving()
    found.look()
    assert found.not_ready() == STOPPING


def health(running: Running, service: str = "") -> int:
    asked = health_pb2.HealthCheckRequest(service=service)
    return int(health_pb2_grpc.HealthStub(running.channel).Check(asked).status)


def readyz(running: Running) -> tuple[int, str]:
    return get(f"127.0.0.1:{running.process.http_port}/readyz")


def not_ready(running: Running) -> str:
    """What the ledger says, once it is not ready."""
    eventually(lambda: readyz(running)[0] == 503)
    told = readyz(running)[1]
    eventually(lambda: health(running) == health(running, "meterbook.intake.v1.Intake") == NOT_SERVING)
    assert get(f"127.0.0.1:{running.process.http_port}/healthz") == (200, "alive\n")
    assert "meterbook_ledger_ready 0.0\n" in get(f"127.0.0.1:{running.process.http_port}/metrics")[1]
    assert told.count("\n") == 1
    return told.rstrip()


def ready(running: Running) -> None:
    """Returns once the ledger is ready."""
    eventually(lambda: readyz(running) == (200, "ready\n"))
    assert "meterbook_ledger_ready 1.0\n" in get(f"127.0.0.1:{running.process.http_port}/metrics")[1]
    eventually(lambda: health(running) == health(running, "meterbook.intake.v1.Intake") == SERVING)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness_module, "EVERY_S", 0.2)
    monkeypatch.setattr(readiness_module, "AGAIN_S", 0.2)


@pytest.mark.usefixtures("often")
def test_a_disk_that_takes_nothing(tmp_path: Path) -> None:
    with serving(tmp_path / "store") as running:
        ready(running)
        (tmp_path / "store" / "log").rename(tmp_path / "store" / "gone")
        assert not_ready(running) == (
            f"{tmp_path}/store/log: cannot be written (No such file or directory); free space or repair the disk"
        )
        (tmp_path / "store" / "gone").rename(tmp_path / "store" / "log")
        ready(running)


@pytest.mark.usefixtures("often")
def test_a_service_that_is_gone(
    tmp_path: Path, database: Database, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in credentials(bucket.server).items():
        monkeypatch.setenv(name, value)
    with serving(address(database, bucket), proof={"key_file": str(tmp_path / "signing.key")}) as running:
        for server, said in ((database.server, "postgresql://127.0.0.1"), (bucket.server, "s3://")):
            ready(running)
            server.kill()
            assert said in not_ready(running)
            server.start()
        ready(running)


COMMAND = [str(Path(sys.executable).with_name("meterbook")), "ledger", "serve", "--log-format", "text"]


@contextmanager
def process_of(tmp_path: Path, **config: Any) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A ledger in a process of its own, and where its /readyz is."""
    path = tmp_path / "ledger.yaml"
    settings = {"store": f"file:{tmp_path}/store", "listen": "127.0.0.1:0", "http": "127.0.0.1:0", **config}
    path.write_text(yaml.safe_dump(settings))
    with subprocess.Popen([*COMMAND, "--config", str(path)], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if " serving " in line)
        try:
            yield process, f"127.0.0.1:{line.rstrip().rpartition(' ')[2]}/readyz"
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.slow
def test_a_process_that_cannot_write_says_so_until_it_can(tmp_path: Path) -> None:
    with process_of(tmp_path) as (process, page):
        assert get(page) == (200, "ready\n")
        before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, before[1]))
        eventually(lambda: get(page)[0] == 503)
        assert "cannot be written (File too large)" in get(page)[1]
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)
        eventually(lambda: get(page) == (200, "ready\n"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_a_process_says_that_it_stops_and_serves_until_then(tmp_path: Path) -> None:
    with process_of(tmp_path, drain_s=600) as (process, page):
        process.send_signal(signal.SIGTERM)
        eventually(lambda: get(page) == (503, f"{STOPPING}\n"))
        process.send_signal(signal.SIGHUP)
        assert process.poll() is None and get(page)[0] == 503
        # Whoever has no time says so again.
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert process.stderr is not None and "Traceback" not in process.stderr.read()


def test_a_drain_ends_by_itself(tmp_path: Path) -> None:
    with process_of(tmp_path, drain_s=0.5) as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stderr is not None and "stopping in 0.5 s" in process.stderr.read()


def test_what_is_asked_while_it_drains_is_answered(tmp_path: Path) -> None:
    with serving(tmp_path / "store") as running:
        asyncio.run_coroutine_threadsafe(running.process.stop_serving(), running.process._server._loop).result(30)
        assert readyz(running) == (503, f"{STOPPING}\n") and health(running) == NOT_SERVING
        assert "as of position 1" in running.cli("agents")
        with pytest.raises(grpc.RpcError):
            health(running, "no.such.Service")
