"""Fetching a page of metrics: all of it within the deadline and the size limit, or a SourceError.

A page counts only if it is known to be whole. HTTP says so by Content-Length or by the last chunk, gzip by its
trailer, and the format by its last line (checked in :mod:`collector.exposition.reader`). Of a page that was cut
off nothing is kept: the series beyond the cut would look as if they had ended.

Bodies are inflated in steps that never exceed the limit, so a small answer cannot unfold into all memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import httpx
from isal import isal_zlib

from collector.errors import PermanentError, TransientError, kind_of
from collector.exposition.page import Page
from collector.prometheus.config import ScrapeConfig
from collector.prometheus.negotiation import accept, format_of
from collector.prometheus.targets import Target
from collector.prometheus.token import authorization
from collector.readonly import http_client, within


class Fetcher:
    """Fetches the page of one target again and again over one connection."""

    def __init__(self, config: ScrapeConfig, target: Target) -> None:
        self._config = config
        self._target = target
        self._client: httpx.Client | None = None

    def fetch(self) -> Page:
        """The page as it is now. Raises SourceError."""
        place = self._target.url
        headers = authorization(self._config.bearer_token_file)
        params = _params(self._config.params, dict(self._target.params))
        named = {"sni_hostname": self._config.server_name} if self._config.server_name is not None else {}
        with self._open_client().stream(
            "GET", place, params=params or None, headers=headers, extensions=named
        ) as answer:
            _check_status(place, answer.status_code)
            kind = format_of(place, answer.headers.get("Content-Type", ""), self._config.fallback_format)
            encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
            body = _whole_body(place, encoding, answer.iter_raw(), self._config.body_bytes_max)
        return Page(body, kind)

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _open_client(self) -> httpx.Client:
        if self._client is None:
            seconds = self._config.deadline_s
            headers = {
                "Accept": accept(self._config.scrape_protocols),
                "Accept-Encoding": "gzip",
                "User-Agent": "meterbook-agent",
                "X-Prometheus-Scrape-Timeout-Seconds": f"{seconds:g}",
            }
            ca_file = self._config.ca_file
            try:
                verify = str(ca_file) if ca_file else not self._config.insecure_skip_verify
                self._client = http_client(timeout_s=seconds, verify=verify, headers=headers)
            except OSError as error:
                raise PermanentError(f"ca_file {ca_file} cannot be used: {error.strerror or error}") from error
        return self._client


def _params(configured: Mapping[str, str | list[str]], left: Mapping[str, str]) -> dict[str, str | list[str]]:
    """The parameters of the query: those that relabelling left, and of one that is given several times all, unless it was rewritten."""
    several = {name: texts for name, texts in configured.items() if not isinstance(texts, str)}
    return {**left, **{name: texts for name, texts in several.items() if texts[:1] == [left.get(name)]}}


def _check_status(place: str, status: int) -> None:
    if status == 200:
        return
    hint = " (redirects are not followed: name the address itself)" if 300 <= status < 400 else ""
    raise kind_of(status)(f"{place} answered status {status}, not 200{hint}")


def _whole_body(place: str, encoding: str, chunks: Iterable[bytes], bytes_max: int) -> bytearray:
    if encoding not in ("identity", "gzip", ""):
        raise PermanentError(f"{place} answered with Content-Encoding {encoding[:40]}, but only gzip was offered")
    pieces = _inflated(place, chunks, bytes_max + 1) if encoding == "gzip" else chunks
    return within(place, pieces, "body_bytes_max", bytes_max)


def _inflated(place: str, chunks: Iterable[bytes], piece_bytes_max: int) -> Iterable[bytes]:
    """Gzip undone, member by member, in pieces no larger than ``piece_bytes_max``."""
    member = None
    try:
        for chunk in chunks:
            rest = chunk
            while rest:
                if member is None or member.eof:
                    member = isal_zlib.decompressobj(wbits=16 + isal_zlib.MAX_WBITS)
                yield member.decompress(rest, piece_bytes_max)
                rest = member.unused_data if member.eof else member.unconsumed_tail
    except isal_zlib.IsalError as error:  # type: ignore[misc]  # its stubs take the class for an instance
        raise TransientError(f"{place} answered gzip that cannot be undone: {error}") from error
    if member is None or not member.eof:
        raise TransientError(f"{place} answered gzip that was cut off")
