"""What has arrived on a stream and is not looked at yet.

It is taken in rounds, see there. What may arrive ahead is bounded in bytes, of a stream and of all together; beyond that
the stream is not read, and gRPC's flow control holds the agent back.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator

from meterbook.intake.v1 import intake_pb2

#: Of one stream; a larger message is taken alone. And of all streams, each of which may have one message all the same.
BYTES_MAX, BYTES_MAX_OF_ALL = 2 << 20, 64 << 20


class Room:
    """What all inboxes of a server share; for one event loop."""

    def __init__(self) -> None:
        self.bytes = 0


class Inbox:
    """Messages of one stream, for one reader and one taker in the same event loop."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._messages: deque[tuple[intake_pb2.ClientMessage, int]] = deque()
        self._bytes = 0
        #: When each of those came that nobody has asked about yet, on the clock of ``time.monotonic``.
        self.arrivals_s: deque[float] = deque()
        self._ended = False
        self._arrived, self._taken = asyncio.Event(), asyncio.Event()

    async def fill(self, requests: AsyncIterator[intake_pb2.ClientMessage]) -> None:
        """Read the stream to its end, no faster than messages are taken. Raises what reading it raises."""
        try:
            async for message in requests:
                size = message.ByteSize()
                self._messages.append((message, size))
                self.arrivals_s.append(time.monotonic())
                self._count(size)
                self._arrived.set()
                # It may be large, and the next one long in coming.
                del message
                while self._is_full:
                    self._taken.clear()
                    await self._taken.wait()
        finally:
            self._ended = True
            self._arrived.set()

    async def has_some(self) -> bool:
        """Wait until there is something to be taken; False at the end of the stream."""
        while not self._messages and not self._ended:
            self._arrived.clear()
            await self._arrived.wait()
        return bool(self._messages)

    def take(self, most: int, bytes_most: int) -> tuple[list[intake_pb2.ClientMessage], int]:
        """The first of what has arrived, up to ``most`` messages, or as many as it takes to have ``bytes_most``; and its bytes."""
        found: list[intake_pb2.ClientMessage] = []
        taken = 0
        while self._messages and len(found) < most and taken < bytes_most:
            message, size = self._messages.popleft()
            found.append(message)
            taken += size
        self._count(-taken)
        self._taken.set()
        return found, taken

    def close(self) -> None:
        """Nobody takes any more: what is left makes room."""
        self._messages.clear()
        self._count(-self._bytes)

    @property
    def _is_full(self) -> bool:
        # Whoever waits has something that will be taken, so nobody waits for others alone.
        return self._bytes >= BYTES_MAX or (self._bytes > 0 and self._room.bytes >= BYTES_MAX_OF_ALL)

    def _count(self, size: int) -> None:
        self._bytes += size
        self._room.bytes += size
