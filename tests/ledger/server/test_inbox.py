"""What waits to be looked at is bounded, for one stream and for all of them together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from ledger.server import inbox as module
from ledger.server.inbox import Inbox, Room
from meterbook.intake.v1 import intake_pb2


def message(size: int) -> intake_pb2.ClientMessage:
    return intake_pb2.ClientMessage(batch=intake_pb2.Batch(samples=bytes(size)))


class Stream:
    """A stream of messages that tells how many were read."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.read, self._sizes = 0, sizes

    async def __aiter__(self) -> AsyncIterator[intake_pb2.ClientMessage]:
        for size in self._sizes:
            await asyncio.sleep(0)
            self.read += 1
            yield message(size)


async def settled() -> None:
    for _ in range(200):
        await asyncio.sleep(0)


def test_messages_come_out_as_they_went_in() -> None:
    async def run() -> list[int]:
        inbox, found = Inbox(Room()), []
        filling = asyncio.create_task(inbox.fill(Stream(range(10))))  # type: ignore[arg-type]
        while await inbox.has_some():
            taken, _ = inbox.take(3, 12)
            assert len(taken) <= 3
            found += [len(each.batch.samples) for each in taken]
        await filling
        return found

    assert asyncio.run(run()) == list(range(10))


def test_no_more_is_taken_than_it_takes_to_have_so_many_bytes() -> None:
    async def run() -> None:
        inbox = Inbox(Room())
        await inbox.fill(Stream([1_000] * 5))  # type: ignore[arg-type]
        assert len(inbox.take(9, 1)[0]) == 1
        assert len(inbox.take(9, 1_500)[0]) == 2
        assert len(inbox.take(9, 1 << 20)[0]) == 2
        assert inbox.take(9, 1 << 20) == ([], 0)
        assert not await inbox.has_some()

    asyncio.run(run())


@pytest.mark.parametrize(("streams", "expected"), [(1, 4), (2, 4), (3, 4), (100, 2)])
def test_a_stream_is_read_no_further_than_there_is_room(
    streams: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BYTES_MAX", 4_000)
    monkeypatch.setattr(module, "BYTES_MAX_OF_ALL", 11_000)

    async def run() -> None:
        room = Room()
        inboxes = [(Inbox(room), Stream([1_000] * 20)) for _ in range(streams)]
        filling = [asyncio.create_task(inbox.fill(stream)) for inbox, stream in inboxes]  # type: ignore[arg-type]
        await settled()
        assert max(stream.read for _, stream in inboxes) == expected
        assert min(stream.read for _, stream in inboxes) >= 1
        for inbox, stream in inboxes:
            # Whoever waits has something to be taken, and then goes on.
            before = stream.read
            assert len(inbox.take(99, 1 << 20)[0]) == before
            await settled()
            assert stream.read > before
        for each, (inbox, _) in zip(filling, inboxes, strict=True):
            each.cancel()
            inbox.close()
        await asyncio.gather(*filling, return_exceptions=True)
        assert room.bytes == 0

    asyncio.run(run())


def test_streams_that_are_idle_take_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BYTES_MAX_OF_ALL", 8_000)

    async def run() -> None:
        room = Room()
        idle = [Inbox(room) for _ in range(500)]
        filling = [asyncio.create_task(each.fill(Stream([]))) for each in idle]  # type: ignore[arg-type]
        busy, stream = Inbox(room), Stream([1_000] * 20)
        filling.append(asyncio.create_task(busy.fill(stream)))  # type: ignore[arg-type]
        await settled()
        assert stream.read == 8
        filling[-1].cancel()
        await asyncio.gather(*filling, return_exceptions=True)

    asyncio.run(run())
