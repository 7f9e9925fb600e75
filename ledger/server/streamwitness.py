"""One stream's witness: when an agent is shown a checkpoint, without ever holding up an ack.

At the beginning, and then once in a while, if something was acknowledged since. The proof is made in a thread, about the batch
that was acknowledged last when it was due; where the tables are behind, it waits for them without asking them to hurry. It
is put into the stream's queue when it is ready.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial

from ledger.journal.errors import JournalError
from ledger.proof.witnessing import Shown, Witnessing
from meterbook.intake.v1 import intake_pb2

_LOOK_S = 0.25
_PATIENCE_S = 60.0

logger = logging.getLogger(__name__)

Send = Callable[[intake_pb2.ServerMessage], Awaitable[None]]
_Look = Callable[[int], Shown | None]


class StreamWitness:
    """What the agent of one stream holds, for the stream's event loop; ``send`` queues a message."""

    def __init__(self, witnessing: Witnessing, every_s: float, held_size: int, send: Send) -> None:
        self._witnessing, self._every_s, self._send = witnessing, every_s, send
        self._held_size = held_size
        self._shown_s = 0.0
        self._trouble = ""
        self._task: asyncio.Task[None] | None = None

    async def first(self, chain: str) -> intake_pb2.Witness | None:
        """What goes with Resume, where it is at hand; else it is sent as soon as it is."""
        look = partial(self._witnessing.first, chain=chain)
        found = await self._look(look)
        if found is None:
            self._task = asyncio.create_task(self._show(look))
        return found

    def acknowledged(self, sequence: int, position: int) -> None:
        """A batch was acknowledged; costs nothing unless a witness is due."""
        if (self._task is None or self._task.done()) and time.monotonic() - self._shown_s > self._every_s:
            look = partial(self._witnessing.next, sequence=sequence, position=position)
            self._task = asyncio.create_task(self._show(look))

    def close(self) -> None:
        """The stream is over."""
        if self._task is not None:
            self._task.cancel()

    async def _show(self, look: _Look) -> None:
        ends_s = time.monotonic() + _PATIENCE_S
        while time.monotonic() < ends_s:
            found = await self._look(look)
            if found is not None:
                await self._send(intake_pb2.ServerMessage(witness=found))
                return
            await asyncio.sleep(_LOOK_S)

    async def _look(self, look: _Look) -> intake_pb2.Witness | None:
        try:
            shown = await asyncio.to_thread(look, self._held_size)
        except Exception as error:
            # The stream goes on, and says so once: what is accepted does not depend on what is shown.
            if str(error) != self._trouble:
                # Of a service that is down there is nothing more to say than that.
                about = None if isinstance(error, JournalError) else error
                logger.warning("an agent could not be shown a checkpoint: %s", error, exc_info=about)
            self._trouble = str(error)
            return None
        if shown is None:
            return None
        found, self._held_size = shown
        self._shown_s, self._trouble = time.monotonic(), ""
        return found
