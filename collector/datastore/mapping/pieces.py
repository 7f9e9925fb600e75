"""Parts of a block as a column of texts, without copying each of them in Python."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.datastore.layouts import Places

_RETURN = ord("\r")


def texts_between(block: bytes, starts: Places, ends: Places) -> pa.Array:
    """The texts from each start to its end (utf8); ascending, apart, and of a block that is UTF-8."""
    edges = np.empty((len(starts), 2), np.int32)
    edges[:, 0], edges[:, 1] = starts, ends
    buffers = [None, pa.py_buffer(edges), pa.py_buffer(block)]
    # By turns what is asked for, and what is between two of those.
    pieces = pa.Array.from_buffers(pa.utf8(), max(0, edges.size - 1), buffers)
    return pieces.take(pa.array(np.arange(0, edges.size, 2)))


def is_text(block: bytes) -> bool:
    """Whether a block is UTF-8, and so is every piece of it that is cut out at characters of ASCII."""
    edges = pa.py_buffer(np.array([0, len(block)], np.int32))
    try:
        pa.Array.from_buffers(pa.utf8(), 1, [None, edges, pa.py_buffer(block)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def without_returns(block: bytes, starts: Places, ends: Places) -> Places:
    """Where records end if a carriage return before the line feed belongs to the end of the line."""
    if not len(starts):
        return ends
    data = np.frombuffer(block, np.uint8)
    last: Places = ends - (data[np.maximum(ends - 1, 0)] == _RETURN)
    return np.maximum(last, starts)


def parities(block: bytes, quote: int) -> npt.NDArray[np.uint8]:
    """For each byte whether the number of quotes up to it is odd."""
    found: npt.NDArray[np.uint8] = np.bitwise_xor.accumulate((np.frombuffer(block, np.uint8) == quote).view(np.uint8))
    return found
