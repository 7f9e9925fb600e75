"""By what rows are known again: a hash of what they say, whatever file they come in and however they are cut.

The same rows as CSV, as gzip and as Parquet have one digest, so that a bill that is brought in another form is no other bill.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from meterbook.wire.sections import CHARGES

#: What is given to rows here, and does not come with them.
_GIVEN = frozenset({"source", "version", "line"})
_BYTES = 16


class Digest:
    """A hash of charges (schema CHARGES) in their order: of each column its values, and of texts their lengths."""

    def __init__(self) -> None:
        names = [name for name in CHARGES.names if name not in _GIVEN]
        self._columns = {name: (_hash(), _hash()) for name in names}
        self.rows = 0

    def add(self, charges: pa.Table) -> None:
        """Charges that come next."""
        self.rows += charges.num_rows
        for name, (values, lengths) in self._columns.items():
            for column in charges[name].chunks:
                if not len(column):
                    continue
                if pa.types.is_string(column.type):
                    lengths.update(np.asarray(pc.binary_length(column), np.int32).tobytes())
                    values.update(_texts(column))
                else:
                    width = column.type.bit_width // 8
                    held = column.buffers()[1]
                    values.update(held.slice(column.offset * width, len(column) * width))

    def text(self) -> str:
        """The digest of all that came so far, in hexadecimal digits."""
        whole = _hash()
        whole.update(str(self.rows).encode())
        for values, lengths in self._columns.values():
            whole.update(values.digest() + lengths.digest())
        return whole.hexdigest()


def together(*texts: str) -> str:
    """One digest of several texts, in their order."""
    whole = _hash()
    for text in texts:
        whole.update(f"{len(text)}:{text}".encode())
    return whole.hexdigest()


def _hash() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=_BYTES)


def _texts(column: pa.Array) -> bytes:
    """The bytes of all texts of a column, one behind the other."""
    offsets = np.frombuffer(column.buffers()[1], np.int32, count=len(column) + 1, offset=column.offset * 4)
    held = column.buffers()[2]
    return b"" if held is None else held.slice(int(offsets[0]), int(offsets[-1] - offsets[0])).to_pybytes()
