"""Tracing that nobody asked for costs nothing, and what asks for it is what users of OpenTelemetry expect."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from meterbook import tracing
from tests.fakes.otlp import Receiver, receiving

HASH = bytes(range(32))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found
        tracing.end()


def test_nothing_is_imported_where_nothing_is_traced() -> None:
    program = (
        "import sys, agent.cli, ledger.cli.serve; from meterbook import tracing; tracing.begin(None, 'a', 'b')\n"
        "with tracing.span('x'), tracing.collecting('y'): tracing.told('send', bytes(32), tracing.now_ns())\n"
        "assert tracing.metadata() == () and not tracing.ids(bytes(32)) and tracing.now_ns() == 0\n"
        "sys.exit(any(name.split('.')[0] == 'opentelemetry' for name in sys.modules))"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == 0


def test_a_standard_variable_asks_for_traces(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "theirs")
    tracing.begin(None, "ours", "one")
    with tracing.span("work", parts=3):
        assert dict(tracing.metadata())["traceparent"].startswith("00-")
    tracing.end()
    (span,) = receiver.spans
    assert (span.service, span.name, span.attributes) == ("theirs", "work", {"parts": 3})
    assert not tracing.is_on()


@pytest.mark.parametrize(("name", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")])
def test_a_standard_variable_forbids_them(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    tracing.begin(tracing.Tracing(endpoint=receiver.endpoint), "ours", "one")
    assert not tracing.is_on()


def test_the_caller_of_a_request_has_its_span_above(receiver: Receiver) -> None:
    tracing.begin(tracing.Tracing(endpoint=receiver.endpoint), "ours", "one")
    caller = f"00-{'ab' * 16}-{'cd' * 8}-01"
    with tracing.span("asked", [("x-request-id", "r"), ("traceparent", caller)]):
        pass
    tracing.end()
    (span,) = receiver.spans
    assert (span.trace_id, span.parent_id) == ("ab" * 16, "cd" * 8)


def test_both_sides_name_the_spans_of_a_batch_alike(receiver: Receiver) -> None:
    tracing.begin(tracing.Tracing(endpoint=receiver.endpoint), "ours", "one")
    with tracing.collecting("prometheus/shop"):
        tracing.sealed([(7, HASH)], tracing.now_ns(), agent="a")
    tracing.told("send", HASH, tracing.now_ns())
    assert tracing.ids(HASH) == {"trace_id": HASH[:16].hex()}
    tracing.end()
    collect, spool, send = receiver.spans
    assert {each.trace_id for each in (collect, spool, send)} == {HASH[:16].hex()}
    assert (collect.parent_id, spool.parent_id, send.parent_id) == ("", collect.span_id, spool.span_id)
    assert collect.attributes["source"] == "prometheus/shop" and spool.attributes["sequence"] == 7


def test_a_part_of_all_traces_is_the_same_part_for_everybody(receiver: Receiver) -> None:
    tracing.begin(tracing.Tracing(endpoint=receiver.endpoint, sample_ratio=0.5), "ours", "one")
    kept, left = bytes(16) + HASH[:16], b"\xff" * 16 + HASH[:16]
    for each in (kept, left):
        tracing.told("send", each, tracing.now_ns())
    tracing.end()
    assert [span.trace_id for span in receiver.spans] == [f"{1:032x}"]


@pytest.mark.parametrize("document", [{"endpoint": "otel:4317"}, {"sample_ratio": 2}, {"endpoints": "http://a"}])
def test_what_cannot_be_meant_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        tracing.Tracing.model_validate(document)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip", "'zip' is not gzip: give that, or leave it out for none"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none", "'none' is not gzip: give that, or leave it out for none"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", "'soon' is not a number of seconds above 0: give one, or leave it out"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "", "'' is not a number of seconds above 0: give one, or leave it out"),
        ("OTEL_BSP_SCHEDULE_DELAY", "5s", "'5s' is not a whole number above 0: give one, or leave it out"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "1.5", "'1.5' is not a whole number above 0: give one, or leave it out"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "'0' is not a whole number above 0: give one, or leave it out"),
        (
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
            "4096",
            "4096 is more than OTEL_BSP_MAX_QUEUE_SIZE 2048: give both so that a batch fits into the queue",
        ),
    ],
)
def test_a_variable_that_cannot_be_meant_is_named(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(tracing.CannotTrace) as refused:
        tracing.begin(tracing.Tracing(endpoint=receiver.endpoint), "ours", "one")
    assert str(refused.value) == f"{name} {told}"
    # Where nothing is traced it is nobody's business.
    tracing.begin(None, "ours", "one")
    assert not tracing.is_on()


def test_of_any_other_variable_that_cannot_be_used_the_names_are_told(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hunter2")
    with pytest.raises(tracing.CannotTrace) as refused:
        tracing.begin(tracing.Tracing(endpoint=receiver.endpoint), "ours", "one")
    assert "OTEL_EXPORTER_OTLP_HEADERS, OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_another_protocol_is_told_of(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    tracing.begin(tracing.Tracing(endpoint=receiver.endpoint), "ours", "one")
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "OTEL_EXPORTER_OTLP_PROTOCOL is http/protobuf: traces are sent over gRPC all the same, so name a receiver's port for that"
    ]
    tracing.end()
    caplog.clear()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc")
    tracing.begin(tracing.Tracing(endpoint=receiver.endpoint), "ours", "one")
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
