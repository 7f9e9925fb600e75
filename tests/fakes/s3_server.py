"""S3 over HTTP, for what a healthy server does not do: downloads that break off, denials, throttling, archives, lists that fail half way.

Answers follow the Amazon S3 API reference: ListObjectsV2 (pages by continuation token, ``StartAfter``, keys in the order of their bytes),
GetObject (``Range``, ``If-Match``, 412 PreconditionFailed, 403 InvalidObjectState), and "Error responses".
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler
from threading import Event
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.fakes.http_target import FakeTarget, fake_target

_DATE = "2026-01-01T00:00:00.000Z"


@dataclass
class FakeS3Server:
    """One bucket called ``usage``. What is in ``faults`` is answered instead, by key or by ``"list"``, and taken out one by one."""

    target: FakeTarget
    page_keys: int = 1_000
    objects: dict[str, bytes] = field(default_factory=dict)
    #: Keys of many more objects, in order, which all hold the same.
    crowd: Sequence[str] = ()
    crowd_body: bytes = b"{}\n"
    #: When objects were modified, as lists tell it.
    modified: dict[str, str] = field(default_factory=dict)
    #: What the server takes for the time, as its answers tell it; the machine's if unset.
    date: str | None = None
    storage: dict[str, str] = field(default_factory=dict)
    faults: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    #: Downloads of a key end after so many bytes, one by one.
    breaks: dict[str, list[int]] = field(default_factory=dict)
    #: Of these keys no more than so many bytes come at once, and then a byte at a time until ``over`` says that the rest may come.
    trickles: dict[str, int] = field(default_factory=dict)
    over: Event = field(default_factory=Event)
    #: What was asked: operation, key or token, and range.
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, Any]:
        """What a source of the kind ``s3`` needs to read it."""
        return {"bucket": "usage", "account": {"endpoint": f"http://{self.target.address}", "attempts_max": 1}}

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """One request."""
        url = urlsplit(handler.path)
        key = unquote(url.path).removeprefix("/usage").removeprefix("/")
        if key:
            self._object(handler, key)
        else:
            self._list(handler, {name: values[0] for name, values in parse_qs(url.query).items()})

    def _list(self, handler: BaseHTTPRequestHandler, given: dict[str, str]) -> None:
        after = given.get("continuation-token") or given.get("start-after", "")
        self.asked.append(("list", after, ""))
        if self._fails(handler, "list"):
            return
        keys = self._keys(given.get("prefix", ""), after)
        page, rest = keys[: self.page_keys], keys[self.page_keys :]
        found = "".join(self._listed(key) for key in page)
        more = (
            f"<IsTruncated>true</IsTruncated><NextContinuationToken>{escape(page[-1])}</NextContinuationToken>"
            if rest
            else ""
        )
        told = f"<Name>usage</Name>{more or '<IsTruncated>false</IsTruncated>'}{found}"
        self._say(handler, 200, f"<ListBucketResult>{told}</ListBucketResult>".encode())

    def _keys(self, prefix: str, after: str) -> list[str]:
        """The keys of a page, and one more if there is one."""
        start, end = bisect_right(self.crowd, after), len(self.crowd)
        if prefix:
            start = max(start, bisect_left(self.crowd, prefix))
            end = bisect_left(self.crowd, prefix + chr(0x10FFFF))
        many = self.crowd[start : min(end, start + self.page_keys + 1)]
        own = (key for key in self.objects if key.startswith(prefix) and key > after)
        return sorted([*many, *own])[: self.page_keys + 1]

    def _listed(self, key: str) -> str:
        body = self.objects.get(key, self.crowd_body)
        return (
            f"<Contents><Key>{escape(key)}</Key><LastModified>{self.modified.get(key, _DATE)}</LastModified>"
            f"<ETag>&quot;{etag(body)}&quot;</ETag><Size>{len(body)}</Size>"
            f"<StorageClass>{self.storage.get(key, 'STANDARD')}</StorageClass></Contents>"
        )

    def _object(self, handler: BaseHTTPRequestHandler, key: str) -> None:
        wanted = handler.headers.get("Range", "")
        self.asked.append(("get", key, wanted))
        if self._fails(handler, key):
            return
        if key not in self.objects:
            self._error(handler, 404, "NoSuchKey")
        elif handler.headers["If-Match"].strip('"') != etag(self.objects[key]):
            self._error(handler, 412, "PreconditionFailed")
        elif self.storage.get(key) in ("GLACIER", "DEEP_ARCHIVE"):
            self._error(handler, 403, "InvalidObjectState")
        else:
            body = self.objects[key]
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            headers = {"ETag": f'"{etag(body)}"'}
            if wanted:
                headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            length = self.breaks[key].pop(0) if self.breaks.get(key) else len(body)
            status = 206 if wanted else 200
            if key in self.trickles:
                self._trickle(handler, status, body[start:], headers, self.trickles[key])
            else:
                self._say(handler, status, body[start:], headers, length)

    def _trickle(
        self, handler: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str], at: int
    ) -> None:
        headers["Content-Length"] = str(len(body))
        self._say(handler, status, body[:at], headers)
        while at < len(body) and not self.over.wait(0.02) and not self.target.over.is_set():
            handler.wfile.write(body[at : at + 1])
            at += 1
        handler.wfile.write(body[at:])

    def _fails(self, handler: BaseHTTPRequestHandler, what: str) -> bool:
        if not self.faults.get(what):
            return False
        self._error(handler, *self.faults[what].pop(0))
        return True

    def _error(self, handler: BaseHTTPRequestHandler, status: int, code: str) -> None:
        self._say(handler, status, f"<Error><Code>{code}</Code><Message>it says why</Message></Error>".encode())

    def _say(
        self,
        handler: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        handler.send_response_only(status)
        told = {"Date": self.date or handler.date_time_string(), "Content-Length": str(len(body))}
        for name, value in {**told, **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body[:length])
        if length is not None and length < len(body):
            handler.close_connection = True


@lru_cache(maxsize=64)
def etag(body: bytes) -> str:
    """The entity tag of an object that was uploaded as a whole and is not encrypted with a key of its own."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


@contextmanager
def fake_s3_server() -> Iterator[FakeS3Server]:
    """A server with an empty bucket."""
    with fake_target() as target:
        server = FakeS3Server(target)
        target.answer = server.answer
        yield server
