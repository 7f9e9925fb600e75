"""An object as a list shows it, and the mark by which it is known again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Storage classes whose objects must be restored before they can be read (S3 user guide, "Amazon S3 storage classes").
ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})


@dataclass(frozen=True)
class Found:
    """One version of an object: its key, its entity tag without quotes, when S3 says that it was modified."""

    key: str
    etag: str
    modified_us: int
    bytes: int
    storage: str = "STANDARD"

    @property
    def mark(self) -> int:
        """64 bits of a hash of what tells versions apart."""
        told = f"{self.key}\0{self.etag}\0{self.bytes}"
        return int.from_bytes(hashlib.blake2b(told.encode(), digest_size=8).digest(), "big", signed=True)

    @property
    def in_parts(self) -> bool:
        """Whether it was uploaded in parts (S3 API reference, "Object": such entity tags end in a number of parts)."""
        return "-" in self.etag

    def as_json(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"key": self.key, "etag": self.etag, "modified": self.modified_us, "bytes": self.bytes}


def from_json(document: Mapping[str, Any]) -> Found:
    """From the checkpoint."""
    return Found(document["key"], document["etag"], document["modified"], document["bytes"])
