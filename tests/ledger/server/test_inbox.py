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
        while taken := await inbox.take(3):
            assert len(taken) <= 3
            found += [len(each.batch.samples) for each in taken]
        await filling
        return found

    assert asyncio.run(run()) == list(range(10))


@pytest.mark.parametrize(("streams", "expected"), [(1, 4), (2, 4), (4, 2), (100, 1)])
def test_a_stream_is_read_no_further_than_there_is_room(
    streams: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BYTES_MAX", 4_000)
    monkeypatch.setattr(module, "BYTES_MAX_OF_ALL", 8_000)

    async def run() -> None:
        room = Room()
        inboxes = [(Inbox(room), Stream([1_000] * 20)) for _ in range(streams)]
        filling = [asyncio.create_task(inbox.fill(stream)) for inbox, stream in inboxes]  # type: ignore[arg-type]
        await settled()
        assert {stream.read for _, stream in inboxes} == {expected}
        for inbox, stream in inboxes:
            assert len(await inbox.take(99)) == expected
            await settled()
            assert stream.read == 2 * expected
        for each in filling:
            each.cancel()
        await asyncio.gather(*filling, return_exceptions=True)
        assert room.inboxes == 0

    asyncio.run(run())


def test_there_is_more_room_when_streams_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BYTES_MAX_OF_ALL", 8_000)

    async def run() -> None:
        room = Room()
        one, other = Inbox(room), Inbox(room)
        short, long = Stream([1_000] * 2), Stream([1_000] * 20)
        first = asyncio.create_task(one.fill(short))  # type: ignore[arg-type]
        second = asyncio.create_task(other.fill(long))  # type: ignore[arg-type]
        await first
        await settled()
        assert long.read == 8
        second.cancel()

    asyncio.run(run())
