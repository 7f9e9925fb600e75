"""A real HTTP server in a thread, that answers as it is told: whole, cut off, late, drop by drop, or not at all."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Answer = Callable[[BaseHTTPRequestHandler], None]


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what many tests want to see: no word about it."""


class FakeTarget:
    """Set ``answer`` to what the next requests get; ``requests`` has the method, path and headers of past ones."""

    def __init__(self, certificate: Path | None = None) -> None:
        """With a certificate, whose key stands beside it, the target speaks TLS."""
        self.answer: Answer = page(b"up_and_about 1\n")
        self.requests: list[tuple[str, str, Message]] = []
        #: The connections so far; a kept one counts once.
        self.connections: list[socket.socket] = []
        #: Set at the end, so that no answer waits longer than its test.
        self.over = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, certificate.with_suffix(".key"))
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Refuse connections from now on; safe to call twice."""
        self.over.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        for connection in self.connections:
            with suppress(OSError):  # closed by then, most likely
                connection.shutdown(socket.SHUT_RDWR)

    def hang(self, handler: BaseHTTPRequestHandler) -> None:
        """Accept the request and say nothing."""
        self.over.wait()

    def drip(self, handler: BaseHTTPRequestHandler) -> None:
        """Begin a page that never ends, a byte at a time."""
        _head(handler, 200, TEXT, None)
        self._drip(handler)

    def drip_headers(self, handler: BaseHTTPRequestHandler) -> None:
        """Not even the headers end."""
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        self._drip(handler)

    def _drip(self, handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        while not self.over.wait(0.02):
            handler.wfile.write(b"x")


@contextmanager
def fake_target(certificate: Path | None = None) -> Iterator[FakeTarget]:
    """A target that is up, and stopped at the end."""
    target = FakeTarget(certificate)
    target.start()
    try:
        yield target
    finally:
        target.stop()


def page(
    body: bytes,
    content_type: str | None = TEXT,
    *,
    status: int = 200,
    missing_bytes: int = 0,
    encoding: str | None = None,
) -> Answer:
    """Answer ``body``; with ``missing_bytes``, promise that many more and hang up."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        extra = {} if encoding is None else {"Content-Encoding": encoding}
        _head(handler, status, content_type, len(body) + missing_bytes, **extra)
        handler.wfile.write(body)
        handler.close_connection = missing_bytes > 0

    return answer


def zipped(body: bytes, *, keep_bytes: int | None = None) -> Answer:
    """Answer ``body`` in gzip, of which only the first ``keep_bytes`` are sent."""
    return page(gzip.compress(body)[:keep_bytes], encoding="gzip")


def chunked(body: bytes, *, broken: bool = False) -> Answer:
    """Answer ``body`` in one chunk; a broken one has no last chunk."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        _head(handler, 200, TEXT, None, **{"Transfer-Encoding": "chunked"})
        handler.wfile.write(f"{len(body):x}\r\n".encode() + body + b"\r\n" + (b"" if broken else b"0\r\n\r\n"))
        handler.close_connection = broken

    return answer


def _head(
    handler: BaseHTTPRequestHandler, status: int, content_type: str | None, length: int | None, **extra: str
) -> None:
    handler.send_response(status)
    if content_type is not None:
        handler.send_header("Content-Type", content_type)
    if length is not None:
        handler.send_header("Content-Length", str(length))
    for name, value in extra.items():
        handler.send_header(name, value)
    handler.end_headers()


def _handler(target: FakeTarget) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or an answer in two writes waits for an acknowledgement

        def setup(self) -> None:
            target.connections.append(self.request)
            super().setup()

        def _serve(self) -> None:
            target.requests.append((self.command, self.path, self.headers))
            try:
                target.answer(self)
            except OSError:
                self.close_connection = True  # the client has hung up, as it should

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _serve  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    return Handler
