"""HTTP whose requests end: a transport with one deadline over a whole request, and errors in our own words.

The time-outs of HTTP libraries bound one read. A target that drips a byte a second never exceeds them and holds its
reader for ever. Here every wait, from the first address tried to the last byte of the body, is cut to what is left
of one deadline, so a request ends after ``timeout_s`` whatever the other side does. Only looking the name up is left
to the resolver, which has bounds of its own (``resolv.conf``: 5 s a server, two attempts).

An answer that is meant to go on (a watch) is asked for with the request extension ``idle_s``: its head is under the
deadline; its body, if its status is 200, may last for ever, but must say something every ``idle_s`` seconds.

The mechanism: httpcore asks a *network backend* for connections and then reads and writes through the stream it got.
Ours wraps the ordinary one and replaces each time-out by the time left. The deadline belongs to the thread that makes
the request, because a pooled connection outlives the request that opened it.

This is also the one place where httpcore's errors become the errors of :mod:`collector.errors`. Their messages never
carry the query or a header of the request, where secrets live.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx

from collector.errors import PermanentError, TransientError

#: Seconds an unused connection is kept: longer than common scrape intervals, shorter than common server time-outs.
_KEEP_ALIVE_S = 60.0

_SocketOptions = Iterable[tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]]


class _Deadline(threading.local):
    """When the request of this thread must be over, on the monotonic clock."""

    ends_at = float("inf")

    def remaining_s(self, error: type[httpcore.TimeoutException]) -> float:
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise error("deadline passed")
        return left


class _Stream(httpcore.NetworkStream):
    """A connection whose waits are cut to the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.remaining_s(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.remaining_s(httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadline.remaining_s(httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Opens connections that know the deadline, trying the addresses of a name one after the other."""

    def __init__(self, deadline: _Deadline) -> None:
        self._deadline = deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: _SocketOptions | None = None,
    ) -> httpcore.NetworkStream:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"name {host} cannot be resolved ({error})") from error
        addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
        for position, address in enumerate(addresses):
            left = self._deadline.remaining_s(httpcore.ConnectTimeout)
            try:
                stream = self._sockets.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if position == len(addresses) - 1:
                    raise
            else:
                return _Stream(stream, self._deadline)
        raise httpcore.ConnectError(f"name {host} has no address")


class DeadlineTransport(httpx.BaseTransport):
    """An httpx transport that gives each request ``timeout_s`` seconds in all and raises SourceErrors only."""

    def __init__(self, *, timeout_s: float, ssl_context: ssl.SSLContext | None = None) -> None:
        self._timeout_s = timeout_s
        self._deadline = _Deadline()
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl_context,
            # Each thread has one request at a time: the callers' threads are the bound.
            max_connections=None,
            keepalive_expiry=_KEEP_ALIVE_S,
            network_backend=_Backend(self._deadline),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Raises TransientError or PermanentError, also later, while the body is read."""
        url = request.url
        place = str(url.copy_with(query=None, fragment=None))
        self._deadline.ends_at = time.monotonic() + self._timeout_s
        assert isinstance(request.stream, httpx.SyncByteStream)
        outgoing = httpcore.Request(
            method=request.method,
            url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        late = f"did not answer completely within {self._timeout_s:g} s"
        with _translated(place, late):
            answer = self._pool.handle_request(outgoing)
        assert isinstance(answer.stream, Iterable)
        idle_s: float | None = request.extensions.get("idle_s") if answer.status == 200 else None
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(answer.stream, place, late)
            if idle_s is None
            else _EndlessBody(answer.stream, place, idle_s, self._deadline),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    """The body of an answer, still under the deadline of its request."""

    def __init__(self, chunks: Iterable[bytes], place: str, late: str) -> None:
        self._chunks = chunks
        self._place = place
        self._late = late

    def __iter__(self) -> Iterator[bytes]:
        with _translated(self._place, self._late):
            yield from self._chunks

    def close(self) -> None:
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()


class _EndlessBody(_Body):
    """The body of an answer that goes on, under a deadline for each of its pieces."""

    def __init__(self, chunks: Iterable[bytes], place: str, idle_s: float, deadline: _Deadline) -> None:
        super().__init__(chunks, place, f"said nothing for {idle_s:g} s")
        self._idle_s = idle_s
        self._deadline = deadline

    def __iter__(self) -> Iterator[bytes]:
        pieces = super().__iter__()
        while True:
            self._deadline.ends_at = time.monotonic() + self._idle_s
            piece = next(pieces, None)
            if piece is None:
                return
            yield piece


@contextmanager
def _translated(place: str, late: str) -> Iterator[None]:
    """httpcore's errors as ours: what a retry may mend is transient, what needs a person is permanent."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise TransientError(f"{place} {late}") from error
    except httpcore.NetworkError as error:
        origin = error.args[0] if error.args else None
        if isinstance(origin, ssl.SSLCertVerificationError):
            reason = origin.verify_message
            raise PermanentError(f"{place} shows a certificate that is not trusted: {reason}") from error
        raise TransientError(f"{place} cannot be reached: {_cut(error)}") from error
    except httpcore.RemoteProtocolError as error:
        raise TransientError(f"{place} broke off or garbled its answer: {_cut(error)}") from error
    except (httpcore.LocalProtocolError, httpcore.UnsupportedProtocol) as error:
        # Not quoted: the message may repeat a header, and headers carry tokens.
        raise PermanentError(f"{place} cannot be asked: the request is not valid HTTP") from error


def _cut(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if len(text) <= 200 else text[:200] + "..."
