"""Compressed bytes as plain ones: gzip and zstd, told by their first bytes and not by a name; everything else is as it is.

However the bytes are cut, and however much they unfold into, no more than a portion is held. Several compressed members one after the
other count as one, as the formats want it (RFC 1952, section 2.2; RFC 8878, section 3).
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from isal import igzip_lib, isal_zlib

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
#: The end of what frames begin with that hold nothing (RFC 8878, section 3.1.2).
_SKIPPED = b"\x2a\x4d\x18"
_PORTION_BYTES = 1 << 20
#: Of zstd, what was unfolded before damage is lost as far as it was asked for at once.
_STEP_BYTES = 16 << 10


class Damaged(Exception):
    """The bytes are not what they say they are, or end too early. The message is half a sentence."""


def plain(raw: Iterator[bytes]) -> Iterator[bytes]:
    """The plain bytes of some that may be compressed. Raises Damaged, and what ``raw`` raises."""
    head = b""
    for portion in raw:
        head += portion
        if len(head) >= len(_ZSTD):
            break
    rest = _before(head, raw)
    if head.startswith(_GZIP):
        return _gunzipped(rest)
    if head.startswith(_ZSTD) or (head[1:4] == _SKIPPED and 0x50 <= head[0] <= 0x5F):
        return _unzstd(rest)
    return rest


def _before(head: bytes, raw: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from raw


def _gunzipped(raw: Iterator[bytes]) -> Iterator[bytes]:
    member: igzip_lib.IgzipDecompressor | None = None
    for portion in raw:
        data = portion
        while True:
            if member is None:
                # Tapes and some tools fill up with zeros.
                data = data.lstrip(b"\0")
                if not data:
                    break
                member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
            try:
                found = member.decompress(data, _PORTION_BYTES)
            except isal_zlib.IsalError as error:  # type: ignore[misc]  # its stubs take the class for an instance
                raise Damaged(f"its gzip data is damaged: {error}") from error
            if found:
                yield found
            if member.eof:
                data, member = member.unused_data, None
            elif member.needs_input:
                break
            else:
                data = b""
    if member is not None:
        raise Damaged("it ends within its gzip data")


def _unzstd(raw: Iterator[bytes]) -> Iterator[bytes]:
    reading = _Reading(raw)
    with pa.CompressedInputStream(pa.PythonFile(reading, mode="r"), "zstd") as stream:
        while True:
            try:
                found = stream.read(_STEP_BYTES)
            except OSError as error:
                if reading.error is not None:
                    raise reading.error from None
                raise Damaged(f"its zstd data is damaged, or it ends within: {error}") from error
            if not found:
                return
            yield found


class _Reading:
    """Portions as a file that Arrow can read; keeps what they raise, which Arrow would tell in its own words."""

    closed = False

    def __init__(self, raw: Iterator[bytes]) -> None:
        self._raw = raw
        self._rest = b""
        self.error: Exception | None = None

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        try:
            while not self._rest:
                self._rest = next(self._raw)
        except StopIteration:
            return b""
        except Exception as error:
            self.error = error
            raise OSError("the bytes cannot be read") from error
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def close(self) -> None:
        """There is nothing to close; Arrow asks for it."""
