"""A page as it was fetched: its bytes, and the format in which its target says they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Format = Literal["text", "openmetrics", "protobuf"]


@dataclass(frozen=True)
class Page:
    """A whole page. ``body`` is not decompressed any further, and not yet known to be what it should."""

    body: bytes | bytearray
    format: Format
