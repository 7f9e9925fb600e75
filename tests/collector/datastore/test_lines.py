"""Bytes as lines, wherever the reads end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.lines import cut


def read(
    chunk: bytes, offset: int, skipping: bool, bound: int, lines_max: int
) -> tuple[list[tuple[int, bytes, bool]], int, bool]:
    """Lines as (where they begin in the file, text), with True behind those that are too long; and where the next read begins."""
    found = cut(chunk, offset, skipping=skipping, line_bytes_max=bound, lines_max=lines_max)
    lines: list[tuple[int, bytes, bool]] = [(offset + head.start, head.text, True) for head in found.heads]
    for start, end in zip(found.starts.tolist(), found.ends.tolist(), strict=True):
        lines.append((offset + start, chunk[start:end], False))
    assert found.lines == len(lines)
    return sorted(lines), found.offset, found.skipping


def test_a_line_without_its_end_waits() -> None:
    assert read(b"one\ntwo", 10, False, 9, 9) == ([(10, b"one", False)], 14, False)


def test_a_line_too_long_gives_its_head_and_is_skipped() -> None:
    assert read(b"abcdef", 0, False, 3, 9) == ([(0, b"abc", True)], 6, True)
    assert read(b"ghijk", 6, True, 3, 9) == ([], 11, True)
    assert read(b"l\nx\ny", 11, True, 3, 9) == ([(13, b"x", False)], 15, False)
    assert read(b"abcd\nx\n", 0, False, 3, 9) == ([(0, b"abc", True), (5, b"x", False)], 7, False)


def test_lines_are_bounded() -> None:
    assert read(b"a\nb\nc\n", 0, False, 3, 2) == ([(0, b"a", False), (2, b"b", False)], 4, False)
    assert read(b"a\nb\ncdefg", 0, False, 3, 2) == ([(0, b"a", False), (2, b"b", False)], 4, False)


@given(
    content=st.binary(max_size=60).map(lambda raw: raw.replace(b"\x00", b"\n")),
    bound=st.integers(1, 5),
    extra=st.integers(1, 5),
    lines_max=st.integers(1, 4),
)
def test_reads_of_any_size_give_the_same_lines(content: bytes, bound: int, extra: int, lines_max: int) -> None:
    whole = read(content, 0, False, bound, 1000)
    lines: list[tuple[int, bytes, bool]] = []
    offset, skipping = 0, False
    while True:
        chunk = content[offset : offset + bound + extra]
        found, after, is_skipping = read(chunk, offset, skipping, bound, lines_max)
        if (after, is_skipping) == (offset, skipping):
            break
        lines += found
        offset, skipping = after, is_skipping
    assert (lines, offset, skipping) == whole
