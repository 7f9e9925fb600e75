"""CSV in columns of texts: what Python's own reader says, however the bytes come, and from any row on."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.bills.csvtable import Cuts, batches
from collector.datastore.bills.refused import Refused

FIELD = st.text(st.sampled_from('a,"\n1é\r '), max_size=6)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    yield from (data[at : at + size] for at in range(0, len(data), size))


def read(data: bytes, *, first: int = 0, size: int = 7, block: int = 16, rows_max: int = 100) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for row, batch in batches(pieces(data, size), first, Cuts(block, 1_000, rows_max)):
        assert row == first + len(found)
        assert batch.num_rows <= rows_max
        assert set(batch.schema.types) == {pa.utf8()}
        found += batch.to_pylist()
    return found


@given(
    st.lists(st.tuples(FIELD, FIELD, FIELD), max_size=8),
    st.integers(0, 9),
    st.integers(1, 40),
    st.integers(1, 200),
    st.integers(1, 4),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_as_python_reads_it(
    rows: list[tuple[str, str, str]], first: int, size: int, block: int, rows_max: int, quoting: int
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n", quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([("x", "y", "z"), *rows])
    wanted = [dict(zip("xyz", row, strict=True)) for row in rows]
    found = read(text.getvalue().encode(), first=first, size=size, block=block, rows_max=rows_max)
    assert found == wanted[first:]


@pytest.mark.parametrize(
    "data", [b"a,b\n1,2\n", b"a,b\n1,2", b"a,b\r\n1,2\r\n", b"\xef\xbb\xbfa,b\n1,2\n\n", b'"a","b"\n"1","2"\n']
)
def test_forms_that_say_the_same(data: bytes) -> None:
    assert read(data) == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize("data", [b"", b"a,b\n", b"a,b"])
def test_no_rows(data: bytes) -> None:
    assert read(data) == []


@pytest.mark.parametrize(
    ("data", "told", "row"),
    [
        (b"a,b\n1,2\n1,2,3\n", "3 columns, and the header 2", 1),
        (b"a,b\n1,2\n1\n", "1 columns", 1),
        (b'a,b\n1,2\n1,2"3"\n', "a quote", 1),
        (b'a,b\n1,"2"3"4"\n', "a quote", 0),
        (b'a,b\n1,"2\n', "not closed", 0),
        (b"a,b\n" + b"1" * 2_000 + b",2\n", "1000 bytes", 0),
        (b"a,b\n1,\xff\n", "UTF-8", 0),
        (b"a,a\n1,2\n", "a", None),
    ],
)
def test_rows_that_cannot_be_read_are_told_by_their_number(data: bytes, told: str, row: int | None) -> None:
    with pytest.raises(Refused, match=told) as refused:
        read(data, block=100_000, size=100_000)
    assert refused.value.row == row
