"""Who answers questions about the book: the tables, a snapshot of them, or the files of one in another process."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Protocol

import pyarrow as pa


class Reader(Protocol):
    """Answers statements of SQL that name the tables; ``given`` are further tables that a statement may name."""

    def query(
        self, sql: str, parameters: Sequence[object] = (), given: Mapping[str, pa.Table] | None = None
    ) -> pa.Table:
        """Answer of one statement as an Arrow table."""
        ...

    def stream(
        self, sql: str, parameters: Sequence[object] = (), given: Mapping[str, pa.Table] | None = None
    ) -> Generator[pa.RecordBatch]:
        """The same, a part at a time; meanwhile another thread may ask other questions."""
        ...

    def extents(self, name: str) -> pa.Table:
        """How the rows of a table lie in files, as far as they do: start_us, end_us (inclusive) and rows of each."""
        ...
