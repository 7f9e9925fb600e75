"""Events sent row by row over real gRPC: recorded when they are durable, or refused with a sentence."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import grpc
import pytest

from ledger.journal.errors import Overtaken
from ledger.journal.journal import Journal
from ledger.journal.record import Draft
from meterbook.intake.v1 import intake_pb2
from tests.ledger.intake.failing import Disk
from tests.ledger.server.talking import Client, run


def recording(*events: intake_pb2.Event, sender: str = "till-7") -> intake_pb2.RecordRequest:
    return intake_pb2.RecordRequest(sender=sender, events=events)


SALE = intake_pb2.Event(
    source="till", id="1", type="sale", tenant="acme", time="2026-01-31T09:30:00Z", properties={"size": "xl"}
)


def test_recording_events(tmp_path: Path) -> None:
    async def conversation(client: Client) -> None:
        for position in (2, 3):
            assert (await client.intake.Record(recording(SALE))).position == position
        view = client.process._journal.view()
        (row,) = view.events("sale", ["size"], 0, 1 << 60).to_pylist()
        assert (row["origin"], row["tenant"], row["told"]) == ("record/till-7", "acme", '{"size":"xl"}')
        assert view.count("events") == 2
        assert [each["agent"] for each in view.chains().to_pylist()] == ["record/till-7"]

    run(tmp_path, conversation)


def test_many_recording_at_once(tmp_path: Path) -> None:
    async def conversation(client: Client) -> None:
        calls = [client.intake.Record(recording(SALE, sender=f"till-{number % 3}")) for number in range(30)]
        assert sorted([(await call).position for call in calls]) == list(range(2, 32))
        chains = client.process._journal.view().chains().to_pylist()
        assert [each["sequence"] for each in chains] == [10, 10, 10]

    run(tmp_path, conversation)


def test_who_is_overtaken_by_another_replica_tries_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overtaken = [True, True, False]
    append = Journal.append

    def appended(journal: Journal, draft: Draft) -> Future[int]:
        if not overtaken.pop(0):
            return append(journal, draft)
        future: Future[int] = Future()
        future.set_exception(Overtaken("another replica was first"))
        return future

    async def conversation(client: Client) -> None:
        monkeypatch.setattr(Journal, "append", appended)
        await client.intake.Record(recording(SALE))
        monkeypatch.undo()
        assert overtaken == []
        assert client.process._journal.view().count("events") == 1

    run(tmp_path, conversation)


@pytest.mark.parametrize(
    ("request_", "status", "details"),
    [
        (recording(SALE, sender="Till"), grpc.StatusCode.INVALID_ARGUMENT, "sender 'Till' is not a name"),
        (recording(SALE, intake_pb2.Event(source="s")), grpc.StatusCode.INVALID_ARGUMENT, "events[1].id is empty"),
        (recording(*[SALE] * 3), grpc.StatusCode.RESOURCE_EXHAUSTED, "3 events are more than rows_max 2"),
    ],
)
def test_recording_that_is_refused(
    request_: intake_pb2.RecordRequest, status: grpc.StatusCode, details: str, tmp_path: Path
) -> None:
    async def conversation(client: Client) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.intake.Record(request_)
        assert caught.value.code() is status
        assert (caught.value.details() or "").startswith(details)
        assert client.process._journal.view().count("batches") == 0

    run(tmp_path, conversation, rows_max=2)


def test_recording_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)

    async def conversation(client: Client) -> None:
        disk.full = True
        for _ in range(2):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await client.intake.Record(recording(SALE))
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert "No space left on device" in (caught.value.details() or "")
        disk.full = False
        assert (await client.intake.Record(recording(SALE))).position == 2

    run(tmp_path, conversation)
