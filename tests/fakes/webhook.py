"""A receiver of webhooks: a real HTTP server that verifies messages as the Standard Webhooks specification says, and answers as it is told.

What it verifies is written down here a second time, from the specification and not from what sends.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

#: Seconds by which the time of a message may differ from the clock.
TOLERANCE_S = 300


def secret(number: int) -> str:
    """A secret as its file has it."""
    return "whsec_" + base64.b64encode(hashlib.sha256(bytes([number])).digest()).decode()


@dataclass(frozen=True)
class Answer:
    """What a request gets; after ``delay_s``."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0


@dataclass(frozen=True)
class Received:
    """A message whose signature holds."""

    id: str
    body: bytes
    at_s: int
    answered: int

    @property
    def data(self) -> Any:
        return json.loads(self.body)["data"]


class Receiver:
    """Answers the next requests as ``answers`` say, and those after with ``Answer()``."""

    def __init__(self, *secrets: str) -> None:
        self.secrets = secrets or (secret(1),)
        self.answers: list[Answer] = []
        self.received: list[Received] = []
        #: Why a message was not believed, one sentence each.
        self.refused: list[str] = []
        self.paths: list[str] = []
        self.over = threading.Event()
        self._changed = threading.Condition()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hooks/secret-path"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take(self, headers: Any, body: bytes) -> Answer:
        """Judge a request; gives what it gets."""
        with self._changed:
            answer = self.answers.pop(0) if self.answers else Answer()
            why = _fault(headers, body, self.secrets)
            if why:
                self.refused.append(why)
                answer = Answer(401)
            else:
                at_s = int(headers["webhook-timestamp"])
                self.received.append(Received(headers["webhook-id"], body, at_s, answer.status))
            self._changed.notify_all()
            return answer

    def wait(self, count: int, timeout_s: float = 30.0) -> list[Received]:
        """The messages, once there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.received) >= count, timeout_s), (self.received, self.refused)
            return list(self.received)

    def taken(self) -> list[str]:
        """Ids of the messages that were answered with success, in order."""
        return [each.id for each in self.received if 200 <= each.answered < 300]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Who sends gives up on some answers, and hangs up: no word about it."""


def _fault(headers: Any, body: bytes, secrets: Sequence[str]) -> str:
    """Why a message is not to be believed; "" for one that is."""
    ident, at_s, signatures = (headers.get(f"webhook-{name}") for name in ("id", "timestamp", "signature"))
    if not ident or not at_s or not signatures:
        return "a header is missing"
    if abs(time.time() - int(at_s)) > TOLERANCE_S:
        return f"time {at_s} is not now"
    over = ident.encode() + b"." + at_s.encode() + b"." + body
    for each in secrets:
        wanted = hmac.new(base64.b64decode(each.removeprefix("whsec_")), over, hashlib.sha256).digest()
        for signature in signatures.split(" "):
            version, _, mark = signature.partition(",")
            if version == "v1" and hmac.compare_digest(base64.b64decode(mark), wanted):
                return ""
    return "no signature is by a secret that is known"


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            receiver.paths.append(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = receiver.take(self.headers, body)
            if answer.delay_s:
                receiver.over.wait(answer.delay_s)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Tests look at what was received."""

    return Handler


@contextmanager
def receiving(*secrets: str) -> Iterator[Receiver]:
    """A receiver that runs."""
    receiver = Receiver(*secrets)
    receiver.start()
    try:
        yield receiver
    finally:
        receiver.stop()


def secret_file(folder: Path, *secrets: str) -> Path:
    """A file with secrets."""
    file = folder / "webhook.secret"
    file.write_text("".join(f"{each}\n" for each in secrets or (secret(1),)))
    return file
