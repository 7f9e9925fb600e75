"""Strict base64 and decimals, as the C2SP formats write them: one text per value.

A lenient reader takes several texts for the same bytes (unused bits at the end, line breaks, leading zeros). Then a
changed file can still be accepted, and two readers can disagree on whether two files are the same. Here a text is
accepted only where writing its value gives that text again.
"""

from __future__ import annotations

import base64
import binascii

from .errors import Malformed

HASH_BYTES = 32
#: Sizes and positions are int64 wherever Meterbook keeps them.
NUMBER_MAX = (1 << 63) - 1
_DIGITS_MAX = len(str(NUMBER_MAX))


def to_base64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648 section 4)."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str, what: str) -> bytes:
    """The bytes of ``text``. Raises :class:`Malformed`, which names ``what`` and not the text: it may be a secret."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise Malformed(f"{what} is not base64") from None
    if to_base64(data) != text:
        raise Malformed(f"{what} is not base64 as RFC 4648 section 4 writes it")
    return data


def hash_from_base64(text: str, what: str) -> bytes:
    """A SHA-256 hash. Raises :class:`Malformed`."""
    data = from_base64(text, what)
    if len(data) != HASH_BYTES:
        raise Malformed(f"{what} has {len(data)} bytes, a SHA-256 hash has {HASH_BYTES}")
    return data


def from_decimal(text: str, what: str) -> int:
    """A number from 0 to 2**63 - 1 in ASCII decimal without leading zeros. Raises :class:`Malformed`."""
    if len(text) <= _DIGITS_MAX and text.isascii() and text.isdigit():
        number = int(text)
        if str(number) == text and number <= NUMBER_MAX:
            return number
    raise Malformed(f"{what} is {text[: _DIGITS_MAX + 1]!r}, not a decimal number from 0 to {NUMBER_MAX}")
