"""What lines are called that have no id of their own: by what stands in their file, and by the byte at which they begin there.

Names of files move on, inodes are given again, and copying, truncating and compressing change both. So a file is known by its content: a line by a hash of
all that stands in its file before it and of the line itself, up to the first 4096 bytes of the file, and by its own first byte::

    logfile//var/log/shop/usage.csv@9f86d081884c7d659a2feaa0c55ad015#8192

That is the same under any name, unpacked or not, whoever reads it and whenever, and however the reads are cut: before a line
is given out all of this is there. Two files agree in it only if their first 4096 bytes do, or all up to the line.

Logs without a fine time may begin with equal lines again and again. So a file whose first record begins as that of another did that is still remembered is
numbered: ``@9f86d081884c7d659a2feaa0c55ad015.2#8192``. This is the one thing that only the checkpoint knows. Where that is lost, such a file, if
it is read again, has other numbers, and counts twice: rather that than that the lines of one are taken for those of another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.datastore.layouts import Places

#: Bytes at the beginning of a file by which its lines are called.
HEAD_BYTES = 4096
#: Of SHA-256: 128 bits.
_DIGITS = 32


def key_of(head: bytes, has_header: bool) -> str:
    """Hash of the first bytes of a file up to the end of its first record, all of them at most; nothing while that has no end yet.

    ``head`` are these bytes, as many as there are. A line of nothing but white space is no record, nor is the header.
    """
    head, start, headers = head[:HEAD_BYTES], 0, int(has_header)
    while (end := head.find(b"\n", start)) >= 0:
        if head[start:end].strip():
            if not headers:
                return _hashed(head[: end + 1])
            headers -= 1
        start = end + 1
    return _hashed(head) if len(head) == HEAD_BYTES else ""


def names(
    place: str, ordinal: int, head: bytes, offset: int, starts: Places, ends: Places
) -> Callable[[Places], pa.Array]:
    """How lines of a block are called (utf8), by where they start in it; ``starts`` and ``ends`` are those of all lines of it, ascending.

    ``offset`` is where the block begins in the file, ``head`` its first bytes, all that there are up to 4096.
    """
    numbered = f".{ordinal}" if ordinal else ""
    head = head[:HEAD_BYTES]
    whole = _hashed(head)

    def called(chosen: Places) -> pa.Array:
        # Behind the line feed.
        until = offset + ends[np.searchsorted(starts, chosen)] + 1
        early = np.flatnonzero(until < HEAD_BYTES)
        hashes = pa.array([*(_hashed(head[:end]) for end in until[early].tolist()), whole], pa.utf8())
        rows = np.full(len(chosen), len(early))
        rows[early] = np.arange(len(early))
        at = pa.array(offset + chosen, pa.int64()).cast(pa.utf8())
        return pc.binary_join_element_wise(f"{place}@", hashes.take(pa.array(rows)), f"{numbered}#", at, "")

    return called


def _hashed(piece: bytes) -> str:
    return hashlib.sha256(piece).hexdigest()[:_DIGITS]
