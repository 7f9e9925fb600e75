"""gRPC's health service: it says of every service what /readyz says of the ledger.

All services stand on one store, so there is one answer for all of them. Whoever watches is told as soon as it changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from grpc_health.v1 import health, health_pb2

#: How often it is looked whether the answer has changed.
_LOOK_S = 0.5


class Health:
    """The health of the ledger as a whole, and of each service that is named. For one event loop."""

    def __init__(self, services: Sequence[str]) -> None:
        self.servicer = health.aio.HealthServicer()
        self._services = ("", *services)
        self._is_ready: bool | None = None

    async def told(self, reason: str | None) -> None:
        """From now on the ledger serves, or for a reason does not."""
        if (is_ready := reason is None) != self._is_ready:
            self._is_ready = is_ready
            status = health_pb2.HealthCheckResponse
            for name in self._services:
                await self.servicer.set(name, status.SERVING if is_ready else status.NOT_SERVING)

    async def tell(self, not_ready: Callable[[], str | None]) -> None:
        """Go by what ``not_ready`` says, for ever."""
        while True:
            await self.told(not_ready())
            await asyncio.sleep(_LOOK_S)

    async def end(self) -> None:
        """Say once and for all that nothing is served."""
        await self.servicer.enter_graceful_shutdown()
