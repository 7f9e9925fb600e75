"""Lines of records come out the same however they are portioned, each with its record and its number there."""

from __future__ import annotations

import gzip
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.eventcolumns import EventReader
from collector.datastore.kinesis.lines import Lines
from collector.datastore.kinesis.payloads import Refused, pieces
from collector.datastore.records import Records
from tests.collector.datastore.kinesis.following import event
from tests.collector.datastore.kinesis.producer import together
from tests.fakes.aws.kinesis import HASH_MAX

PIECE = st.one_of(
    st.lists(st.sampled_from([b"", b"x", b"yy", b"z" * 30]), max_size=4).map(b"\n".join),
    st.builds(Refused, st.just(b"head"), st.just("why")),
)


def read(lines: Lines) -> tuple[list[str], list[tuple[str, str]]]:
    records = Records(EventReader("kinesis/usage/0", "value"))
    lines.read_into(records)
    return records.table()["id"].to_pylist(), [(each.place, each.document) for each in records.letters]


@given(st.lists(st.lists(PIECE, max_size=3), max_size=4), st.integers(1, 5))
def test_portions_make_no_difference(texts: list[list[bytes | Refused]], most: int) -> None:
    expected = []
    for number, record in enumerate(texts):
        row = 0
        for piece in record:
            if isinstance(piece, Refused):
                row += 1
                expected.append((f"s@{number}#{row}", "head"))
                continue
            shown = piece.split(b"\n")
            for text in shown[:-1] if piece.endswith(b"\n") or not piece else shown:
                row += 1
                if text:
                    expected.append((f"s@{number}#{row}", text[:20].decode()))
    found: list[tuple[str, str]] = []
    for number, record in enumerate(texts):
        skip, is_whole = 0, False
        while not is_whole:
            lines = Lines("s", line_bytes_max=20)
            taken = lines.take(str(number), record, skip, most)
            assert taken.lines == lines.count <= most
            skip, is_whole = skip + taken.lines, taken.is_whole
            found += read(lines)[1]
    assert found == expected
    together_ = Lines("s", line_bytes_max=20)
    for number, record in enumerate(texts):
        assert together_.take(str(number), record, 0, 1_000).is_whole
    assert sorted(read(together_)[1]) == sorted(expected)


def test_lines_that_are_events_are_read() -> None:
    lines = Lines("s", line_bytes_max=1_000)
    lines.take("7", [event("a") + b"\n\n" + event("b"), event("c")], 0, 10)
    assert read(lines) == (["a", "b", "c"], [])
    assert (lines.count, lines.size_bytes) == (4, 3 * len(event("a")) + 4)


@pytest.mark.parametrize("is_together", [True, False])
def test_a_record_that_unpacks_to_too_much_is_refused_within_bounds(is_together: bool) -> None:
    bomb = gzip.compress(b"0" * (64 << 20))
    data = together([("k", None, event("a")), ("k", None, bomb), ("k", None, event("b"))]) if is_together else bomb
    tracemalloc.start()
    found = list(pieces(data, 0, HASH_MAX, 1 << 20))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    (refused,) = [each for each in found if isinstance(each, Refused)]
    assert refused.reason == "the record unpacks to more than record_bytes_max 1048576"
    assert [each for each in found if isinstance(each, bytes)] == ([event("a"), event("b")] if is_together else [])
    assert peak_bytes < 8 << 20


@given(st.binary(max_size=200), st.booleans())
def test_any_data_is_read_or_refused(data: bytes, is_gzip: bool) -> None:
    found = list(pieces(b"\x1f\x8b" + data if is_gzip else data, 0, HASH_MAX, 100))
    assert all(isinstance(each, Refused) or len(each) <= 100 for each in found)


def test_each_line_has_a_name() -> None:
    lines = Lines("s", line_bytes_max=20)
    lines.take("7", [b"a\n\nb"], 1, 10)
    lines.take("9", [b"c"], 0, 10)
    assert lines.names(np.array([0, 1, 3])).to_pylist() == ["s@7#2", "s@7#3", "s@9#1"]


def test_nothing_is_no_line() -> None:
    lines = Lines("s", line_bytes_max=20)
    assert lines.take("1", [b""], 0, 5).is_whole
    assert read(lines) == ([], [])
    assert np.array_equal([lines.count, lines.size_bytes], [0, 0])
