"""What lines are called that have no id: by what stands before them, the same however they are read."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.lines import cut
from collector.datastore.logfile.places import HEAD_BYTES, key_of, names

line = st.one_of(st.binary(max_size=20), st.just(b"x" * 1500), st.just(b" ")).map(
    lambda text: text.replace(b"\n", b"") + b"\n"
)
contents = st.lists(line, max_size=12).map(b"".join)


def called(content: bytes, cuts: list[int], place: str = "logs", ordinal: int = 0) -> list[str]:
    """The names of all lines of a file that is there as a whole, read in some pieces."""
    found: list[str] = []
    offset = 0
    for end in [*sorted(min(each, len(content)) for each in cuts), len(content)]:
        chunk = content[offset : max(end, offset)]
        pieces = cut(chunk, offset, skipping=False, line_bytes_max=10_000, lines_max=100)
        # As it was when it was read: more may have come since.
        head = content[: min(max(end, offset), HEAD_BYTES)]
        found += names(place, ordinal, head, offset, pieces.starts, pieces.ends)(pieces.starts).to_pylist()
        offset = pieces.offset
    return found


@given(content=contents, cuts=st.lists(st.integers(0, 20_000), max_size=5))
def test_names_do_not_depend_on_how_the_file_is_read(content: bytes, cuts: list[int]) -> None:
    found = called(content, cuts)
    assert found == called(content, [])
    assert len(set(found)) == content.count(b"\n")


@given(one=contents, other=contents)
def test_lines_of_two_files_share_a_name_only_where_all_before_is_the_same(one: bytes, other: bytes) -> None:
    shared = set(called(one, [])) & set(called(other, []))
    for name in shared:
        start = int(name.rpartition("#")[2])
        end = min(one.index(b"\n", start) + 1, HEAD_BYTES)
        assert one[:end] == other[:end]


def test_names_are_held_in_books() -> None:
    content = b"first\n" + b"y" * 5000 + b"\nlast\n"
    assert called(content, [], "logfile//var/log/a.log") == [
        "logfile//var/log/a.log@b640e840b19d378660b32fb51ae18d67#0",
        "logfile//var/log/a.log@afc6c624c15b899881e3e53c76084080#6",
        "logfile//var/log/a.log@afc6c624c15b899881e3e53c76084080#5007",
    ]
    assert called(b"first\n", [], "web-1", ordinal=2) == ["web-1@b640e840b19d378660b32fb51ae18d67.2#0"]


def test_rows_may_be_asked_for_in_any_order() -> None:
    content = b"a\nb\nc\n"
    pieces = cut(content, 0, skipping=False, line_bytes_max=10, lines_max=10)
    ask = names("logs", 0, content, 0, pieces.starts, pieces.ends)
    assert ask(np.array([4, 0])).to_pylist() == ask(pieces.starts).to_pylist()[::-2]
    assert ask(np.array([], np.int64)).to_pylist() == []


def test_a_file_is_known_as_soon_as_its_first_record_ends() -> None:
    assert key_of(b"", has_header=False) == ""
    assert key_of(b"\n \nfirst", has_header=False) == ""
    known = key_of(b"\n \nfirst\n", has_header=False)
    assert known == key_of(b"\n \nfirst\nmore\n", has_header=False) != ""
    assert key_of(b"time,value\n", has_header=True) == ""
    assert key_of(b"time,value\n1,2\n", has_header=True) not in ("", key_of(b"time,value\n1,3\n", has_header=True))
    assert key_of(b"z" * HEAD_BYTES, has_header=True) == key_of(b"z" * 2 * HEAD_BYTES, has_header=False) != ""
