"""A ledger in a process of its own, an agent that behaves well, and what hostile clients do to both.

The agent sends a small batch, waits for its ack, and sends the next, all the time. What a siege costs the ledger is read from
/proc: its memory at its most, threads, and sockets that are left behind.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import grpc
import httpx
import yaml

from bench._procfs import memory_mib, threads
from examples.demo.processes import Program, free_ports, meterbook
from meterbook.intake.v1 import intake_pb2
from meterbook.intake.v1.intake_pb2_grpc import IntakeStub
from tests.ledger.batches import DAY, Sender, content, event, sealed
from tests.wire.tables import one_of_each

WAIT_S = 60.0
MEMORY_MIB_MAX = 1_024
#: More would mean that one is made for each client.
THREADS_MAX = 64
HELLO_TIMEOUT_S = 2.0
#: Each client a connection of its own, as those of different machines are.
_OPTIONS = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
_PREFIX = "meterbook_ledger_"

Messages = Iterator[intake_pb2.ClientMessage]


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition; fails where it never comes true."""
    ends_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < ends_s, f"never: {what}"
        time.sleep(0.02)


def carrying(batch: intake_pb2.Batch) -> intake_pb2.ClientMessage:
    return intake_pb2.ClientMessage(batch=batch)


def said(sender: Sender) -> intake_pb2.ClientMessage:
    return intake_pb2.ClientMessage(hello=sender.hello())


class WellBehaved:
    """An agent in a thread; ``acked`` counts its batches."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.acked, self.slowest_s = 0, 0.0
        self.trouble: str | None = None
        self._channel = channel
        self._answers: SimpleQueue[bool] = SimpleQueue()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._answers.put(False)
        self._thread.join()

    def _run(self) -> None:
        try:
            for answer in IntakeStub(self._channel).Stream(self._messages()):
                if answer.HasField("refusal"):
                    self.trouble = answer.refusal.message
                elif not answer.HasField("witness"):
                    self._answers.put(True)
        except grpc.RpcError as error:
            self.trouble = repr(error)

    def _messages(self) -> Messages:
        sender = Sender("well-behaved")
        yield said(sender)
        while self._answers.get():
            batch = sender.next(content(events=[event(sender.sequence + 1, time=DAY)]))
            began_s = time.monotonic()
            yield carrying(batch)
            if not self._answers.get():
                return
            self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)
            self.acked += 1
            self._answers.put(True)
            time.sleep(0.01)


class Besieged:
    """The ledger's process, and connections to it."""

    def __init__(self, directory: Path) -> None:
        port, http = free_ports(2)
        self.address, self._http = f"127.0.0.1:{port}", f"http://127.0.0.1:{http}"
        self.port = port
        config = {
            "store": f"file:{directory}/book",
            "listen": self.address,
            "http": f"127.0.0.1:{http}",
            "intake": {"hello_timeout_s": HELLO_TIMEOUT_S},
        }
        (directory / "ledger.yaml").write_text(yaml.safe_dump(config))
        command = meterbook("ledger", "serve", "--config", str(directory / "ledger.yaml"))
        self.log = directory / "ledger.log"
        self._program = Program("ledger", command, self.log, f"{self._http}/readyz")
        self._program.start()
        assert self._program.process is not None
        self.pid = self._program.process.pid

    def stop(self) -> None:
        self._program.stop()

    @contextmanager
    def connection(self) -> Iterator[IntakeStub]:
        """A stub on a connection of its own."""
        with grpc.insecure_channel(self.address, _OPTIONS) as channel:
            yield IntakeStub(channel)

    def talk(self, *messages: intake_pb2.ClientMessage) -> list[intake_pb2.ServerMessage]:
        """Everything that the ledger says to a client, but for what it signs."""
        with self.connection() as stub:
            return [each for each in stub.Stream(iter(messages)) if not each.HasField("witness")]

    def refusal(self, *messages: intake_pb2.ClientMessage) -> tuple[str, str]:
        """Code and sentence with which the ledger ends the conversation."""
        last = self.talk(*messages)[-1]
        assert last.HasField("refusal"), last
        code = intake_pb2.RefusalCode.Name(last.refusal.code).removeprefix("REFUSAL_CODE_")
        return code, last.refusal.message

    def metric(self, name: str) -> float:
        text = httpx.get(f"{self._http}/metrics", trust_env=False, timeout=WAIT_S).text
        return next(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(f"{_PREFIX}{name} "))

    def sockets(self) -> int:
        """Connections that the process has open."""
        lines = [
            line for name in ("tcp", "tcp6") for line in Path(f"/proc/{self.pid}/net/{name}").read_text().splitlines()
        ]
        connections = {f"socket:[{line.split()[9]}]" for line in lines}
        found = 0
        for entry in Path(f"/proc/{self.pid}/fd").iterdir():
            try:
                found += str(entry.readlink()) in connections
            except FileNotFoundError:
                continue
        return found

    def forget_peak(self) -> None:
        """Let the memory's peak begin anew (proc(5), clear_refs)."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    @property
    def peak_mib(self) -> float:
        return memory_mib(self.pid, "VmHWM")

    @property
    def threads(self) -> int:
        return threads(self.pid)


@contextmanager
def siege(ledger: Besieged, agent: WellBehaved) -> Iterator[None]:
    """What must hold during and after whatever hostile clients do in the block."""
    sockets, streams = ledger.sockets(), ledger.metric("streams")
    acked = agent.acked
    told = len(ledger.log.read_text())
    ledger.forget_peak()
    agent.slowest_s = 0.0
    yield
    until(lambda: agent.acked > acked or agent.trouble, "the well-behaved agent is acknowledged")
    position = ledger.metric("log_position")
    until(lambda: ledger.metric("tables_position") >= position, "the tables hold what was accepted")
    until(lambda: ledger.metric("streams") == streams, "the streams are closed")
    until(lambda: ledger.sockets() <= sockets, "the sockets are closed")
    after = agent.acked
    until(lambda: agent.acked > after or agent.trouble, "the well-behaved agent goes on")
    print(f"peak {ledger.peak_mib:.0f} MiB, {ledger.threads} threads, slowest ack {agent.slowest_s:.2f} s")
    assert agent.trouble is None
    assert ledger.threads <= THREADS_MAX
    assert ledger.peak_mib < MEMORY_MIB_MAX
    log = ledger.log.read_text()[told:]
    assert "Traceback" not in log, log


def with_section(name: str, data: bytes) -> intake_pb2.ClientMessage:
    """A first batch with these bytes in a section, sealed as if it held something good."""
    return carrying(sealed(Sender().place(), content(), **{name: data}))


def good_table(name: str) -> Any:
    """A small table of a section."""
    return one_of_each()[name]
