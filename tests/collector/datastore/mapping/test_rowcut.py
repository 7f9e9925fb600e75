"""Rows are cut where no quote is open: the same ones however the bytes arrive, and a stray quote costs one line."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.mapping.rowcut import cut

BYTES = st.lists(st.sampled_from([b"a", b"bb", b'"', b'""', b",", b"\n", b"\n", b"\r\n"]), max_size=30).map(b"".join)


def cut_whole(data: bytes, limit: int) -> list[tuple[int, bytes, bool]]:
    """Rows and heads of a whole object, each with where it starts, one character after the other."""
    found, start = [], 0
    while start < len(data):
        end, is_open = start, False
        while end < len(data) and end - start <= limit:
            is_open ^= data[end : end + 1] == b'"'
            if data[end : end + 1] == b"\n" and not is_open:
                break
            end += 1
        if end < len(data) and end - start <= limit:
            found.append((start, data[start:end], True))
            start = end + 1
            continue
        stop = data.find(b"\n", start)
        stop = stop if stop >= 0 else len(data)
        found.append((start, data[start : min(stop, start + limit)], False))
        start = stop + 1
    return found


def cut_in_reads(data: bytes, limit: int, read: int, rows_max: int) -> list[tuple[int, bytes, bool]]:
    found: list[tuple[int, bytes, bool]] = []
    offset, end, skipping = 0, 0, False
    while True:
        end = min(max(end, offset + limit) + read, len(data))
        chunk, is_last = data[offset:end], end == len(data)
        while True:
            got = cut(
                chunk, offset, skipping=skipping, row_bytes_max=limit, rows_max=rows_max, quote='"', is_last=is_last
            )
            assert got.lines <= rows_max
            here = [(int(s), chunk[s:e], True) for s, e in zip(got.starts, got.ends, strict=True)]
            here += [(head.start, head.text, False) for head in got.heads]
            found += sorted((offset + start, text, is_row) for start, text, is_row in here)
            chunk, skipping = chunk[got.offset - offset :], got.skipping
            offset = got.offset
            if got.lines < rows_max:
                break
        if is_last:
            return found


@given(BYTES, st.integers(1, 8), st.integers(1, 5), st.integers(1, 4))
def test_the_same_rows_however_they_are_read(data: bytes, limit: int, read: int, rows_max: int) -> None:
    data += b"\n"
    assert cut_in_reads(data, limit, read, rows_max) == cut_whole(data, limit)


@given(st.lists(st.lists(st.text(st.sampled_from('a,"\n\ré'), max_size=4), min_size=1, max_size=3), max_size=5))
def test_rows_that_were_written_are_cut_apart(rows: list[list[str]]) -> None:
    texts = []
    for row in rows:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(row)
        texts.append(text.getvalue().encode())
    data = b"".join(texts)
    found = cut(data, 7, skipping=False, row_bytes_max=100, rows_max=100, quote='"')
    assert [data[start:end] + b"\n" for start, end in zip(found.starts, found.ends, strict=True)] == texts
    assert (found.heads, found.offset, found.skipping) == ((), 7 + len(data), False)


def test_a_stray_quote_costs_one_line() -> None:
    good = b"a,b\n" * 50
    data = good + b'6" pipe,b\n' + good
    found = cut(data, 0, skipping=False, row_bytes_max=60, rows_max=1_000, quote='"')
    assert len(found.starts) == 100
    (head,) = found.heads
    assert (head.start, head.text) == (len(good), b'6" pipe,b')
    assert found.offset == len(data)


def test_what_is_open_at_the_end_waits_or_is_given_up() -> None:
    data = b'a,"b\nc,d\n'
    waiting = cut(data, 0, skipping=False, row_bytes_max=60, rows_max=1_000, quote='"')
    assert (waiting.lines, waiting.offset) == (0, 0)
    last = cut(data, 0, skipping=False, row_bytes_max=60, rows_max=1_000, quote='"', is_last=True)
    assert [head.text for head in last.heads] == [b'a,"b']
    assert [data[start:end] for start, end in zip(last.starts, last.ends, strict=True)] == [b"c,d"]
    assert last.offset == len(data)


def test_without_quotes_rows_are_lines() -> None:
    data = b'a"\nb"\nc'
    found = cut(data, 0, skipping=False, row_bytes_max=60, rows_max=1_000, quote=None)
    assert (found.starts.tolist(), found.ends.tolist(), found.offset) == ([0, 3], [2, 5], 6)
