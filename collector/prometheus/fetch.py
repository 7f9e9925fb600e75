"""Fetching a page of metrics: all of it within the deadline and the size limit, or a SourceError.

A page counts only if it is known to be whole. HTTP says so by Content-Length or by the last chunk, gzip by its
trailer, and the format by its last line (checked in :mod:`collector.prometheus.exposition`). Of a page that was cut
off nothing is kept: the series beyond the cut would look as if they had ended.

Bodies are inflated in steps that never exceed the limit, so a small answer cannot unfold into all memory.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message
from typing import Literal

import httpx

from collector.errors import PermanentError, SourceError, ThrottledError, TransientError
from collector.prometheus.config import PrometheusConfig
from collector.prometheus.targets import Target
from collector.readonly import http_client, open_file

Format = Literal["text", "openmetrics"]

#: The order of preference of Prometheus, without the formats that are not read here.
ACCEPT = (
    "application/openmetrics-text;version=1.0.0;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)

_TOKEN_BYTES_MAX = 1 << 16


@dataclass(frozen=True)
class Page:
    """A whole page: its text, and the format in which the target says it is."""

    text: str
    format: Format


class Fetcher:
    """Fetches the page of one target again and again over one connection."""

    def __init__(self, config: PrometheusConfig, target: Target) -> None:
        self._config = config
        self._target = target
        self._client: httpx.Client | None = None

    def fetch(self) -> Page:
        """The page as it is now. Raises SourceError."""
        place = self._target.url
        headers = self._authorization()
        with self._open_client().stream("GET", place, params=self._config.params or None, headers=headers) as answer:
            _check_status(place, answer.status_code)
            kind = _format_of(place, answer.headers.get("Content-Type", ""))
            encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
            body = _whole_body(place, encoding, answer.iter_raw(), self._config.body_bytes_max)
        try:
            return Page(body.decode("utf-8"), kind)
        except UnicodeDecodeError as error:
            raise PermanentError(f"{place} answered bytes that are not UTF-8, at byte {error.start}") from None

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _open_client(self) -> httpx.Client:
        if self._client is None:
            seconds = self._config.deadline_s
            headers = {
                "Accept": ACCEPT,
                "Accept-Encoding": "gzip",
                "User-Agent": "meterbook-agent",
                "X-Prometheus-Scrape-Timeout-Seconds": f"{seconds:g}",
            }
            ca_file = self._config.ca_file
            try:
                self._client = http_client(timeout_s=seconds, verify=str(ca_file) if ca_file else True, headers=headers)
            except OSError as error:
                raise PermanentError(f"ca_file {ca_file} cannot be used: {error.strerror or error}") from error
        return self._client

    def _authorization(self) -> dict[str, str]:
        path = self._config.bearer_token_file
        if path is None:
            return {}
        try:
            with open_file(str(path)) as file:
                token = file.read(_TOKEN_BYTES_MAX).strip()
        except OSError as error:
            raise PermanentError(f"bearer_token_file {path} cannot be read: {error.strerror}") from error
        # Checked here, because a library that refuses the header would print it.
        if not token or not all(0x21 <= byte <= 0x7E for byte in token):
            raise PermanentError(f"bearer_token_file {path} holds no token: one line of visible ASCII is needed")
        return {"Authorization": f"Bearer {token.decode('ascii')}"}


def _check_status(place: str, status: int) -> None:
    if status == 200:
        return
    kind: type[SourceError] = PermanentError
    if status == 429:
        kind = ThrottledError
    elif status >= 500:
        kind = TransientError
    hint = " (redirects are not followed: name the address itself)" if 300 <= status < 400 else ""
    raise kind(f"{place} answered status {status}, not 200{hint}")


def _format_of(place: str, content_type: str) -> Format:
    """What the page claims to be. Anything but metrics is refused: a login page has status 200, too."""
    message = Message()
    message["Content-Type"] = content_type
    media, version = content_type.partition(";")[0].strip().lower(), message.get_param("version")
    if media == "application/openmetrics-text" and version in (None, "0.0.1", "1.0.0"):
        return "openmetrics"
    if media == "text/plain" and version in (None, "0.0.4", "1.0.0"):
        return "text"
    raise PermanentError(f"{place} answered {content_type[:100] or 'without a Content-Type'}, not metrics")


def _whole_body(place: str, encoding: str, chunks: Iterable[bytes], bytes_max: int) -> bytearray:
    if encoding not in ("identity", "gzip", ""):
        raise PermanentError(f"{place} answered with Content-Encoding {encoding[:40]}, but only gzip was offered")
    pieces = _inflated(place, chunks, bytes_max + 1) if encoding == "gzip" else chunks
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > bytes_max:
            raise PermanentError(f"{place} answered more than body_bytes_max {bytes_max} bytes")
    return body


def _inflated(place: str, chunks: Iterable[bytes], piece_bytes_max: int) -> Iterable[bytes]:
    """Gzip undone, member by member, in pieces no larger than ``piece_bytes_max``."""
    member: zlib._Decompress | None = None
    try:
        for chunk in chunks:
            rest = chunk
            while rest:
                if member is None or member.eof:
                    member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
                yield member.decompress(rest, piece_bytes_max)
                rest = member.unused_data if member.eof else member.unconsumed_tail
    except zlib.error as error:
        raise TransientError(f"{place} answered gzip that cannot be undone: {error}") from error
    if member is None or not member.eof:
        raise TransientError(f"{place} answered gzip that was cut off")
