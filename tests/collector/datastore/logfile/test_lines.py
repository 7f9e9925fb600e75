"""Bytes as lines, wherever the reads end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.logfile.lines import Cut, Line, cut


def test_a_line_without_its_end_waits() -> None:
    assert cut(b"one\ntwo", 10, skipping=False, line_bytes_max=9, lines_max=9) == Cut([Line(10, b"one")], 14, False)


def test_a_line_too_long_gives_its_head_and_is_skipped() -> None:
    assert cut(b"abcdef", 0, skipping=False, line_bytes_max=3, lines_max=9) == Cut([Line(0, b"abc", True)], 6, True)
    assert cut(b"ghijk", 6, skipping=True, line_bytes_max=3, lines_max=9) == Cut([], 11, True)
    assert cut(b"l\nx\ny", 11, skipping=True, line_bytes_max=3, lines_max=9) == Cut([Line(13, b"x")], 15, False)


def test_lines_are_bounded() -> None:
    assert cut(b"a\nb\nc\n", 0, skipping=False, line_bytes_max=3, lines_max=2) == Cut(
        [Line(0, b"a"), Line(2, b"b")], 4, False
    )


@given(
    content=st.binary(max_size=60).map(lambda raw: raw.replace(b"\x00", b"\n")),
    bound=st.integers(1, 5),
    extra=st.integers(1, 5),
    lines_max=st.integers(1, 4),
)
def test_reads_of_any_size_give_the_same_lines(content: bytes, bound: int, extra: int, lines_max: int) -> None:
    whole = cut(content, 0, skipping=False, line_bytes_max=bound, lines_max=1000)
    lines: list[Line] = []
    offset, skipping = 0, False
    while True:
        chunk = content[offset : offset + bound + extra]
        piece = cut(chunk, offset, skipping=skipping, line_bytes_max=bound, lines_max=lines_max)
        if (piece.offset, piece.skipping) == (offset, skipping):
            break
        lines += piece.lines
        offset, skipping = piece.offset, piece.skipping
    assert (lines, offset, skipping) == (whole.lines, whole.offset, whole.skipping)
