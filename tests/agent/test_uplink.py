"""The uplink against a real gRPC server that loses connections, memory and temper."""

from __future__ import annotations

import logging
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from agent import uplink as uplink_module
from agent.config import LedgerConfig
from agent.errors import StartError
from agent.rules import TagsConfig, ready
from agent.selfmetrics import SelfMetrics
from agent.spool import Spool
from agent.tagger import Tagger
from agent.uplink import Uplink
from collector.readings import Window
from meterbook.intake.v1 import intake_pb2
from meterbook.wire.sections import sections
from tests.fakes.intake import FakeLedger
from tests.fakes.source import counter, readings

Wait = Callable[[Callable[[], bool]], None]
SERIES = [counter("calls_total", number=str(number)) for number in range(2)]


class Sender:
    """A spool, an uplink, and a numbered stream of content for them."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.metrics = SelfMetrics()
        self.appended = 0
        self.uplink: Uplink | None = None
        self.tagger = Tagger(ready(TagsConfig()))

    def start(self, endpoint: str, **settings: object) -> Uplink:
        config = LedgerConfig.model_validate({"endpoint": endpoint, **settings})
        self.uplink = Uplink(config, self.spool, self.metrics)
        self.uplink.start()
        return self.uplink

    def append(self, batches: int = 1) -> None:
        for _ in range(batches):
            self.appended += 1
            end_us = 1_767_225_600_000_000 + self.appended * 1_000_000
            window = Window(end_us - 1_000_000, end_us)
            found = readings(window, dict.fromkeys(SERIES, float(self.appended)))
            series = self.tagger.tag(found, window).series
            self.spool.append(
                sections(samples=found.samples), series, source="fake/one", checkpoint={}, window_end_us=end_us
            )

    def is_empty(self) -> bool:
        return self.spool.sizes().batches == 0

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"meterbook_agent_{name}", labels) or 0.0

    def values(self) -> set[float]:
        return {float(number) for number in range(1, self.appended + 1)}


@pytest.fixture
def sender(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sender]:
    monkeypatch.setattr(uplink_module, "BACKOFF_MAX_S", 0.2)
    monkeypatch.setattr(uplink_module, "STUCK_S", 0.2)
    monkeypatch.setattr(uplink_module, "_POLL_S", 0.02)
    made = Sender(spool)
    yield made
    if made.uplink is not None:
        made.uplink.stop(0)


def test_batches_arrive_in_order_and_leave_the_spool(ledger: FakeLedger, sender: Sender, eventually: Wait) -> None:
    sender.append(3)
    sender.start(ledger.endpoint)
    eventually(sender.is_empty)
    sender.append(20)
    eventually(sender.is_empty)
    assert {value for _, value in ledger.intake.book.samples()} == sender.values()
    assert sender.count("uplink_connected") == 1
    (hello,) = ledger.intake.hellos
    assert (hello.agent, hello.epoch, hello.schema) == ("edge-1", sender.spool.epoch, 1)
    assert sender.count("batches_sent_total") == 23


@pytest.mark.parametrize(("theirs", "ours", "most"), [(3, 64, 3), (64, 2, 2), (0, 2, 2)])
def test_no_more_are_under_way_than_both_allow(
    ledger: FakeLedger, sender: Sender, eventually: Wait, theirs: int, ours: int, most: int
) -> None:
    ledger.intake.in_flight_max = theirs
    ledger.intake.may_ack.clear()
    sender.append(10)
    sender.start(ledger.endpoint, in_flight_max=ours)
    eventually(lambda: sender.count("batches_sent_total") == most)
    threading.Event().wait(0.1)
    assert sender.count("batches_sent_total") == most
    ledger.intake.may_ack.set()
    eventually(sender.is_empty)


def test_connections_are_lost_and_nothing_else(ledger: FakeLedger, sender: Sender, eventually: Wait) -> None:
    sender.start(ledger.endpoint)
    for drop_after in (1, 2, 3, 1):
        ledger.intake.drop_after = drop_after
        sender.append(6)
        eventually(lambda: ledger.intake.drop_after is None)
    eventually(sender.is_empty)
    assert sorted(value for _, value in ledger.intake.book.samples()) == sorted([*sender.values()] * 2)
    assert len(ledger.intake.book.chains) == 1


def test_a_ledger_that_is_killed_and_comes_back(ledger: FakeLedger, sender: Sender, eventually: Wait) -> None:
    sender.start(ledger.endpoint)
    for _ in range(3):
        sender.append(5)
        eventually(lambda: bool(ledger.intake.book.chains))
        ledger.stop()
        sender.append(5)
        eventually(lambda: sender.count("uplink_connected") == 0)
        ledger.start()
        eventually(sender.is_empty)
    assert sorted(value for _, value in ledger.intake.book.samples()) == sorted([*sender.values()] * 2)
    assert sender.uplink is not None
    assert sender.uplink.problem is None


@pytest.mark.parametrize("code", [intake_pb2.REFUSAL_CODE_UNAVAILABLE, intake_pb2.REFUSAL_CODE_OUT_OF_ORDER])
def test_a_passing_refusal_is_tried_again(
    ledger: FakeLedger, sender: Sender, eventually: Wait, code: intake_pb2.RefusalCode.ValueType
) -> None:
    ledger.intake.refuse = (3, code)
    sender.append(2)
    uplink = sender.start(ledger.endpoint)
    eventually(sender.is_empty)
    name = intake_pb2.RefusalCode.Name(code).removeprefix("REFUSAL_CODE_")
    assert sender.count("refusals_total", code=name) == 3
    assert uplink.problem is None


@pytest.mark.parametrize(
    "code",
    [
        intake_pb2.REFUSAL_CODE_MALFORMED,
        intake_pb2.REFUSAL_CODE_BROKEN_CHAIN,
        intake_pb2.REFUSAL_CODE_CONFLICT,
        intake_pb2.REFUSAL_CODE_TOO_LARGE,
    ],
)
def test_a_lasting_refusal_is_said_once_and_keeps_everything(
    ledger: FakeLedger,
    sender: Sender,
    eventually: Wait,
    code: intake_pb2.RefusalCode.ValueType,
    caplog: pytest.LogCaptureFixture,
) -> None:
    name = intake_pb2.RefusalCode.Name(code).removeprefix("REFUSAL_CODE_")
    ledger.intake.refuse = (1_000, code)
    sender.append(2)
    uplink = sender.start(ledger.endpoint)
    eventually(lambda: sender.count("refusals_total", code=name) >= 3)
    assert uplink.problem == f"sequence 1 refused as {name}: as the test wants"
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
    assert sender.spool.sizes().batches == 2
    ledger.intake.refuse = (0, code)
    eventually(sender.is_empty)
    eventually(lambda: uplink.problem is None)


@pytest.mark.parametrize(
    ("status", "lasts"), [(grpc.StatusCode.PERMISSION_DENIED, True), (grpc.StatusCode.RESOURCE_EXHAUSTED, False)]
)
def test_a_stream_that_is_turned_away(
    ledger: FakeLedger, sender: Sender, eventually: Wait, status: grpc.StatusCode, lasts: bool
) -> None:
    ledger.intake.abort_with = status
    sender.append(1)
    uplink = sender.start(ledger.endpoint)
    eventually(lambda: sender.count("uplink_disconnections_total") >= 2)
    assert uplink.problem == (f"{ledger.endpoint}: {status.name}: not today" if lasts else None)
    ledger.intake.abort_with = None
    eventually(sender.is_empty)


def test_a_batch_beyond_the_ledgers_limit_is_not_sent(ledger: FakeLedger, sender: Sender, eventually: Wait) -> None:
    ledger.intake.batch_bytes_max = 100
    sender.append(1)
    uplink = sender.start(ledger.endpoint)
    eventually(lambda: uplink.problem is not None)
    assert "and the ledger takes 100" in str(uplink.problem)
    assert sender.count("batches_sent_total") == 0
    ledger.intake.batch_bytes_max = 1 << 20
    eventually(sender.is_empty)


def test_a_ledger_that_does_not_answer_is_left(ledger: FakeLedger, sender: Sender, eventually: Wait) -> None:
    ledger.intake.may_ack.clear()
    sender.append(2)
    sender.start(ledger.endpoint, ack_timeout_s=0.2)
    eventually(lambda: len(ledger.intake.hellos) >= 2)
    ledger.intake.may_ack.set()
    eventually(sender.is_empty)
    assert sorted(value for _, value in ledger.intake.book.samples()) == [1.0, 1.0, 2.0, 2.0]


@pytest.mark.parametrize("batches_lost", [2, 1_000])
def test_a_ledger_that_forgets_gets_a_new_epoch(
    ledger: FakeLedger, sender: Sender, eventually: Wait, batches_lost: int, caplog: pytest.LogCaptureFixture
) -> None:
    sender.start(ledger.endpoint)
    sender.append(6)
    eventually(sender.is_empty)
    ledger.stop()
    ledger.intake.book.rewind(batches_lost)
    sender.append(2)
    ledger.start()
    eventually(sender.is_empty)
    epoch = sender.spool.epoch
    assert ledger.intake.hellos[-1].epoch == epoch
    assert {7.0, 8.0} <= {value for _, value in ledger.intake.book.samples()}
    coverage = [row for content in ledger.intake.book.contents() for row in content.coverage.to_pylist()]
    assert [row["status"] for row in coverage] == ["lost"]
    assert "it was restored from an older copy" in coverage[0]["reason"]
    assert "the chain begins anew" in caplog.text
    assert sender.count("epochs_begun_total") == 1


def test_stopping_brings_home_what_it_can(ledger: FakeLedger, sender: Sender, eventually: Wait) -> None:
    uplink = sender.start(ledger.endpoint)
    eventually(lambda: sender.count("uplink_connected") == 1)
    sender.append(50)
    uplink.stop(30)
    assert sender.is_empty()
    sender.append(1)  # nobody is woken any more, and nothing breaks


def test_stopping_does_not_wait_for_a_ledger_that_is_not_there(sender: Sender, eventually: Wait) -> None:
    sender.append(1)
    uplink = sender.start("127.0.0.1:1")
    eventually(lambda: sender.count("uplink_disconnections_total") >= 1)
    uplink.stop(0.5)
    assert sender.spool.sizes().batches == 1


def test_an_authorities_file_that_is_not_there(spool: Spool, tmp_path: Path) -> None:
    config = LedgerConfig.model_validate({"endpoint": "h:1", "tls": {"ca_file": tmp_path / "ca.pem"}})
    with pytest.raises(StartError, match=r"ca\.pem cannot be read: No such file"):
        Uplink(config, spool, SelfMetrics())


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], tuple[Path, grpc.ServerCredentials]]:
    """Makes a certificate for this machine that vouches for itself; gives its file and what a server needs."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command makes the certificate, and is not installed")

    def make() -> tuple[Path, grpc.ServerCredentials]:
        folder = tmp_path_factory.mktemp("tls")
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=localhost"]
        command += ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
        subprocess.run(command, check=True, capture_output=True)
        return certificate, grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])

    return make


Certified = Callable[[], tuple[Path, grpc.ServerCredentials]]


def test_usage_travels_encrypted(certified: Certified, sender: Sender, eventually: Wait) -> None:
    authorities, credentials = certified()
    ledger = FakeLedger(credentials)
    ledger.start()
    sender.append(3)
    sender.start(ledger.endpoint, tls={"ca_file": authorities})
    eventually(sender.is_empty)
    ledger.stop()


def test_a_ledger_that_nobody_vouches_for_gets_nothing(certified: Certified, sender: Sender, eventually: Wait) -> None:
    (_, credentials), (other_authorities, _) = certified(), certified()
    ledger = FakeLedger(credentials)
    ledger.start()
    sender.append(1)
    sender.start(ledger.endpoint, tls={"ca_file": other_authorities})
    eventually(lambda: sender.count("uplink_disconnections_total") >= 1)
    assert sender.spool.sizes().batches == 1
    assert ledger.intake.hellos == []
    ledger.stop()
