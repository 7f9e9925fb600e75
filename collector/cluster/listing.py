"""Pages of a list and events of a watch, from bytes to values; what makes no sense raises Garbled.

Forms: "Kubernetes API Concepts", sections "Retrieving large results sets in chunks" and "Efficient detection of
changes"; metadata as in "API Conventions", section "Metadata". Only what listing needs is looked at here: what is in
an object is for the one who reads the collection.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from collector.cluster.refusals import Garbled

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True)
class Page:
    """A page of a list as of ``version``; ``next_page`` is the token of what follows, empty on the last page."""

    version: str
    next_page: str


@dataclass(frozen=True)
class Event:
    """One change: ADDED, MODIFIED, DELETED (with the object's last state), BOOKMARK (a version alone) or ERROR."""

    kind: str
    document: dict[str, Any]


def page(place: str, body: bytes, take: Callable[[dict[str, Any]], None]) -> Page:
    """Give each object of a page to ``take``, and say what page it was.

    One object is in memory at a time: all those of a page, as Python has them, are ten times as long as its text.
    """
    metadata: Any = None
    text = _text(place, body)
    try:
        at = _after(text, 0, "{")
        while text[at : at + 1] != "}":
            name, at = _DECODER.raw_decode(text, at)
            at = _after(text, at, ":")
            if name == "items" and text[at : at + 1] == "[":
                at = _items(place, text, at, take)
            else:
                found, at = _DECODER.raw_decode(text, at)
                metadata = found if name == "metadata" else metadata
            at = _next(text, at, "}")
    except (json.JSONDecodeError, RecursionError) as error:
        raise Garbled(f"{place} answered what is not a JSON object: {type(error).__name__}") from None
    if not isinstance(metadata, dict):
        raise Garbled(f"{place} answered something that is not a list")
    return Page(_version(place, metadata), str(metadata.get("continue") or ""))


def _items(place: str, text: str, at: int, take: Callable[[dict[str, Any]], None]) -> int:
    at = _after(text, at, "[")
    while text[at : at + 1] != "]":
        found, at = _DECODER.raw_decode(text, at)
        if not isinstance(found, dict):
            raise Garbled(f"{place} answered a list with something in it that is not an object")
        take(found)
        at = _next(text, at, "]")
    return at + 1


def _after(text: str, at: int, mark: str) -> int:
    """Where what follows the mark begins."""
    at = _SPACE.match(text, at).end()  # type: ignore[union-attr]
    if text[at : at + 1] != mark:
        raise json.JSONDecodeError(f"{mark} expected", text, at)
    return _SPACE.match(text, at + 1).end()  # type: ignore[union-attr]


def _next(text: str, at: int, end: str) -> int:
    """Where the next member begins, or where the end stands."""
    at = _SPACE.match(text, at).end()  # type: ignore[union-attr]
    if text[at : at + 1] == end:
        return at
    at = _after(text, at, ",")
    if text[at : at + 1] == end:
        raise json.JSONDecodeError("a member expected", text, at)
    return at


def event(place: str, line: bytes) -> Event:
    """One line of a watch."""
    document = _document(place, line)
    kind, found = document.get("type"), document.get("object")
    if kind not in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR") or not isinstance(found, dict):
        raise Garbled(f"{place} sent an event that is none: {str(kind)[:40]!r}")
    return Event(kind, found)


def version(place: str, document: dict[str, Any]) -> str:
    """The resource version of an object, from which a watch may go on."""
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        raise Garbled(f"{place} sent an object without metadata")
    return _version(place, metadata)


def identity(place: str, document: dict[str, Any]) -> str:
    """The UID of an object: one that comes again under the same name is another."""
    metadata = document.get("metadata")
    uid = metadata.get("uid") if isinstance(metadata, dict) else None
    if not isinstance(uid, str) or not uid:
        raise Garbled(f"{place} sent an object without a UID")
    return uid


def _version(place: str, metadata: dict[str, Any]) -> str:
    found = metadata.get("resourceVersion")
    if not isinstance(found, str) or not found:
        raise Garbled(f"{place} sent no resourceVersion")
    return found


def _document(place: str, line: bytes) -> dict[str, Any]:
    try:
        document = json.loads(_text(place, line))
    except (ValueError, RecursionError) as error:
        raise Garbled(f"{place} sent what is not JSON: {type(error).__name__}") from None
    if not isinstance(document, dict):
        raise Garbled(f"{place} sent a {type(document).__name__}, not a JSON object")
    return document


def _text(place: str, body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Garbled(f"{place} sent bytes that are not UTF-8, at byte {error.start}") from None
