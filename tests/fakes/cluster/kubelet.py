"""The kubelets of a simulated cluster: each node has an HTTPS address of its own, and faults of its own.

They answer GET of /stats/summary, /metrics/resource and /metrics/cadvisor to a bearer token that the API server knows and that may
get ``nodes/stats`` and ``nodes/metrics``. Everything else a kubelet can do (exec, run, logs, pods) needs ``nodes/proxy``: refused, and
noted in ``forbidden_requests``. See "Kubelet authentication/authorization" in the Kubernetes documentation.
"""

from __future__ import annotations

import datetime
import gzip
import json
import selectors
import socket
import ssl
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import parse_qs, urlsplit

from tests.fakes.certificates import Authority
from tests.fakes.cluster import exposition
from tests.fakes.cluster.clock import SECOND
from tests.fakes.cluster.places import Node
from tests.fakes.cluster.readings import read
from tests.fakes.cluster.summary import summary
from tests.fakes.cluster.world import World
from tests.fakes.kubernetes_access import USER

_PAGES = {"/metrics/resource": exposition.resource, "/metrics/cadvisor": exposition.cadvisor}
_SUBRESOURCES = {"stats": "stats", "metrics": "metrics", "logs": "log", "checkpoint": "checkpoint"}


@dataclass(frozen=True)
class Fault:
    """What is wrong with the next ``times`` answers of a kubelet, or with all. Refused and silent ones count no times."""

    delay_s: float = 0.0
    #: Only so many bytes of the body are sent.
    keep_bytes: int | None = None
    status: int = 0
    refuses: bool = False
    silent: bool = False
    #: The certificate is of another authority.
    wrong_certificate: bool = False
    times: int | None = None


@dataclass(frozen=True)
class Request:
    """One request, and the status of its answer."""

    node: str
    method: str
    path: str
    status: int
    at_us: int


class Known(Protocol):
    """Whose tokens there are."""

    def knows(self, token: str) -> bool: ...


class Authorities(Protocol):
    """What kubelets ask an API server, and the authority that signs their certificates."""

    @property
    def authority(self) -> Authority: ...

    @property
    def access(self) -> Known: ...

    def authorized(self, token: str, verb: str, group: str, full_resource: str) -> bool: ...


class Kubelets:
    """One server for all nodes of a world; a context manager, or ``start`` and ``stop``."""

    def __init__(self, world: World, api: Authorities, folder: Path) -> None:
        self.world = world
        self.api = api
        self.requests: list[Request] = []
        self.forbidden_requests: list[Request] = []
        self.faults: dict[str, Fault] = {}
        #: Set at the end, so that no answer waits longer than its test.
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._right = _context(api.authority)
        self._wrong = _context(Authority(folder / "stranger"))
        self._listeners: dict[str, socket.socket] = {}
        self._listening: dict[str, bool] = {}
        self._connections: dict[socket.socket, str] = {}
        self._selector = selectors.DefaultSelector()
        self._waker, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ, "")
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def start(self) -> None:
        self.apply()
        self._thread.start()

    def stop(self) -> None:
        """Refuse connections from now on, and break those that are open; safe to call twice."""
        self.over.set()
        with suppress(OSError):
            self._waker.send(b"x")
        if self._thread.is_alive():
            self._thread.join()
        for listener in self._listeners.values():
            listener.close()
        for connection in list(self._connections):
            _reset(connection)
        self._selector.close()
        self._waker.close()
        self._woken.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def fault(self, node: str, fault: Fault | None) -> None:
        """From now on something is wrong with a kubelet, or nothing any more."""
        with self._lock:
            if fault is None:
                self.faults.pop(node, None)
            else:
                self.faults[node] = fault
        self.apply()

    def address(self, node: str) -> str:
        return f"https://127.0.0.1:{self.world.nodes[node].port}"

    def apply(self) -> None:
        """Listen for new nodes, and where the clock says so no more; to be called whenever it moved."""
        now_us = self.world.clock.now_us()
        with self._lock:
            for node in self.world.nodes.values():
                if node.name not in self._listeners:
                    self._listeners[node.name] = listener = _listener()
                    node.port = listener.getsockname()[1]
                    self._listening[node.name] = True
                    self._selector.register(listener, selectors.EVENT_READ, node.name)
                    self.world.changed += 1
                self._listen(node, not self.refuses(node, now_us))

    def refuses(self, node: Node, now_us: int) -> bool:
        """Whether connections are refused: before the node is there, too."""
        down = node.down(now_us)
        fault = self.faults.get(node.name)
        return (
            (down is not None and not down.silent) or (fault is not None and fault.refuses) or now_us < node.created_us
        )

    def is_silent(self, node: Node, now_us: int) -> bool:
        """Whether nothing is answered at all."""
        down = node.down(now_us)
        fault = self.faults.get(node.name)
        return (down is not None and down.silent) or (fault is not None and fault.silent)

    def _listen(self, node: Node, listens: bool) -> None:
        listener = self._listeners[node.name]
        if listens == self._listening[node.name]:
            return
        self._listening[node.name] = listens
        if listens:
            listener.listen(128)
            self._selector.register(listener, selectors.EVENT_READ, node.name)
            return
        # A socket that was shut down stays bound: its port is kept, and connections are refused.
        self._selector.unregister(listener)
        listener.shutdown(socket.SHUT_RDWR)
        for connection, name in list(self._connections.items()):
            if name == node.name:
                _reset(connection)

    def _accept(self) -> None:
        while not self.over.is_set():
            for key, _ in self._selector.select():
                if key.data and isinstance(key.fileobj, socket.socket):
                    with suppress(OSError):
                        connection, address = key.fileobj.accept()
                        connection.setblocking(True)
                        threading.Thread(target=self._serve, args=(connection, address, key.data), daemon=True).start()

    def _serve(self, connection: socket.socket, address: Any, name: str) -> None:
        node = self.world.nodes[name]
        now_us = self.world.clock.now_us()
        self._connections[connection] = name
        secure = connection
        try:
            if self.refuses(node, now_us):
                _reset(connection)
            elif self.is_silent(node, now_us):
                self.over.wait()
            else:
                fault = self.faults.get(name, Fault())
                context = self._wrong if fault.wrong_certificate else self._right
                secure = context.wrap_socket(connection, server_side=True)
                self._connections[secure] = name
                _Handler(secure, address, self, node)
        except OSError:
            pass  # the client has hung up, or does not trust the certificate
        finally:
            self._connections.pop(connection, None)
            self._connections.pop(secure, None)
            secure.close()

    def take_fault(self, name: str) -> Fault:
        """What is wrong with one answer."""
        with self._lock:
            fault = self.faults.get(name)
            if fault is None:
                return Fault()
            if fault.times is not None:
                if fault.times > 1:
                    self.faults[name] = replace(fault, times=fault.times - 1)
                else:
                    del self.faults[name]
            return fault


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or an answer in two writes waits for an acknowledgement

    def __init__(self, connection: socket.socket, address: Any, kubelets: Kubelets, node: Node) -> None:
        self.kubelets = kubelets
        self.node = node
        super().__init__(connection, address, kubelets)  # type: ignore[arg-type]

    def _serve(self) -> None:
        kubelets, now_us = self.kubelets, self.kubelets.world.clock.now_us()
        if kubelets.refuses(self.node, now_us):
            self.close_connection = True
            return
        if kubelets.is_silent(self.node, now_us):
            kubelets.over.wait()
            self.close_connection = True
            return
        fault = kubelets.take_fault(self.node.name)
        if fault.delay_s:
            kubelets.over.wait(fault.delay_s)
        path = urlsplit(self.path).path
        refusal = (fault.status, "told to fail") if fault.status else self._refusal(path)
        status = refusal[0] if refusal else 200
        body, kind, encoding = b"", "text/plain; charset=utf-8", ""
        if refusal is None:
            try:
                body, kind, encoding = self._body(path)
            except LookupError:
                status, body = 404, b"404 page not found\n"
        else:
            body = refusal[1].encode()
        self._note(status)
        self._send(status, kind, encoding, body, fault.keep_bytes)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_CONNECT = _serve  # noqa: N815

    def _refusal(self, path: str) -> tuple[int, str] | None:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        api = self.kubelets.api
        if scheme.lower() != "bearer" or not api.access.knows(token.strip()):
            return 401, "Unauthorized"
        if self.command != "GET":
            self._note(405, forbidden=True)
            return 405, "405: Method Not Allowed"
        subresource = _SUBRESOURCES.get(path.strip("/").split("/")[0], "proxy")
        if subresource == "proxy" or "Upgrade" in self.headers:
            self._note(403, forbidden=True)
        elif api.authorized(token.strip(), "get", "", f"nodes/{subresource}"):
            return None
        return 403, f"Forbidden (user={USER}, verb=get, resource=nodes, subresource(s)=[{subresource}])\n"

    def _body(self, path: str) -> tuple[bytes, str, str]:
        readings = read(self.kubelets.world, self.node, self.kubelets.world.clock.now_us())
        if path.rstrip("/") == "/stats/summary":
            brief = parse_qs(urlsplit(self.path).query).get("only_cpu_and_memory") == ["true"]
            document = summary(readings, only_cpu_and_memory=brief)
            return json.dumps(document, separators=(",", ":")).encode(), "application/json", ""
        body = _PAGES[path](readings).encode()
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            return gzip.compress(body, 1), exposition.CONTENT_TYPE, "gzip"
        return body, exposition.CONTENT_TYPE, ""

    def _send(self, status: int, kind: str, encoding: str, body: bytes, keep_bytes: int | None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if kind == exposition.CONTENT_TYPE:
            self.send_header("Process-Start-Time-Unix", str(self.node.created_us // SECOND))
        if encoding:
            self.send_header("Content-Encoding", encoding)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:keep_bytes])
        # The body of anything but a GET was not read.
        self.close_connection = self.close_connection or keep_bytes is not None or self.command != "GET"

    def _note(self, status: int, *, forbidden: bool = False) -> None:
        at_us = self.kubelets.world.clock.now_us()
        notes = self.kubelets.forbidden_requests if forbidden else self.kubelets.requests
        notes.append(Request(self.node.name, self.command, self.path, status, at_us))

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date of an answer is by the node's clock."""
        now_us = self.kubelets.world.clock.now_us() + self.node.clock_offset_us
        return format_datetime(datetime.datetime.fromtimestamp(now_us // SECOND, datetime.UTC), usegmt=True)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


def _context(authority: Authority) -> ssl.SSLContext:
    pair = authority.issue("kubelet")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert_file, pair.key_file)
    return context


def _listener() -> socket.socket:
    """A socket that listens on a port of its own, which it keeps while it is shut down: only one asked for by number is kept."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        with suppress(OSError):  # somebody else was quicker
            listener = socket.create_server(("127.0.0.1", port), backlog=128)
            listener.setblocking(False)
            return listener


def _reset(connection: socket.socket) -> None:
    """Close a connection in a way that its other end notices at once."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
