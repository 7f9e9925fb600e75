"""The operator's door of a process: /metrics, /healthz and /readyz over plain HTTP.

``/healthz`` answers 200 as long as the process can answer at all; ``/readyz`` answers 503 with one sentence while
the process cannot do its work, so that an orchestrator and a person read the same reason.

Anybody who reaches the port may connect, so connections are few: where one more comes, the one that has been there longest is ended. Whoever
connects and says nothing, or says it slowly, so holds up neither a probe nor the process.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

#: Connections at a time. Probes, scrapers and a person or two are a handful.
CONNECTIONS_MAX = 64

_NOT_IN_HOSTS = frozenset("/ ")

_log = logging.getLogger(__name__)


def split_address(address: str) -> tuple[str, int]:
    """Host and port of ``host:port`` or ``[v6]:port``. Raises ValueError naming the address."""
    host, colon, port = address.rpartition(":")
    named = bool(host) and host.isprintable() and not set(host) & _NOT_IN_HOSTS
    if not colon or not named or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ValueError(f"address {address!r} is not host:port, such as 127.0.0.1:9464")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether a host, as :func:`split_address` gives it, is this machine to itself. Names are not resolved."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class HealthServer:
    """Serves the three pages from a thread of its own. Raises OSError where the address cannot be bound."""

    def __init__(self, listen: str, registry: CollectorRegistry, not_ready: Callable[[], str | None]) -> None:
        """``not_ready`` gives None, or the sentence that says why the process cannot work just now."""
        host, port = split_address(listen)
        try:
            self._server = _server(host)((host, port), _handler(registry, not_ready))
        except OSError as error:
            raise OSError(f"cannot listen on {listen}: {error.strerror or error}") from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="health", daemon=True)

    @property
    def port(self) -> int:
        """The port bound, which matters where the configuration said 0."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and free the port."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


def _server(host: str) -> type[ThreadingHTTPServer]:
    class Server(_Server):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    return Server


class _Server(ThreadingHTTPServer):
    # The system cuts it to what it allows; a burst of probes is not to wait for a second try.
    request_queue_size = 128

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._changing = threading.Lock()
        # The longest first.
        self._connections: dict[socket.socket, None] = {}

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changing:
            self._connections[request] = None
            if len(self._connections) > CONNECTIONS_MAX:
                oldest = next(iter(self._connections))
                del self._connections[oldest]
                # Its thread reads that there is no more, and ends; it closes the socket, which nobody else may.
                with suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._changing:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        # A scraper that has gone away is nobody's fault, and as many lines as there are scrapers tell nobody anything.
        if isinstance(error, OSError):
            _log.debug("%s went away: %s", client_address[0], error)
        else:
            _log.error("a request of %s had no answer", client_address[0], exc_info=error)


def _handler(registry: CollectorRegistry, not_ready: Callable[[], str | None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        # A connection that says nothing must not hold a thread for ever.
        timeout = 10

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(200, *_encoded(registry, self.headers.get("Accept", "")))
            elif path == "/healthz":
                self._answer(200, "text/plain; charset=utf-8", b"alive\n")
            elif path == "/readyz":
                reason = not_ready()
                self._answer(503 if reason else 200, "text/plain; charset=utf-8", f"{reason or 'ready'}\n".encode())
            else:
                self._answer(404, "text/plain; charset=utf-8", b"there is /metrics, /healthz and /readyz\n")

        do_HEAD = do_GET  # noqa: N815 - http.server names it

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Probes come every few seconds: they are not worth a line each."""

    return Handler


def _encoded(registry: CollectorRegistry, accept: str) -> tuple[str, bytes]:
    """The metrics in the form that is asked for, as text where nobody knows what that is."""
    try:
        encode, content_type = choose_encoder(accept)
    except (ValueError, TypeError, LookupError):
        encode, content_type = choose_encoder("")
    return content_type, encode(registry)
