"""A fake Kubernetes API server: HTTPS, RBAC, lists by page, watches with bookmarks, and every way in which they fail.

It keeps the rules of the real one as "Kubernetes API Concepts" states them (sections "Efficient detection of changes",
"Watch bookmarks", "Retrieving large results sets in chunks", "Resource versions", "410 Gone responses"), with the
bodies and messages of ``k8s.io/apiserver``. What it does not have (selectors, fields, tables, protobuf, watch lists) is
refused with 400, so that nobody comes to rely on it. Anonymous requests are off, as ``--anonymous-auth=false``.

``kubernetes_storage`` keeps the objects, ``kubernetes_access`` says who may see them; this module speaks HTTP.
"""

from __future__ import annotations

import json
import select
import socket
import ssl
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import yaml

from tests.fakes.certificates import Authority
from tests.fakes.kubernetes_access import Access, Asked, asked
from tests.fakes.kubernetes_storage import RESOURCES, Refusal, Resource, Storage, Stream, event, resource

#: How often a watch looks whether its client is still there.
_LOOK_S = 0.05
_UNSUPPORTED = ("labelSelector", "fieldSelector", "sendInitialEvents")


@dataclass(frozen=True)
class Request:
    """One request as it came in. ``parameters`` has the first value of each."""

    method: str
    path: str
    parameters: dict[str, str]
    user_agent: str


@dataclass(frozen=True)
class _Failure:
    status: int
    retry_after_s: int | None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    api: FakeKubernetesApi

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what many tests want to see: no word about it."""


class FakeKubernetesApi:
    """Serves on 127.0.0.1 with a certificate of ``authority``; a context manager, or ``start`` and ``stop``."""

    def __init__(self, folder: Path) -> None:
        """``folder`` takes the files: the authority's certificate, the token, the kubeconfig."""
        self.authority = Authority(folder, "cluster-ca")
        self.ca_file = self.authority.file
        self.token_file = folder / "token"
        self.kubeconfig = folder / "kubeconfig"
        self.requests: list[Request] = []
        #: Seconds between two bookmarks of a watch that asked for them; the real one's are a minute apart.
        self.bookmark_interval_s = 60.0
        #: Whether a watch from too long ago gets HTTP 410; if not, 200 and an ERROR event, as mostly.
        self.expires_by_status = False
        #: Whether each line of a watch is sent in two chunks, as proxies do.
        self.splits_lines = False
        #: Groups that are not served: those of CRDs that are not installed.
        self.absent_groups: set[str] = set()
        self.storage = Storage()
        self.access = Access(self.token_file)
        #: Set at the end, so that nothing waits longer than its test.
        self.over = threading.Event()
        self._failures: deque[_Failure] = deque()
        self._connections: set[socket.socket] = set()
        self._watching: dict[Stream, socket.socket] = {}
        pair = self.authority.issue("kube-apiserver")
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.api = self
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.cert_file, pair.key_file)
        context.load_verify_locations(self.ca_file)
        context.verify_mode = ssl.CERT_OPTIONAL
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.write_kubeconfig(tokenFile=str(self.token_file))

    @property
    def address(self) -> str:
        """``https://127.0.0.1:<port>``."""
        return f"https://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Refuse connections from now on and break those that are open; safe to call twice."""
        self.over.set()
        with self.storage.changed:
            self.storage.changed.notify_all()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        for connection in list(self._connections):
            _cut(connection)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def write_kubeconfig(self, **user: Any) -> None:
        """``kubeconfig`` with the credentials of ``user``: ``tokenFile``, ``client-certificate``, ``exec`` ..."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "clusters": [
                {"name": "fake", "cluster": {"server": self.address, "certificate-authority": str(self.ca_file)}}
            ],
            "users": [{"name": "agent", "user": user}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "agent"}}],
        }
        self.kubeconfig.write_text(yaml.safe_dump(document))

    def put(self, resource_name: str, object: dict[str, Any]) -> None:
        """Create or replace an object of ``pods``, ``replicasets.apps`` ...; the server sets its resourceVersion."""
        self.storage.put(resource(resource_name), object)

    def delete(self, resource_name: str, namespace: str | None, name: str) -> None:
        """Remove an object. Raises KeyError where there is none."""
        self.storage.delete(resource(resource_name), (namespace or "", name))

    def objects(self, resource_name: str) -> list[dict[str, Any]]:
        """The objects as they are now, in the order of a list."""
        return self.storage.objects(resource(resource_name))

    def allow(self, rules: list[dict[str, Any]]) -> None:
        """What the service account may do from now on: the ``rules`` of a ClusterRole. Nothing else."""
        self.access.rules = list(rules)
        self.access.rules_in = {}

    def grant(self, documents: list[dict[str, Any]]) -> None:
        """What the service account may do from now on: what ClusterRoles and Roles among the documents say. Nothing else."""
        self.allow([rule for each in documents if each["kind"] == "ClusterRole" for rule in each["rules"]])
        for each in documents:
            if each["kind"] == "Role":
                self.access.rules_in.setdefault(each["metadata"]["namespace"], []).extend(each["rules"])

    def authorized(self, token: str | None, verb: str, group: str, resource: str) -> bool:
        """Whether the bearer of a token may do that: what a kubelet asks by TokenReview and SubjectAccessReview."""
        return self.access.knows(token) and self.access.allows(verb, group, resource)

    def rotate_token(self) -> None:
        """A new token in ``token_file``; the old one stops working."""
        self.access.rotate()

    def compact(self) -> None:
        """Forget the past: lists go on and watches begin with 410 where they come from before now."""
        self.storage.compact()

    def watching(self, resource_name: str) -> int:
        """How many watches of a resource are open."""
        return self.storage.streams(resource(resource_name))

    def drop_watches(self) -> None:
        """Break the connection of every open watch."""
        with self.storage.changed:
            connections = list(self._watching.values())
        for connection in connections:
            _cut(connection)

    def end_watches(self) -> None:
        """End every open watch as its timeoutSeconds would."""
        with self.storage.changed:
            for stream in self._watching:
                stream.over = True
            self.storage.changed.notify_all()

    def send_on_watches(self, line: bytes) -> None:
        """Put a line, whatever it says, on every open watch."""
        with self.storage.changed:
            for stream in self._watching:
                stream.lines.append(line)
            self.storage.changed.notify_all()

    def fail_next(self, status: int, times: int, retry_after_s: int | None = None) -> None:
        """Answer the next requests with ``status``, whatever they ask; 0 hangs up without an answer."""
        self._failures.extend([_Failure(status, retry_after_s)] * times)

    def failure(self) -> _Failure | None:
        """What the next request gets instead of an answer."""
        try:
            return self._failures.popleft()
        except IndexError:
            return None


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _served(api: FakeKubernetesApi, about: Asked) -> Resource:
    found = RESOURCES.get((about.group, about.resource))
    if found is None or found.version != about.version or about.group in api.absent_groups or about.subresource:
        raise Refusal(404, "NotFound", "the server could not find the requested resource")
    return found


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or an answer in two writes waits for an acknowledgement

    @property
    def api(self) -> FakeKubernetesApi:
        assert isinstance(self.server, _Server)
        return self.server.api

    def setup(self) -> None:
        super().setup()
        self.api._connections.add(self.request)

    def finish(self) -> None:
        self.api._connections.discard(self.request)
        super().finish()

    def _serve(self) -> None:
        url = urlsplit(self.path)
        parameters = dict(reversed(parse_qsl(url.query, keep_blank_values=True)))
        path = unquote(url.path)
        self.api.requests.append(Request(self.command, path, parameters, self.headers.get("User-Agent", "")))
        try:
            self._answer(path, parameters)
        except Refusal as refusal:
            self._refuse(refusal)
        except OSError:
            self.close_connection = True  # the client has hung up

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _serve  # noqa: N815

    def _answer(self, path: str, parameters: dict[str, str]) -> None:
        failure = self.api.failure()
        if failure is not None and failure.status == 0:
            self.close_connection = True
            return
        if failure is not None:
            reason = {429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}
            name = reason.get(failure.status, "Unknown")
            self._refuse(Refusal(failure.status, name, "told to fail"), failure.retry_after_s)
            return
        if not self._authenticated():
            raise Refusal(401, "Unauthorized", "Unauthorized")
        if self.command != "GET":
            raise Refusal(405, "MethodNotAllowed", f"{self.command} is not supported")
        about = asked(path, parameters)
        self.api.access.check(about)
        kind = _served(self.api, about)
        for name in _UNSUPPORTED:
            if name in parameters:
                raise Refusal(400, "BadRequest", f"the fake server has no {name}")
        if about.verb == "watch":
            self._watch(kind, about.namespace, parameters)
        elif about.verb == "list":
            self._send(200, self.api.storage.page(kind, about.namespace, parameters))
        else:
            key = (about.namespace or "" if kind.namespaced else "", about.name)
            body = self.api.storage.get(kind, key)
            if body is None:
                raise Refusal(404, "NotFound", f'{kind.plural} "{about.name}" not found')
            self._send(200, body)

    def _authenticated(self) -> bool:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.api.access.knows(token.strip())
        return bool(self.request.getpeercert())

    def _watch(self, kind: Resource, namespace: str | None, parameters: dict[str, str]) -> None:
        try:
            stream = self.api.storage.watch(kind, namespace, parameters.get("resourceVersion", ""))
        except Refusal as refusal:
            if refusal.code != 410 or self.api.expires_by_status:
                raise
            self._stream_head()
            self._chunk(event("ERROR", json.dumps(refusal.status()).encode()))
            self._chunk(b"")
            return
        with self.api.storage.changed:
            self.api._watching[stream] = self.request
        try:
            self._stream_head()
            bookmarks = parameters.get("allowWatchBookmarks", "false").lower() not in ("false", "0")
            self._stream(kind, stream, bookmarks, float(parameters.get("timeoutSeconds") or 1_800))
            self._chunk(b"")
        finally:
            with self.api.storage.changed:
                del self.api._watching[stream]
            self.api.storage.unwatch(kind, stream)

    def _stream(self, kind: Resource, stream: Stream, bookmarks: bool, timeout_s: float) -> None:
        ends_at = time.monotonic() + timeout_s
        bookmark_at = time.monotonic() + self.api.bookmark_interval_s if bookmarks else float("inf")
        while True:
            with self.api.storage.changed:
                if not stream.lines:
                    until = min(ends_at, bookmark_at, time.monotonic() + _LOOK_S)
                    self.api.storage.changed.wait(max(0.0, until - time.monotonic()))
                lines = list(stream.lines)
                stream.lines.clear()
                revision = self.api.storage.revision
            for line in lines:
                self._line(line)
            if self.api.over.is_set() or stream.over or time.monotonic() >= ends_at:
                return
            if select.select([self.request], [], [], 0)[0]:
                raise ConnectionResetError("the client has gone")
            if time.monotonic() >= bookmark_at:
                bookmark_at = time.monotonic() + self.api.bookmark_interval_s
                document = {
                    "kind": kind.kind,
                    "apiVersion": kind.api_version,
                    "metadata": {"resourceVersion": str(revision), "creationTimestamp": None},
                }
                self._line(event("BOOKMARK", json.dumps(document).encode()))

    def _line(self, line: bytes) -> None:
        middle = len(line) // 2 if self.api.splits_lines else 0
        if middle:
            self._chunk(line[:middle])
        self._chunk(line[middle:])

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _stream_head(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _send(self, status: int, body: bytes, retry_after_s: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if retry_after_s is not None:
            self.send_header("Retry-After", str(retry_after_s))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, refusal: Refusal, retry_after_s: int | None = None) -> None:
        self.close_connection = self.command != "GET"  # its body was not read
        self._send(refusal.code, json.dumps(refusal.status()).encode(), retry_after_s)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""
