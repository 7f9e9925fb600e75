"""What stands between an agent and a ledger and writes down what they say, byte for byte, without understanding any of it.

On the wire of gRPC a call with one message is a stream of one: every method is relayed as two streams of bytes.
"""

from __future__ import annotations

import base64
import gzip
import json
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc


@dataclass
class Call:
    """One call: its method, and the messages of both sides in order."""

    method: str
    said: list[bytes] = field(default_factory=list)
    answered: list[bytes] = field(default_factory=list)


class Relay(grpc.GenericRpcHandler):
    """Passes calls on to a ledger; ``calls`` are those so far."""

    def __init__(self, address: str) -> None:
        self.calls: list[Call] = []
        self._noting = threading.Lock()
        self._channel = grpc.insecure_channel(address)
        self._server = grpc.server(ThreadPoolExecutor(16), handlers=[self])
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def service(self, handler_call_details: Any) -> Any:
        """Every method there may be."""
        method = handler_call_details.method
        return grpc.stream_stream_rpc_method_handler(lambda said, context: self._pass_on(method, said, context))

    def close(self) -> None:
        """End it, and the calls under way."""
        self._server.stop(None).wait()
        self._channel.close()

    def _pass_on(self, method: str, said: Iterator[bytes], context: Any) -> Iterator[bytes]:
        call = Call(method)
        with self._noting:
            self.calls.append(call)
        metadata = [(name, value) for name, value in context.invocation_metadata() if not name.startswith("user-agent")]
        upstream = self._channel.stream_stream(method)(_noted(said, call.said), metadata=metadata)
        context.add_callback(upstream.cancel)
        try:
            yield from _noted(upstream, call.answered)
        except grpc.RpcError as error:
            context.abort(error.code(), error.details())


def write(path: Path, calls: Iterable[Call]) -> None:
    """Calls as lines of JSON, packed; the same calls give the same bytes."""
    lines = [
        json.dumps({"call": number, "method": call.method, side: base64.b64encode(message).decode()})
        for number, call in enumerate(calls)
        for side, messages in (("said", call.said), ("answered", call.answered))
        for message in messages
    ]
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))


def read(path: Path) -> list[Call]:
    """Calls that were written."""
    found: defaultdict[int, Call] = defaultdict(lambda: Call(""))
    for line in gzip.decompress(path.read_bytes()).splitlines():
        told = json.loads(line)
        call = found[told["call"]]
        call.method = told["method"]
        for side, messages in (("said", call.said), ("answered", call.answered)):
            if side in told:
                messages.append(base64.b64decode(told[side]))
    return [found[number] for number in sorted(found)]


def _noted(messages: Iterable[bytes], notes: list[bytes]) -> Iterator[bytes]:
    for message in messages:
        notes.append(message)
        yield message
