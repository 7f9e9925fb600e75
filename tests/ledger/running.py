"""A whole ledger in this process, an agent that sends to it over gRPC, and the command line as a person uses it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import grpc
from click.testing import CliRunner, Result

from ledger.server.config import LedgerConfig
from ledger.server.process import LedgerProcess
from meterbook.command import main
from meterbook.intake.v1 import intake_pb2
from meterbook.intake.v1.intake_pb2_grpc import IntakeStub
from meterbook.ledger.v1.admin_pb2_grpc import AdminStub
from meterbook.ledger.v1.query_pb2_grpc import QueryStub
from meterbook.wire.sections import Sections
from tests.ledger.batches import Sender

Answer = TypeVar("Answer")


def run_cli(*arguments: str) -> Result:
    """``meterbook`` with arguments."""
    result = CliRunner().invoke(main, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@dataclass
class Running:
    """A ledger that serves."""

    process: LedgerProcess
    channel: grpc.Channel
    senders: dict[str, Sender] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.process.port}"

    @property
    def query(self) -> QueryStub:
        return QueryStub(self.channel)

    @property
    def admin(self) -> AdminStub:
        return AdminStub(self.channel)

    def send(self, *contents: Sections, agent: str = "shop-agent") -> int:
        """Send batches and wait for their acks; gives the position of the last."""
        sender = self.senders.setdefault(agent, Sender(agent))
        batches = [sender.next(each) for each in contents]
        messages = [intake_pb2.ClientMessage(hello=sender.hello())]
        messages += [intake_pb2.ClientMessage(batch=each) for each in batches]
        answers = [each for each in IntakeStub(self.channel).Stream(iter(messages)) if not each.HasField("witness")]
        # Acks are cumulative: several batches that became durable together may share one.
        kinds = [each.WhichOneof("message") for each in answers]
        assert kinds[:1] == ["resume"] and set(kinds[1:]) <= {"ack"}, answers
        assert not batches or answers[-1].ack.sequence == batches[-1].sequence, answers
        return int(answers[-1].ack.position)

    def cli(self, *arguments: str, code: int = 0) -> str:
        """What a command prints; on standard error where it fails."""
        result = run_cli(*arguments, "--ledger", self.address)
        assert result.exit_code == code, (result.exit_code, result.output)
        return result.stdout if code == 0 else result.stderr

    def json(self, *arguments: str) -> Any:
        return json.loads(self.cli(*arguments, "--json"))

    def error(self, *arguments: str) -> str:
        """The one sentence of a command that is refused."""
        text = self.cli(*arguments, code=1)
        assert text.startswith("Error: ") and text.count("\n") == 1, text
        return text.removeprefix("Error: ").strip()

    def apply(self, folder: Path, text: str) -> str:
        file = folder / "definitions.yaml"
        file.write_text(text)
        return self.cli("apply", "-f", str(file), "--author", "ada")


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def close(self) -> None:
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def loop() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """A function that runs a coroutine in an event loop of its own."""
    found = Loop()
    try:
        yield found.run
    finally:
        found.close()


@contextmanager
def serving(store: Path | str, **config: Any) -> Iterator[Running]:
    """A ledger over a directory, or the place that a text names, on ports that are free."""
    place = store if isinstance(store, str) else f"file:{store}"
    settings: dict[str, Any] = {"store": place, "listen": "127.0.0.1:0", "http": "127.0.0.1:0"} | config
    # Tests book when they want to.
    settings.setdefault("metering", {"every_s": 3_600})
    process = LedgerProcess(LedgerConfig.model_validate(settings))
    with loop() as run:
        run(process.start())
        try:
            with grpc.insecure_channel(f"127.0.0.1:{process.port}") as channel:
                yield Running(process, channel)
        finally:
            run(process.stop())
