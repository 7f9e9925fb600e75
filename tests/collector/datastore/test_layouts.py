"""Lines of one layout are taken apart into the very texts that were written, and no other line is taken for one of them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from collector.datastore.layouts import Group, Hole, Layouts, Places, learnt

NAMES = st.sampled_from(["id", "type", "data", "value", "é"])
TEXTS = st.text(st.characters(min_codepoint=32, exclude_characters='"\\', exclude_categories=["Cs"]), max_size=6)
LEAVES = st.one_of(TEXTS, st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none())
DOCUMENTS = st.dictionaries(
    NAMES, st.recursive(LEAVES, lambda inner: st.dictionaries(NAMES, inner, max_size=3) | st.lists(inner, max_size=2))
)


def edges(lines: list[bytes]) -> tuple[Places, Places]:
    """Where each line starts and ends when they are joined by line feeds."""
    lengths = np.array([len(line) for line in lines], np.int64)
    ends = np.cumsum(lengths + 1) - 1
    return ends - lengths, ends


def split(lines: list[bytes]) -> tuple[list[Group], list[int]]:
    groups, left = Layouts().split(b"\n".join([*lines, b""]), *edges(lines))
    return groups, left.tolist()


def filled(document: Any, texts: list[str]) -> Any:
    """A layout's document with what stands in its holes."""
    match document:
        case Hole(number, is_text):
            return texts[number] if is_text else json.loads(texts[number])
        case dict():
            return {name: filled(member, texts) for name, member in document.items()}
        case list():
            return [filled(member, texts) for member in document]
        case _:
            return document


@given(st.lists(st.tuples(DOCUMENTS, st.booleans()), max_size=8))
def test_every_line_that_is_taken_apart_can_be_put_together(documents: list[tuple[dict[str, Any], bool]]) -> None:
    lines = [
        json.dumps(document, ensure_ascii=False, separators=(",", ":") if dense else None).encode()
        for document, dense in documents
    ]
    groups, left = split(lines)
    seen = list(left)
    for group in groups:
        for place, row in enumerate(group.rows.tolist()):
            texts = [column[place].as_py() for column in group.columns]
            assert filled(group.layout.document, texts) == json.loads(lines[row])
            seen.append(row)
    assert sorted(seen) == list(range(len(lines)))


@given(st.binary(max_size=40).filter(lambda line: b"\n" not in line))
@example(b'{12:"x"}')
@example(b'{"a":"x"5}')
@example(b'{"\x01":1}')
@example(b"[" * 40)
def test_a_line_that_is_no_json_has_no_layout(line: bytes) -> None:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        groups, left = split([line])
        numbers = [text for group in groups for column in group.columns for text in column.to_pylist()]
        # Only what stands where a number belongs is left to whoever asks.
        assert left == [0] or any(not _is_number(text) for text in numbers)


def _is_number(text: str) -> bool:
    try:
        return isinstance(json.loads(text), int | float)
    except ValueError:
        return False


def test_lines_of_several_programs() -> None:
    one = [b'{"id":"%d","n":%d}' % (number, number) for number in range(5)]
    other = [b'{"n": %d.5, "id": "x%d", "on": true}' % (number, number) for number in range(3)]
    groups, left = split(
        [one[0], other[0], one[1], b"", one[2], b'{"id":"a\\n","n":1}', other[1], one[3], other[2], one[4]]
    )
    assert [(group.rows.tolist(), [column.to_pylist() for column in group.columns]) for group in groups] == [
        ([0, 2, 4, 7, 9], [["0", "1", "2", "3", "4"], ["0", "1", "2", "3", "4"]]),
        ([1, 6, 8], [["0.5", "1.5", "2.5"], ["x0", "x1", "x2"]]),
    ]
    assert left == [3, 5]


def test_literals_are_a_part_of_the_layout() -> None:
    groups, left = split([b'{"on":true}', b'{"on":false}', b'{"on":"x"}', b'{"on":"y"}'])
    assert [group.rows.tolist() for group in groups] == [[2, 3]]
    assert left == [0, 1]


def test_several_numbers_between_two_texts_have_no_layout() -> None:
    assert learnt(b'{"a":[1,2]}') is None
    assert learnt(b'{"a":1,"b":2}') is not None


def test_layouts_are_remembered() -> None:
    layouts = Layouts()
    lines = [b'{"id":"a"}', b'{"id":"b"}']
    (first,), _ = layouts.split(b"\n".join([*lines, b""]), *edges(lines))
    (second,), _ = layouts.split(b"\n".join([*lines, b""]), *edges(lines))
    assert first.layout is second.layout


def test_layouts_without_end_are_given_up() -> None:
    lines = [b'{"n%d":"x"}' % number for number in range(200)]
    groups, left = split(lines)
    assert len(groups) == 64
    assert len(left) == 136


def test_a_block_may_have_fewer_quotes_than_a_layout_that_is_remembered() -> None:
    layouts = Layouts()
    for lines in ([b'{"a":"1","b":"2"}'], [b'{"a":"1"}', b'{"a":"2"}']):
        groups, left = layouts.split(b"\n".join([*lines, b""]), *edges(lines))
        assert (len(groups), len(left)) == (1, 0)


def test_members_that_hide_each_other_have_no_layout() -> None:
    assert learnt(b'{"value":1,"value":2}') is None
