"""The Intake service over real gRPC, in front of a real ledger: what an agent sees."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from ledger.intake.chains import Chains
from ledger.intake.checkers import Checkers
from ledger.intake.contents import IntakeLimits
from ledger.server import inbox
from meterbook.intake.v1 import intake_pb2
from meterbook.wire.seal import GENESIS
from tests.ledger.batches import AGENT, EPOCH, Sender, content, event, minute, sealed
from tests.ledger.intake.failing import Disk
from tests.ledger.server.talking import Client, run

SERVICES = {
    "meterbook.intake.v1.Intake",
    *(
        f"meterbook.ledger.v1.{name}"
        for name in ("Query", "Admin", "Access", "Proof", "Costing", "Planning", "Invoicing", "Entitlements")
    ),
}


def hello(sender: Sender | None = None, **changes: Any) -> intake_pb2.ClientMessage:
    said = (sender or Sender()).hello()
    for name, value in changes.items():
        setattr(said, name, value)
    return intake_pb2.ClientMessage(hello=said)


def carrying(batch: intake_pb2.Batch) -> intake_pb2.ClientMessage:
    return intake_pb2.ClientMessage(batch=batch)


def refusal(message: intake_pb2.ServerMessage) -> tuple[int, str, str]:
    assert message.WhichOneof("message") == "refusal"
    code = intake_pb2.RefusalCode.Name(message.refusal.code).removeprefix("REFUSAL_CODE_")
    return message.refusal.sequence, code, message.refusal.message


def acked(messages: list[intake_pb2.ServerMessage]) -> tuple[int, int]:
    """The last sequence acknowledged and its position, counted from the record that names the book's key."""
    assert all(message.WhichOneof("message") == "ack" for message in messages)
    found = [(message.ack.sequence, message.ack.position - 1) for message in messages]
    # One ack may stand for many, but none is taken back.
    assert found == sorted(found)
    return found[-1]


def test_hello_resume_batch_ack(tmp_path: Path) -> None:
    sender = Sender()
    batches = [sender.next() for _ in range(6)]

    async def first(client: Client) -> None:
        resume, *rest = await client.talk(hello(), *map(carrying, batches[:4]))
        assert resume.resume.HasField("witness")
        resume.resume.ClearField("witness")
        assert resume.resume == intake_pb2.Resume(
            sequence=0, hash=GENESIS, in_flight_max=3, batch_bytes_max=IntakeLimits().batch_bytes_max
        )
        assert acked(rest) == (4, 4)
        assert rest[-1].ack.hash == batches[3].hash
        assert client.metric("batches_total") == 4
        assert client.metric("streams") == 0

    async def second(client: Client) -> None:
        resume, *rest = await client.talk(hello(), *map(carrying, batches[2:]))
        assert (resume.resume.sequence, resume.resume.hash) == (4, batches[3].hash)
        assert acked(rest) == (6, 6)

    run(tmp_path, first, in_flight_max=3)
    run(tmp_path, second)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([], (0, "MALFORMED", "the first message of a stream is a hello")),
        ([intake_pb2.ClientMessage()], (0, "MALFORMED", "the first message of a stream is a hello")),
        ([carrying(Sender().next())], (0, "MALFORMED", "the first message of a stream is a hello")),
        ([hello(agent="Shop")], (0, "MALFORMED", "hello: agent 'Shop' is not a name of lower-case")),
        ([hello(schema=3)], (0, "MALFORMED", "hello: schema 3 is not 1, the one this ledger reads")),
        ([hello(), hello()], (0, "MALFORMED", "after the hello every message is a batch")),
        ([hello(), intake_pb2.ClientMessage()], (0, "MALFORMED", "after the hello every message is a batch")),
        (
            [hello(), carrying(intake_pb2.Batch(sequence=5))],
            (5, "OUT_OF_ORDER", f"batch 5 of {AGENT}/{EPOCH} does not"),
        ),
        (
            [hello(), carrying(sealed(Sender().place(), minute(1), events=b"x"))],
            (1, "MALFORMED", "batch 1: section events"),
        ),
        (
            [hello(), carrying(sealed(Sender().place(), minute(1), hash=b"x"))],
            (1, "BROKEN_CHAIN", "batch 1: hash 78 does not match the content"),
        ),
        (
            [hello(), carrying(intake_pb2.Batch(sequence=1, previous_hash=GENESIS, events=bytes(9_000)))],
            (1, "TOO_LARGE", "batch 1 has 9039 bytes, more than batch_bytes_max 9000"),
        ),
    ],
)
def test_refusals(messages: list[intake_pb2.ClientMessage], expected: tuple[int, str, str], tmp_path: Path) -> None:
    async def conversation(client: Client) -> None:
        answers = await client.talk(*messages)
        sequence, code, text = refusal(answers[-1])
        assert (sequence, code) == expected[:2]
        assert text.startswith(expected[2])
        assert len(answers) == 1 + (len(messages) > 1)
        assert client.metric("refusals_total", code=expected[1].lower()) == 1
        # The same agent can begin again at once.
        sender = Sender()
        assert acked((await client.talk(hello(sender), carrying(sender.next())))[1:]) == (1, 1)

    run(tmp_path, conversation, batch_bytes_max=9_000)


def test_a_message_beyond_all_limits(tmp_path: Path) -> None:
    async def conversation(client: Client) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.talk(hello(), carrying(intake_pb2.Batch(sequence=1, events=bytes(200_000))))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert client.metric("streams") == 0

    run(tmp_path, conversation, batch_bytes_max=9_000)


def test_what_was_sent_before_a_bad_batch_is_acknowledged_first(tmp_path: Path) -> None:
    sender = Sender()
    good = [carrying(sender.next()) for _ in range(5)]

    async def conversation(client: Client) -> None:
        _, *rest = await client.talk(hello(), *good, carrying(intake_pb2.Batch(sequence=77)), good[0])
        assert acked(rest[:-1]) == (5, 5)
        assert refusal(rest[-1])[:2] == (77, "OUT_OF_ORDER")

    run(tmp_path, conversation)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, sender = Disk(monkeypatch), Sender()
    batches = [carrying(sender.next()) for _ in range(3)]

    async def conversation(client: Client) -> None:
        assert acked((await client.talk(hello(), batches[0]))[1:]) == (1, 1)
        disk.full = True
        for _ in range(2):
            resume, answer = await client.talk(hello(), *batches[1:])
            assert resume.resume.sequence == 1
            sequence, code, text = refusal(answer)
            assert (sequence, code) == (2, "UNAVAILABLE")
            assert "cannot be written (No space left on device); free space or repair the disk" in text
        disk.full = False
        resume, *rest = await client.talk(hello(), *batches[1:])
        assert resume.resume.sequence == 1
        assert acked(rest) == (3, 3)

    run(tmp_path, conversation)


def test_an_error_that_nobody_expected_ends_the_stream_and_not_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not leave the agent waiting for an ack for ever."""

    def failing(*_: object) -> None:
        raise RuntimeError("a bug")

    async def conversation(client: Client) -> None:
        sender = Sender()
        batch = carrying(sender.next())
        with monkeypatch.context() as patched:
            patched.setattr(Chains, "accept", failing)
            _, answer = await client.talk(hello(), batch)
        assert refusal(answer) == (1, "UNAVAILABLE", "the ledger failed: a bug; its log has the details")
        assert acked((await client.talk(hello(), batch))[1:]) == (1, 1)

    run(tmp_path, conversation)


def test_an_agent_that_disappears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, sender = Disk(monkeypatch), Sender()
    batches = [sender.next() for _ in range(12)]

    async def conversation(client: Client) -> None:
        disk.hold()
        for _ in range(3):
            stream = client.stream()
            await stream.write(hello())
            for batch in batches:
                await stream.write(carrying(batch))
            await until(lambda: client.metric("streams") == 1)
            await until(disk.syncing.is_set)
            stream.cancel()
            await until(lambda: client.metric("streams") == 0)
        disk.may_sync.set()
        resume, *rest = await client.talk(hello(), *map(carrying, batches))
        assert resume.resume.sequence <= len(batches)
        assert acked(rest) == (12, 12)
        view = client.process._journal.view()
        assert view.count("batches") == view.count("events") == 12

    run(tmp_path, conversation, in_flight_max=4)


def test_whoever_goes_away_leaves_no_task_behind(tmp_path: Path) -> None:
    async def conversation(client: Client) -> None:
        await client.talk(hello())
        before = len(asyncio.all_tasks())
        for number in range(30):
            stream = client.stream()
            await stream.write(hello(Sender(f"agent-{number}")))
            if number % 3:
                await stream.read()
            if number % 3 == 2:
                await stream.write(carrying(Sender(f"agent-{number}").next()))
            stream.cancel()
        await until(lambda: len(asyncio.all_tasks()) <= before and client.metric("streams") == 0)

    run(tmp_path, conversation)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def test_no_more_batches_are_taken_than_may_be_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, sender = Disk(monkeypatch), Sender()

    async def conversation(client: Client) -> None:
        stream = client.stream()
        await stream.write(hello())
        resume = await stream.read()
        disk.hold()
        for _ in range(30):
            await stream.write(carrying(sender.next()))
        await stream.done_writing()
        chains = client.process._intake._chains
        await until(lambda: chains.open(AGENT, EPOCH).sequence >= resume.resume.in_flight_max)
        await asyncio.sleep(0.1)
        # The one that is awaited, the queue, and those that were taken together and wait for room.
        assert chains.open(AGENT, EPOCH).sequence <= 2 * resume.resume.in_flight_max + 1
        disk.may_sync.set()
        answers = []
        while (answer := await stream.read()) is not grpc.aio.EOF:
            answers += [answer] if answer.HasField("ack") else []
        assert acked(answers) == (30, 30)

    run(tmp_path, conversation, in_flight_max=5)


def test_what_waits_is_bounded_for_all_streams_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, senders, count = Disk(monkeypatch), [Sender(f"agent-{number}") for number in range(8)], 40
    batch_bytes = Sender().next().ByteSize()
    monkeypatch.setattr(inbox, "BYTES_MAX_OF_ALL", 20 * batch_bytes)

    async def conversation(client: Client) -> None:
        streams = [client.stream() for _ in senders]
        for stream, sender in zip(streams, senders, strict=True):
            await stream.write(hello(sender))
            await stream.read()
        disk.hold()
        for stream, sender in zip(streams, senders, strict=True):
            for _ in range(count):
                await stream.write(carrying(sender.next()))
            await stream.done_writing()
        room = client.process._intake._room
        await until(lambda: room.bytes >= 20 * batch_bytes)
        await asyncio.sleep(0.1)
        # Each stream may have one message all the same, and these are a little longer than the first.
        assert room.bytes <= 2 * (20 + len(senders)) * batch_bytes
        disk.may_sync.set()
        for stream in streams:
            answers = []
            while (answer := await stream.read()) is not grpc.aio.EOF:
                answers += [answer] if answer.HasField("ack") else []
            assert acked(answers)[0] == count

    run(tmp_path, conversation, in_flight_max=2)


def test_a_round_that_fails_ends_its_streams_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Checkers.looks

    def failing(self: Checkers, *arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(Checkers, "looks", real)
        raise OSError("no more processes")

    async def conversation(client: Client) -> None:
        sender = Sender()
        monkeypatch.setattr(Checkers, "looks", failing)
        _, refused = await client.talk(hello(sender), carrying(sender.next()))
        assert refusal(refused) == (0, "UNAVAILABLE", "the ledger failed: no more processes; its log has the details")
        again = Sender()
        assert acked((await client.talk(hello(again), carrying(again.next())))[1:]) == (1, 1)

    run(tmp_path, conversation)


def test_streams_max(tmp_path: Path) -> None:
    async def conversation(client: Client) -> None:
        streams = []
        for number in range(2):
            stream = client.stream()
            await stream.write(hello(Sender(f"agent-{number}")))
            await stream.read()
            streams.append(stream)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.talk(hello())
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert caught.value.details() == "streams_max 2 is reached; try again later"
        streams[0].cancel()
        await until(lambda: client.metric("streams") == 1)
        sender = Sender()
        assert acked((await client.talk(hello(), carrying(sender.next())))[1:]) == (1, 1)
        await streams[1].done_writing()

    run(tmp_path, conversation, streams_max=2)


def test_a_ledger_that_stops_while_streams_are_open(tmp_path: Path) -> None:
    sender = Sender()

    async def conversation(client: Client) -> None:
        stream = client.stream()
        await stream.write(hello())
        await stream.read()
        await stream.write(carrying(sender.next(content(events=[event(1)]))))
        assert (await stream.read()).ack.sequence == 1

    run(tmp_path, conversation)

    async def afterwards(client: Client) -> None:
        (resume,) = await client.talk(hello())
        assert resume.resume.sequence == 1

    run(tmp_path, afterwards)


def test_reflection_and_health(tmp_path: Path) -> None:
    async def conversation(client: Client) -> None:
        stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        (answer,) = [each async for each in stub.ServerReflectionInfo(iter([asked]))]
        listed = {service.name for service in answer.list_services_response.service}
        assert listed == SERVICES | {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
        health = health_pb2_grpc.HealthStub(client.channel)
        for name in ("", *SERVICES):
            found = await health.Check(health_pb2.HealthCheckRequest(service=name))
            assert found.status == health_pb2.HealthCheckResponse.SERVING

    run(tmp_path, conversation)
