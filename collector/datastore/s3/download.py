"""The body of an answer, piece by piece as it comes.

A read of so many bytes waits for all of them, and its time-out is one of silence: a server that says a byte a second holds up such a read
for days. Here each piece is what is there, so that whoever reads can stop between two of them, and a body that is too slow is broken off.
They are given out in portions of one size, because what becomes of them must not depend on how they came.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from threading import Event
from typing import Any

from collector.errors import SourceError, TransientError

_PIECE_BYTES = 256 << 10
_PORTION_BYTES = 1 << 20


class Slow(TransientError):
    """A download was broken off because it was too slow; asking for the rest at once would be the same again."""


@dataclass(frozen=True)
class Floor:
    """How slow a download may be: ``bytes_s`` on average over each ``interval_s`` of waiting."""

    bytes_s: float
    interval_s: float


def portions(body: Any, place: str, floor: Floor, dropped: Event) -> Generator[bytes, None, None]:
    """What comes of a body, in portions of 1 MiB; what came before it broke off is given first. Raises what ``pieces`` raises."""
    held = bytearray()
    try:
        for piece in pieces(body, place, floor, dropped):
            held += piece
            while len(held) >= _PORTION_BYTES:
                yield bytes(held[:_PORTION_BYTES])
                del held[:_PORTION_BYTES]
    except SourceError:
        raise
    except Exception:
        if held:
            yield bytes(held)
        raise
    if held:
        yield bytes(held)


def pieces(body: Any, place: str, floor: Floor, dropped: Event) -> Generator[bytes, None, None]:
    """What comes of a botocore StreamingBody. Raises Slow, TransientError once ``dropped`` is set, and what the body raises.

    Only the time that is spent waiting for bytes counts.
    """
    with body as raw:
        # It has errors told in botocore's words, as the body does.
        arriving = type(body)(_Arriving(raw), None)
        waited_s, came = 0.0, 0
        while True:
            if dropped.is_set():
                raise TransientError(f"{place}: it is not read on")
            began_s = time.monotonic()
            piece: bytes = arriving.read(_PIECE_BYTES)
            waited_s += time.monotonic() - began_s
            if not piece:
                return
            came += len(piece)
            if waited_s >= floor.interval_s:
                if came < floor.bytes_s * waited_s:
                    raise Slow(
                        f"{place}: {came} bytes came in {waited_s:.0f} s, less than download_min_bytes_s {floor.bytes_s:g}"
                    )
                waited_s, came = 0.0, 0
            yield piece


class _Arriving:
    """An answer of which a read gives what is there."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def read(self, most: int) -> bytes:
        """Up to ``most`` bytes, as soon as there is one; none at the end."""
        found: bytes = self._raw.read1(most)
        return found
