"""Every request has a name, which its caller is told and the log has, with the method, who calls, and the batch it is about."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from ledger.server.naming import HEADER, request_id
from meterbook import logs
from meterbook.intake.v1 import intake_pb2
from meterbook.intake.v1.intake_pb2_grpc import IntakeStub
from meterbook.ledger.v1 import query_pb2
from tests.ledger.batches import EPOCH, Sender, minute
from tests.ledger.running import Running, serving


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("ledger") / "store") as running:
        yield running


class Lines(logging.Handler):
    """What is logged, as whoever collects it would read it."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logs.formatter("json"))
        self.records: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(json.loads(self.format(record)))


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Lines]:
    caplog.set_level(logging.INFO)
    found = Lines()
    logging.getLogger().addHandler(found)
    yield found
    logging.getLogger().removeHandler(found)


@pytest.mark.parametrize("given", ["4bf92f35-77b3.4da6:a/3=", "a" * 128])
def test_a_name_that_can_stand_in_a_log_is_kept(given: str) -> None:
    assert request_id([("authorization", "Bearer x"), (HEADER, given)]) == given


@pytest.mark.parametrize("given", [[], [""], ["a b"], ["a\nb"], ["a" * 129], [b"\xff"], ["one", "two"], ["ünï"]])
def test_any_other_is_made(given: list[Any]) -> None:
    made = request_id([(HEADER, each) for each in given])
    assert len(made) == 32 and made != request_id(None)


def test_callers_are_told_the_name(ledger: Running) -> None:
    _, call = ledger.query.Usage.with_call(query_pb2.UsageRequest(), metadata=((HEADER, "mine-1"),))
    assert (HEADER, "mine-1") in call.trailing_metadata()
    with pytest.raises(grpc.RpcError) as error:
        ledger.query.Usage(query_pb2.UsageRequest(meters=["none"]), metadata=((HEADER, "mine-2"),))
    assert (HEADER, "mine-2") in error.value.trailing_metadata()  # type: ignore[attr-defined]


def test_a_request_that_fails_is_found_by_its_name(
    ledger: Running, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("ledger.query.usage.usage", fails)
    with pytest.raises(grpc.RpcError, match="under request_id mine-3"):
        ledger.query.Usage(query_pb2.UsageRequest(), metadata=((HEADER, "mine-3"),))
    (record,) = (each for each in lines.records if each["message"] == "a request failed")
    assert record["request_id"] == "mine-3" and record["principal"] == "anonymous"
    assert record["method"] == "meterbook.ledger.v1.Query/Usage"
    assert "ZeroDivisionError: by nothing" in record["exception"]


def test_a_batch_that_is_refused_is_told_with_its_agent_epoch_and_sequence(ledger: Running, lines: Lines) -> None:
    sender = Sender("shop-agent")
    batch = sender.next(minute(0))
    batch.hash = bytes(32)
    messages = [intake_pb2.ClientMessage(hello=sender.hello()), intake_pb2.ClientMessage(batch=batch)]
    call = IntakeStub(ledger.channel).Stream(iter(messages), metadata=((HEADER, "stream-1"),))
    assert (HEADER, "stream-1") in call.initial_metadata()
    assert [each.WhichOneof("message") for each in call][-1] == "refusal"
    (record,) = (each for each in lines.records if each["message"].startswith("refused as"))
    about = {name: record[name] for name in ("request_id", "agent", "epoch", "sequence", "principal", "level")}
    assert about == {
        "request_id": "stream-1",
        "agent": "shop-agent",
        "epoch": EPOCH,
        "sequence": 1,
        "principal": "anonymous",
        "level": "warning",
    }
