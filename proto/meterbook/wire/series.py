"""What a series is, and why two agents that read the same thing give it the same number.

A series is one metric of one incarnation of one resource. Its identity is a SHA-256 over every part that tells
it from another: source, metric, kind, unit, labels, attributes and start. The tenant is *not* a part: a resource
that is re-tagged is still the same resource, and its counter goes on.

``series_id`` (the first eight bytes) is what samples carry; ``identity`` (the next eight) is sent once, with the
definition, so that the ledger sees it when two different series ever share a ``series_id``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Kind = Literal["counter", "gauge"]

#: Tenants that are not customers. A name that begins with @ can be given to no customer.
SHARED = "@shared"
UNASSIGNED = "@unassigned"


def canonical_json(pairs: Mapping[str, str]) -> str:
    """A JSON object with sorted keys and no white space: equal mappings give equal text."""
    return json.dumps(pairs, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


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
        """SHA-256 over the parts, each preceded by its length, so that no two part lists share a text."""
        start = "" if self.start_us is None else str(self.start_us)
        parts = (self.source, self.metric, self.kind, self.unit, self.labels, self.attributes, start)
        hasher = hashlib.sha256(b"meterbook series v1\0")
        for part in parts:
            encoded = part.encode()
            hasher.update(len(encoded).to_bytes(4, "big"))
            hasher.update(encoded)
        return hasher.digest()

    @property
    def series_id(self) -> int:
        """First eight bytes of the digest, big-endian, signed."""
        return int.from_bytes(self.digest[:8], "big", signed=True)

    @property
    def identity(self) -> int:
        """Second eight bytes of the digest, big-endian, signed."""
        return int.from_bytes(self.digest[8:16], "big", signed=True)
