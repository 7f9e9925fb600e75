"""Rounds: what has arrived on all streams is taken together, one thread for each round.

Handing a batch to a thread and back, and a write to the disk, cost more than many a batch itself. So a thread takes what
has arrived on any stream while it was busy with what came before: one batch at a time where there is little to do, many
where there is much. Where several come at once more are to be expected, and the next round begins a moment later: a sender hardly
notices, and the ledger does with half the work.

Everybody in a round waits for its end. So those who bring little come first in it, and where rounds take long, since
somebody's batches do, they get shorter, and each stream's share in them smaller.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from ledger.server.inbox import Inbox
from meterbook.intake.v1 import intake_pb2

#: Seconds from the beginning of one round to that of the next, after one that had several batches.
PACE_S = 0.016
#: Messages of one stream and of one round, and bytes of a round; what is more waits for another one.
SHARE_MAX, MESSAGES_MAX, BYTES_MAX = 16, 64, 2 << 20
#: Seconds from which on a round is long, and messages below which none becomes shorter.
LONG_S, MESSAGES_MIN = 0.25, 4
# Streams that a round has room for at least, also one that became short.
_STREAMS_MIN = 4

Messages = list[intake_pb2.ClientMessage]
Sender = TypeVar("Sender")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class _Seat(Generic[Sender, Outcome]):
    sender: Sender
    inbox: Inbox
    outcome: asyncio.Future[Outcome]


class Rounds(Generic[Sender, Outcome]):
    """Rounds for one event loop, of which ``at_once`` may be under way, with up to ``share`` messages of each stream.

    ``work`` is called in a thread of ``executor`` with the senders of a round and their messages, and gives an outcome for each.
    ``hold_back_s`` tells how many seconds there have to be from one round to the next, just now.
    """

    def __init__(
        self,
        executor: Executor,
        work: Callable[[Sequence[tuple[Sender, Messages]]], Sequence[Outcome]],
        at_once: int,
        share: int = SHARE_MAX,
        hold_back_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._executor, self._work, self._free, self._share = executor, work, at_once, share
        self._hold_back_s = hold_back_s
        self._messages = MESSAGES_MAX
        self._waiting: deque[_Seat[Sender, Outcome]] = deque()
        self._next_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def join(self, sender: Sender, inbox: Inbox) -> Outcome:
        """Have what is in an inbox when a round begins, or some of it, taken in that round. Raises what ``work`` raises."""
        seat: _Seat[Sender, Outcome] = _Seat(sender, inbox, asyncio.get_running_loop().create_future())
        self._waiting.append(seat)
        self._begin_in_time()
        return await seat.outcome

    def _begin_in_time(self) -> None:
        if not self._waiting or not self._free or self._timer is not None:
            return
        loop = asyncio.get_running_loop()
        if loop.time() < self._next_s:
            self._timer = loop.call_at(self._next_s, self._begin)
        else:
            self._begin()

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        taken = self._take()
        if not taken:
            return
        several = sum(len(messages) for _, messages in taken) > 1
        began_s = loop.time()
        self._next_s = began_s + max(PACE_S if several else 0.0, self._hold_back_s())
        self._free -= 1
        seats, portions = [seat for seat, _ in taken], [(seat.sender, messages) for seat, messages in taken]
        try:
            working = loop.run_in_executor(self._executor, self._work, portions)
        except RuntimeError as error:
            # It was shut down.
            working = loop.create_future()
            working.set_exception(error)
        working.add_done_callback(partial(self._end, seats, began_s))
        self._begin_in_time()

    def _take(self) -> list[tuple[_Seat[Sender, Outcome], Messages]]:
        """Whose turn it is, and what they bring."""
        found: list[tuple[_Seat[Sender, Outcome], Messages]] = []
        left, bytes_left = self._messages, BYTES_MAX
        share = min(self._share, max(1, left // _STREAMS_MIN))
        while self._waiting and left > 0 and bytes_left > 0:
            seat = self._waiting.popleft()
            if seat.outcome.done():
                # Its stream has ended meanwhile.
                continue
            messages, size = seat.inbox.take(min(left, share), bytes_left)
            left -= len(messages)
            bytes_left -= size
            found.append((seat, messages))
        return sorted(found, key=lambda each: len(each[1]))

    def _end(
        self, seats: Sequence[_Seat[Sender, Outcome]], began_s: float, working: asyncio.Future[Sequence[Outcome]]
    ) -> None:
        self._free += 1
        is_long = asyncio.get_running_loop().time() - began_s > LONG_S
        self._messages = max(MESSAGES_MIN, self._messages // 2) if is_long else min(MESSAGES_MAX, self._messages * 2)
        error = RuntimeError("it is stopping") if working.cancelled() else working.exception()
        for place, seat in enumerate(seats):
            if seat.outcome.done():
                continue
            if error is not None:
                seat.outcome.set_exception(error)
            else:
                seat.outcome.set_result(working.result()[place])
        self._begin_in_time()
