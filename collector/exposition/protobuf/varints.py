"""Varints: seven bits a byte, the lowest first, and a set top bit where more follow (protobuf.dev/programming-guides/encoding).

One is read in Python, a column of them with one step for each byte of the longest.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from collector.exposition.protobuf.malformed import Malformed

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]
Unsigned = npt.NDArray[np.uint64]

_MORE = 0x80
_LAST_SHIFT = 63


def varint(body: bytes | bytearray, at: int, stop: int) -> tuple[int, int]:
    """The number that begins at a place, and the place behind it. Raises Malformed where it reaches ``stop``."""
    value = shift = 0
    for place in range(at, stop):
        byte = body[place]
        value |= (byte & 0x7F) << shift
        if byte < _MORE:
            if shift == _LAST_SHIFT and byte > 1:
                break
            return value, place + 1
        if shift == _LAST_SHIFT:
            break
        shift += 7
    else:
        raise Malformed(at, "begins a varint that is cut off")
    raise Malformed(at, "begins a varint of more than 64 bits")


def varints(data: Bytes, at: Places, stops: Places) -> tuple[Unsigned, Places]:
    """The numbers that begin at places, and the places behind them. Raises Malformed where one reaches its ``stop``."""
    byte = data.take(at, mode="clip")
    values = (byte & 0x7F).astype(np.uint64)
    behind = at + 1
    more = np.flatnonzero(byte >= _MORE)
    for shift in range(7, _LAST_SHIFT + 7, 7):
        if not len(more):
            break
        byte = data.take(behind[more], mode="clip")
        values[more] |= (byte & 0x7F).astype(np.uint64) << np.uint64(shift)
        behind[more] += 1
        too_long = more[byte > 1] if shift == _LAST_SHIFT else more[:0]
        if len(too_long) and behind[too_long[0]] <= stops[too_long[0]]:
            raise Malformed(int(at[too_long[0]]), "begins a varint of more than 64 bits")
        more = more[byte >= _MORE]
    beyond = np.flatnonzero(behind > stops)
    if len(beyond):
        raise Malformed(int(at[beyond[0]]), "begins a varint that is cut off")
    return values, behind
