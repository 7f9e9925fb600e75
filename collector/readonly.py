"""The read-only guard: the only doors through which a collector may touch what it observes.

Being read-only is enforced here, at run time, and not left to care: the HTTP client refuses every method but GET
and HEAD before a byte leaves, and files open without any flag that could create, change or truncate them.
"""

from __future__ import annotations

import os
from typing import BinaryIO

import httpx

from collector.errors import WriteRefused

_READING_METHODS = frozenset({"GET", "HEAD"})


def _refuse_writes(request: httpx.Request) -> None:
    if request.method not in _READING_METHODS:
        raise WriteRefused(f"{request.method} {request.url} refused: collectors only read")


def http_client(*, timeout_s: float, verify: bool | str = True, headers: dict[str, str] | None = None) -> httpx.Client:
    """An HTTP client that can only read. Redirects are not followed: a target must be named by its own address."""
    return httpx.Client(
        timeout=timeout_s, verify=verify, headers=headers, event_hooks={"request": [_refuse_writes]}, trust_env=False
    )


def open_file(path: str) -> BinaryIO:
    """A file opened for reading only, unbuffered. Raises OSError as ``open`` does."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return os.fdopen(descriptor, "rb", buffering=0)
