"""One webhook: signed messages to a receiver, as the Standard Webhooks specification says (version 1.0, symmetric signatures).

The signature is over id, time and body, so neither can be changed on the way, nor an old message be passed off as a new one. Every secret
of the file signs: while a receiver goes from one to the next, either of them is good. The file is read for every message, so
a secret is changed without a restart, and never written anywhere.

No redirect is followed: a message goes where the operator said, and nowhere else. Of the answer only its head is read. What is
told of an attempt never holds the URL, which may be as secret as a password, nor anything that the receiver wrote.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import email.utils
import hashlib
import hmac
import logging
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx

_PREFIX = "whsec_"
_SECRET_BYTES_MIN, _SECRET_BYTES_MAX = 24, 64
_DONE, _GONE, _MANY, _AWAY = range(200, 300), 410, 429, 503


class NoSecret(ValueError):
    """The secret file cannot be used; the message names the file and never what is in it."""


@dataclass(frozen=True)
class Message:
    """What is sent. ``id`` and ``body`` are the same at every attempt."""

    id: str
    body: bytes


@dataclass(frozen=True)
class Attempt:
    """What became of sending; ``retry_after_s`` is how long the receiver asks to be left alone."""

    result: Literal["delivered", "failed", "gone"]
    outcome: str
    retry_after_s: float | None = None


class Sender:
    """Sends messages to one URL, in the event loop that calls it. Raises NoSecret, OSError where it cannot begin."""

    def __init__(self, url: str, secret_file: Path, ca_file: Path | None, timeout_s: float) -> None:
        self._url, self._secret_file, self._timeout_s = url, secret_file, timeout_s
        # They log each request with its URL.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        verify: ssl.SSLContext | bool = ssl.create_default_context(cafile=str(ca_file)) if ca_file else True
        self._client = httpx.AsyncClient(
            timeout=timeout_s,
            verify=verify,
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": "meterbook-ledger", "Content-Type": "application/json"},
        )

    async def send(self, message: Message, now_s: int) -> Attempt:
        """Send once, within the time limit; every failure is an outcome."""
        try:
            headers = signed(message, now_s, secrets(self._secret_file))
        except NoSecret as error:
            return Attempt("failed", str(error))
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream("POST", self._url, content=message.body, headers=headers) as answer,
            ):
                return _judged(answer.status_code, answer.headers.get("Retry-After", ""))
        except (TimeoutError, httpx.TimeoutException):
            return Attempt("failed", f"no answer within {self._timeout_s:g} s")
        except httpx.ConnectError:
            return Attempt("failed", "no connection")
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
            return Attempt("failed", f"no answer: {type(error).__name__}")

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()


def secrets(file: Path) -> tuple[bytes, ...]:
    """The secrets of a file, one a line as ``whsec_`` and base64. Raises NoSecret."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="ascii").splitlines()]
    except (OSError, UnicodeDecodeError):
        raise NoSecret(f"secret_file {file} cannot be read") from None
    found = tuple(_secret(file, number, line) for number, line in enumerate(lines, 1) if line and line[0] != "#")
    if not found:
        raise NoSecret(f"secret_file {file} has no secret: give one a line, {_PREFIX} and base64")
    return found


def signed(message: Message, now_s: int, keys: tuple[bytes, ...]) -> dict[str, str]:
    """The headers of a message: id, time of the attempt, and a signature by every key."""
    over = f"{message.id}.{now_s}.".encode() + message.body
    marks = (base64.b64encode(hmac.digest(key, over, hashlib.sha256)).decode() for key in keys)
    return {
        "webhook-id": message.id,
        "webhook-timestamp": str(now_s),
        "webhook-signature": " ".join(f"v1,{mark}" for mark in marks),
    }


def _secret(file: Path, number: int, line: str) -> bytes:
    try:
        key = base64.b64decode(line.removeprefix(_PREFIX), validate=True) if line.startswith(_PREFIX) else b""
    except binascii.Error:
        key = b""
    if not _SECRET_BYTES_MIN <= len(key) <= _SECRET_BYTES_MAX:
        raise NoSecret(
            f"secret_file {file}, line {number}: a secret is {_PREFIX} and the base64 of {_SECRET_BYTES_MIN} to {_SECRET_BYTES_MAX} bytes"
        )
    return key


def _judged(status: int, retry_after: str) -> Attempt:
    if status in _DONE:
        return Attempt("delivered", f"status {status}")
    if status == _GONE:
        return Attempt("gone", f"status {status}: the receiver wants no more")
    hint = ": redirects are not followed" if 300 <= status < 400 else ""
    wait_s = _seconds(retry_after) if status in (_MANY, _AWAY) else None
    return Attempt("failed", f"status {status}{hint}", wait_s)


def _seconds(retry_after: str) -> float | None:
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        return max(email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return None
