"""A ledger in this process, and a client that speaks to its Intake service over real gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc

from ledger.intake.contents import IntakeLimits
from ledger.server.config import LedgerConfig
from ledger.server.process import LedgerProcess
from meterbook.intake.v1 import intake_pb2, intake_pb2_grpc
from tests.ledger.intake.failing import WAIT_S


class Client:
    """A ledger that serves, and a channel to it."""

    def __init__(self, process: LedgerProcess, channel: grpc.aio.Channel) -> None:
        self.process, self.channel = process, channel
        self.intake = intake_pb2_grpc.IntakeStub(channel)

    def stream(self) -> Any:
        return self.intake.Stream()

    async def talk(self, *messages: intake_pb2.ClientMessage) -> list[intake_pb2.ServerMessage]:
        """Everything that the ledger says to these messages."""
        stream = self.intake.Stream(iter(messages))
        return [message async for message in stream]

    def metric(self, name: str, **labels: str) -> float:
        return self.process._metrics.registry.get_sample_value(f"meterbook_ledger_{name}", labels) or 0.0


@asynccontextmanager
async def serving(store: Path, **limits: int) -> AsyncIterator[Client]:
    config = LedgerConfig(
        store=f"file:{store}", listen="127.0.0.1:0", http="127.0.0.1:0", intake=IntakeLimits(**limits)
    )
    process = LedgerProcess(config)
    await process.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{process.port}") as channel:
            yield Client(process, channel)
    finally:
        await process.stop()


def run(store: Path, conversation: Callable[[Client], Awaitable[None]], **limits: int) -> None:
    async def served() -> None:
        async with asyncio.timeout(WAIT_S), serving(store, **limits) as client:
            await conversation(client)

    asyncio.run(served())
