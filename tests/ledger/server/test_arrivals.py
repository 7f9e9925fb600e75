"""Whoever looks for a batch in the ledger's log finds it, with the ids that the agent's log has; and nobody else pays for that."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.journal.derive import decode_batch
from ledger.server import arrivals
from meterbook import logs, tracing
from meterbook.intake.v1 import intake_pb2
from meterbook.wire.sections import SCHEMAS
from tests.fakes.otlp import receiving
from tests.ledger.batches import AGENT, EPOCH, Sender
from tests.ledger.server.talking import Client, run

Told = list[dict[str, Any]]


@pytest.fixture
def told() -> Iterator[Told]:
    """The records about batches with their ids; their level is as it was left."""
    found: Told = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append({**logs.ids(), "message": record.getMessage()})

    log, handler = logging.getLogger(arrivals.__name__), Kept()
    log.addHandler(handler)
    yield found
    log.removeHandler(handler)
    log.setLevel(logging.NOTSET)


def look_closely() -> None:
    logging.getLogger(arrivals.__name__).setLevel(logging.DEBUG)


def sent(store: Path, *batches: intake_pb2.Batch) -> int:
    """Position of the last of these batches."""
    found: list[int] = []

    async def scenario(client: Client) -> None:
        hello = intake_pb2.ClientMessage(hello=Sender().hello())
        answers = await client.talk(hello, *(intake_pb2.ClientMessage(batch=each) for each in batches))
        found.append(answers[-1].ack.position)

    run(store, scenario)
    return found[0]


def test_a_batch_that_was_kept_is_told_where_somebody_looks_for_it(tmp_path: Path, told: Told) -> None:
    look_closely()
    sender = Sender()
    batches = [sender.next() for _ in range(2)]
    last = sent(tmp_path, *batches)
    assert [each["position"] for each in told] == [last - 1, last]
    for each, batch in zip(told, batches, strict=True):
        assert (each["agent"], each["epoch"], each["sequence"]) == (AGENT, EPOCH, batch.sequence)
        assert "trace_id" not in each
        content = decode_batch(batch)
        rows, size = sum(getattr(content, name).num_rows for name in SCHEMAS), batch.ByteSize()
        assert each["rows"] == rows > 0
        assert each["message"] == f"kept at position {each['position']}: a batch of {rows} rows and {size} bytes"


def test_it_has_the_trace_that_the_agent_told_of(tmp_path: Path, told: Told) -> None:
    look_closely()
    batch = Sender().next()
    with receiving() as receiver:
        tracing.begin(tracing.Tracing(endpoint=receiver.endpoint), "ledger", "one")
        try:
            sent(tmp_path, batch)
        finally:
            tracing.end()
    assert [each["trace_id"] for each in told] == [batch.hash[:16].hex()]
    assert {"receive", "append"} <= {span.name for span in receiver.spans}


def test_at_any_other_level_nothing_is_looked_at(tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    logging.getLogger(arrivals.__name__).setLevel(logging.INFO)
    monkeypatch.setattr(arrivals, "decode_batch", lambda batch: pytest.fail("it was decoded for nothing"))
    sent(tmp_path, Sender().next())
    assert told == []
