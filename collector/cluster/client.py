"""GET and watch on the API of one cluster: guarded, bounded, and with errors in our own words.

Every request goes through :func:`collector.readonly.http_client`, and passes the guard at the last moment before it is
sent, as it will stand on the wire. A request that fails for credentials or certificates is sent once more, with those
that are there by then.
Bodies are asked for uncompressed: on a cluster's own network that is cheaper for both sides than gzip.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import httpx

from collector.cluster.config import ClusterConfig
from collector.cluster.credentials import Credentials
from collector.cluster.guard import Attributes, Guard
from collector.cluster.permissions import Permission
from collector.cluster.refusals import Garbled, refusal, refused_status
from collector.errors import PermanentError, SourceError, TransientError, WriteRefused
from collector.readonly import http_client, within

_REFUSAL_BYTES_MAX = 1 << 16
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "meterbook-agent"}


def connect(config: ClusterConfig, permissions: Iterable[Permission]) -> KubernetesApi:
    """The API of a cluster, limited to ``permissions``; no request is made yet.

    Raises PermanentError where the service account or the kubeconfig cannot be used.
    """
    return KubernetesApi(config, Credentials(config), Guard(permissions))


class KubernetesApi:
    """One cluster's API; may be used from any thread. Its requests raise SourceErrors.

    403 says which permission the role lacks; 410 is :class:`~collector.cluster.refusals.Expired`, 429
    :class:`~collector.cluster.refusals.Throttled`. A request that was not declared raises WriteRefused.
    """

    def __init__(self, config: ClusterConfig, credentials: Credentials, guard: Guard) -> None:
        self.config = config
        self.credentials = credentials
        self._guard = guard
        base = httpx.URL(credentials.host)
        self._origin = base.copy_with(path="/")
        self._prefix = base.raw_path.decode("ascii").rstrip("/")
        self._client = http_client(timeout_s=config.timeout_s, verify=credentials.ssl_context, headers=_HEADERS)
        hooks = self._client.event_hooks
        self._client.event_hooks = {**hooks, "request": [*hooks["request"], self._check]}

    def get(self, path: str, parameters: Mapping[str, str] | None = None) -> bytes:
        """The whole body of the answer to a GET of ``path``, within ``timeout_s`` and ``answer_bytes_max``."""
        answer = self._ask(path, parameters or {}, {})
        try:
            return bytes(within(_place(answer), answer.iter_raw(), "answer_bytes_max", self.config.answer_bytes_max))
        finally:
            answer.close()

    def watch(self, path: str, parameters: Mapping[str, str]) -> Watch:
        """The stream of events of a collection, opened; ``parameters`` has what the API wants beside ``watch``."""
        answer = self._ask(path, {"watch": "true", **parameters}, {"idle_s": self.config.idle_s})
        return Watch(answer, self._check(answer.request), self.config.line_bytes_max)

    def close(self) -> None:
        """Let go of connections; after all watches have been closed."""
        self._client.close()

    def _ask(self, path: str, parameters: Mapping[str, str], extensions: dict[str, Any]) -> httpx.Response:
        """An answer with status 200, its body still to be read. Raises SourceError for any other."""
        try:
            answer = self._send(path, parameters, extensions)
        except TransientError:
            self.credentials.rearm()  # it may be our certificate that has ended
            raise
        except PermanentError:
            self.credentials.renew(None)  # the server's certificate may be of a new authority
            answer = self._send(path, parameters, extensions)
        if answer.status_code == 401:
            refused = self._refusal(answer)
            if not self.credentials.renew(answer.request.headers.get("Authorization")):
                raise refused
            answer = self._send(path, parameters, extensions)
        if answer.status_code != 200:
            raise self._refusal(answer)
        return answer

    def _send(self, path: str, parameters: Mapping[str, str], extensions: dict[str, Any]) -> httpx.Response:
        authorization = self.credentials.authorization()
        headers = {} if authorization is None else {"Authorization": authorization}
        if self.credentials.server_name is not None:
            extensions = {**extensions, "sni_hostname": self.credentials.server_name}
        request = self._client.build_request(
            "GET", self.credentials.host + path, params=dict(parameters) or None, headers=headers, extensions=extensions
        )
        return self._client.send(request, stream=True)

    def _check(self, request: httpx.Request) -> Attributes:
        """Refuse what was not declared: the last thing that happens before a request is sent."""
        path = request.url.raw_path.partition(b"?")[0].decode("ascii")
        # A path such as @elsewhere/api would make another server of it, one with dots another API of the same.
        if request.url.copy_with(path="/", query=None) != self._origin or not path.startswith(self._prefix):
            raise WriteRefused(f"GET {path} refused: it leaves {self.credentials.host}")
        path = path.removeprefix(self._prefix)
        parameters = dict(request.url.params)
        if len(parameters) != len(request.url.params.multi_items()):
            raise WriteRefused(f"GET {path} refused: a parameter stands in it twice")
        return self._guard.check(request.method, path, parameters, request.headers.keys())

    def _refusal(self, answer: httpx.Response) -> SourceError:
        """What an answer other than 200 means; it is closed."""
        body = bytearray()
        try:
            with suppress(SourceError):  # the status is known: what explains it may be lost
                for chunk in answer.iter_raw():
                    body += chunk
                    if len(body) > _REFUSAL_BYTES_MAX:
                        break
        finally:
            answer.close()
        retry_after = answer.headers.get("Retry-After", "")
        return refusal(_place(answer), self._check(answer.request), answer.status_code, retry_after, bytes(body))


def _place(answer: httpx.Response) -> str:
    return str(answer.request.url.copy_with(query=None))


class Watch:
    """The lines of a watch, which ends when the server ends it; a context manager for the thread that reads.

    Reading raises TransientError where the connection breaks or is silent for ``idle_s``.
    """

    def __init__(self, answer: httpx.Response, asked: Attributes, line_bytes_max: int) -> None:
        self.place = _place(answer)
        self._answer = answer
        self._asked = asked
        self._line_bytes_max = line_bytes_max
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._answer.close()

    def __iter__(self) -> Iterator[bytes]:
        rest = bytearray()
        try:
            for chunk in self._answer.iter_raw():
                rest += chunk
                if b"\n" in chunk:
                    *lines, last = rest.split(b"\n")
                    rest = last
                    yield from map(bytes, filter(None, lines))
                if len(rest) > self._line_bytes_max:
                    raise Garbled(
                        f"{self.place} sent an event of more than line_bytes_max {self._line_bytes_max} bytes"
                    )
        except SourceError:
            if not self._closed:
                raise
            return
        if rest and not self._closed:
            raise Garbled(f"{self.place} ended in the middle of an event")

    def refused(self, status: Any) -> SourceError:
        """The error that an ERROR event with this Status object stands for."""
        return refused_status(self.place, self._asked, status)

    def close(self) -> None:
        """End the watch, from any thread: whoever reads it comes to its end at once."""
        self._closed = True
        connection = self._answer.extensions["network_stream"].get_extra_info("socket")
        with suppress(OSError):  # it may have ended by itself
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
