"""What a series is, and why two agents that read the same thing give it the same number.

A series is one metric of one incarnation of one resource. Its identity is a SHA-256 over every part that tells
it from another: source, metric, kind, unit, labels, attributes and start. The tenant is *not* a part: a resource
that is re-tagged is still the same resource, and its counter goes on.

``series_id`` (the first eight bytes) is what samples carry; ``identity`` (the next eight) is sent once, with the
definition, so that the ledger sees it when two different series ever share a ``series_id``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from json.encoder import encode_basestring
from typing import Literal

Kind = Literal["counter", "gauge"]
#: What a series is but for its start: its identity is a hash over these, in this order.
PARTS = ("source", "metric", "kind", "unit", "labels", "attributes")
Parts = tuple[str, str, str, str, str, str]

#: Tenants that are not customers. A name that begins with @ can be given to no customer.
SHARED = "@shared"
UNASSIGNED = "@unassigned"
#: Of what is not known well enough yet to say whose it is.
UNRESOLVED = "@unresolved"


def canonical_json(pairs: Mapping[str, str]) -> str:
    """A JSON object with sorted keys and no white space: equal mappings give equal text."""
    # As json.dumps with sort_keys and the shortest separators, in a third of the time: there is one for every series.
    inner = [f"{encode_basestring(key)}:{encode_basestring(pairs[key])}" for key in sorted(pairs)]
    return "{" + ",".join(inner) + "}"


def series_digest(parts: Parts, start_us: int | None) -> bytes:
    """SHA-256 over the parts of a series (see PARTS) and its start.

    Each part is preceded by its length, so that no two part lists share a text.
    """
    told = [b"meterbook series v1\0"]
    for part in (*parts, "" if start_us is None else str(start_us)):
        encoded = part.encode()
        told += (len(encoded).to_bytes(4, "big"), encoded)
    return hashlib.sha256(b"".join(told)).digest()


def numbers(digest: bytes) -> tuple[int, int]:
    """Series id and identity of a digest: its first and second eight bytes, big-endian, signed."""
    return int.from_bytes(digest[:8], "big", signed=True), int.from_bytes(digest[8:16], "big", signed=True)


@dataclass(frozen=True)
class Series:
    """One metric of one incarnation of one resource.

    ``labels`` and ``attributes`` are canonical JSON objects (see :func:`canonical_json`): labels come from the
    metric itself, attributes from what it was read from. ``start_us`` is when the incarnation began, if known.
    """

    source: str
    metric: str
    kind: Kind
    unit: str
    labels: str
    attributes: str
    start_us: int | None = None

    @cached_property
    def digest(self) -> bytes:
        """See :func:`series_digest`."""
        return series_digest(self.parts, self.start_us)

    @property
    def parts(self) -> Parts:
        """What it is but for its start, in the order of PARTS."""
        return self.source, self.metric, self.kind, self.unit, self.labels, self.attributes

    @property
    def series_id(self) -> int:
        """First eight bytes of the digest, big-endian, signed."""
        return numbers(self.digest)[0]

    @property
    def identity(self) -> int:
        """Second eight bytes of the digest, big-endian, signed."""
        return numbers(self.digest)[1]
