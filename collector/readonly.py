"""The read-only guard: the only doors through which a collector may touch what it observes.

Being read-only is enforced here, at run time, and not left to care: the HTTP client refuses every method but GET
before a byte leaves, and files open without any flag that could create, change or truncate them.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable
from typing import BinaryIO

import httpx

from collector.deadline import DeadlineTransport
from collector.errors import PermanentError, WriteRefused


def _refuse_writes(request: httpx.Request) -> None:
    if request.method != "GET":
        raise WriteRefused(f"{request.method} {request.url} refused: collectors only read")


def http_client(
    *, timeout_s: float, verify: bool | str | ssl.SSLContext = True, headers: dict[str, str] | None = None
) -> httpx.Client:
    """An HTTP client that can only read, and whose every request is over after ``timeout_s`` seconds in all.

    ``verify`` names a file of CA certificates, is False to trust anyone, or is a context, which may hold a client
    certificate, too. Redirects are not followed: a target must be named by its own address. Requests raise
    SourceErrors (see :mod:`collector.deadline`, also for answers that are meant to go on); making the client raises
    OSError where the CA file cannot be used.
    """
    return httpx.Client(
        transport=DeadlineTransport(timeout_s=timeout_s, ssl_context=_ssl_context(verify)),
        timeout=timeout_s,
        headers=headers,
        event_hooks={"request": [_refuse_writes]},
        trust_env=False,
    )


def _ssl_context(verify: bool | str | ssl.SSLContext) -> ssl.SSLContext | None:
    if isinstance(verify, ssl.SSLContext):
        return verify
    if verify is True:
        return None  # the transport's default: certifi's authorities, loaded only when TLS is spoken
    if verify is False:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    return ssl.create_default_context(cafile=verify)


def within(place: str, pieces: Iterable[bytes], setting: str, bytes_max: int, advice: str = "") -> bytearray:
    """The pieces of a body together. Raises PermanentError naming the setting where they are more than ``bytes_max``."""
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > bytes_max:
            raise PermanentError(f"{place} answered more than {setting} {bytes_max} bytes{advice}")
    return body


def open_file(path: str) -> BinaryIO:
    """A file opened for reading only, unbuffered. Raises OSError as ``open`` does."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return os.fdopen(descriptor, "rb", buffering=0)
