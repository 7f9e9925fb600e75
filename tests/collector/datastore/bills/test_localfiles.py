"""Files of this machine as rows, in every form, and the line on which a row stands."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.datastore.bills.csvtable import Cuts
from collector.datastore.bills.localfiles import line_of, rows
from collector.datastore.bills.refused import Refused

CELLS = st.lists(st.lists(st.text('ab",\n é', min_size=1, max_size=5), min_size=2, max_size=2), min_size=1, max_size=8)
SMALL = Cuts(block_bytes=64, row_bytes_max=1_024, rows_max=2)


def told(path: Path) -> list[tuple[int, list[dict[str, str]]]]:
    return [(first, batch.to_pylist()) for first, batch in rows(path, SMALL)]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet", "a.csv.zst"])
def test_a_file_is_told_by_its_first_bytes(tmp_path: Path, name: str) -> None:
    table = pa.table({"a": ["1", "2", "3"], "b": ["x", "y", "z"]})
    text = b"a,b\n1,x\n2,y\n3,z\n"
    path = tmp_path / name
    if name.endswith("parquet"):
        pq.write_table(table, path)
    elif name.endswith("zst"):
        path.write_bytes(pa.compress(text, "zstd", asbytes=True))
    else:
        path.write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    first, *others = told(path)
    assert first == (0, [])
    assert [row for _, each in others for row in each] == table.to_pylist()
    assert [number for number, _ in others] == [0, 2]


@pytest.mark.parametrize("body", [b"", b"\x1f\x8b", b"PAR1", gzip.compress(b"a,b\n" * 99)[:-9]])
def test_what_is_none_is_refused(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(body)
    with pytest.raises(Refused):
        told(tmp_path / "a.csv")


def test_what_is_called_parquet_must_be(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"a,b\n1,2\n")
    with pytest.raises(Refused, match="is called Parquet and is none"):
        told(tmp_path / "a.parquet")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=CELLS, end=st.sampled_from(["\n", "\r\n"]), blanks=st.integers(0, 2), is_packed=st.booleans())
def test_the_line_of_a_row_is_where_it_begins(
    tmp_path: Path, cells: list[list[str]], end: str, blanks: int, is_packed: bool
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["one", "two"])
    begins = []
    for row in cells:
        text.write(end * blanks)
        begins.append(text.getvalue().count("\n") + 1)
        writer.writerow(row)
    body = text.getvalue().encode()
    (tmp_path / "a.csv").write_bytes(gzip.compress(body) if is_packed else body)
    assert [line_of(tmp_path / "a.csv", row) for row in range(len(cells))] == begins
    assert line_of(tmp_path / "a.csv", len(cells)) is None
    assert [list(row.values()) for _, each in told(tmp_path / "a.csv") for row in each] == cells
