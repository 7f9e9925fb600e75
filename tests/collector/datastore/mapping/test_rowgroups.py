"""Files are read row group by row group from where it is asked, and damage is told as that of the file."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collector.datastore.mapping.rowgroups import RowGroups
from collector.errors import PermanentError, TransientError


def written(rows: int, per_group: int) -> bytes:
    file = io.BytesIO()
    table = pa.table(
        {
            "number": range(rows),
            "text": [f"row {row}" for row in range(rows)],
            "usage": [{"tokens": row} for row in range(rows)],
        }
    )
    pq.write_table(table, file, row_group_size=per_group)
    return file.getvalue()


class Watched(io.BytesIO):
    """A file that says which bytes were asked for, or breaks."""

    def __init__(self, data: bytes, breaks_before: int = 0) -> None:
        super().__init__(data)
        self._breaks_before = breaks_before
        self.lowest = len(data)

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() < self._breaks_before:
            raise TransientError("s3://usage/a.parquet: connection reset")
        self.lowest = min(self.lowest, self.tell())
        return super().read(size)


@pytest.mark.parametrize("first", [0, 1, 99, 100, 250, 999, 1_000])
def test_rows_come_in_order_from_where_it_is_asked(first: int) -> None:
    groups = RowGroups(io.BytesIO(written(1_000, 100)), "here")
    assert groups.rows == 1_000
    behind = first
    for start, batch in groups.batches(["text", "number"], rows_max=64, first=first):
        assert start == behind
        assert batch.num_rows <= 64
        assert batch.schema.names == ["text", "number"]
        assert batch["number"].to_pylist() == list(range(start, start + batch.num_rows))
        behind += batch.num_rows
    assert behind == 1_000


def test_members_of_structs_come_with_their_column() -> None:
    (_, batch), *_ = RowGroups(io.BytesIO(written(5, 5)), "here").batches(["usage"])
    assert batch.schema.names == ["usage"]
    assert batch["usage"][4].as_py() == {"tokens": 4}


def test_row_groups_before_are_not_read() -> None:
    data = written(100_000, 10_000)
    file = Watched(data)
    assert [start for start, _ in RowGroups(file, "here").batches(["number"], first=90_000)] == [90_000]
    assert file.lowest > len(data) // 2


@pytest.mark.parametrize("data", [b"", b"PAR1", b"no parquet at all" * 10, written(10, 10)[:-20]])
def test_what_is_no_parquet_says_so(data: bytes) -> None:
    with pytest.raises(PermanentError, match=r"^s3://usage/a.parquet is no Parquet that can be read \("):
        RowGroups(io.BytesIO(data), "s3://usage/a.parquet")


def test_damage_within_a_file_is_told_when_it_is_met() -> None:
    data = bytearray(written(1_000, 100))
    data[4:600] = b"\xff" * 596
    groups = RowGroups(io.BytesIO(bytes(data)), "here")
    with pytest.raises(PermanentError, match=r"^here is no Parquet that can be read"):
        list(groups.batches(["number", "text"]))


def test_what_the_file_raises_goes_through() -> None:
    data = written(100_000, 10_000)
    with pytest.raises(TransientError, match="connection reset"):
        RowGroups(Watched(data, len(data)), "here")
    groups = RowGroups(Watched(data, len(data) // 2), "here")
    with pytest.raises(TransientError, match="connection reset"):
        list(groups.batches(["number"]))


def test_a_row_group_is_never_in_memory_as_a_whole() -> None:
    file = io.BytesIO()
    numbers = pa.array(np.random.default_rng(7).random(2_000_000))
    pq.write_table(pa.table({"number": numbers}), file, row_group_size=len(numbers), use_dictionary=False)
    before, most = pa.total_allocated_bytes(), 0
    for _, batch in RowGroups(file, "here").batches(["number"], rows_max=10_000):
        most = max(most, pa.total_allocated_bytes() - before)
        del batch
    assert most < numbers.nbytes / 2
