"""Pages and events: what is read of them is what a JSON parser reads, and everything else is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.cluster.listing import Page, event, page
from collector.cluster.refusals import Garbled

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=4), VALUES, max_size=3)


def read(body: bytes) -> tuple[list[dict[str, Any]], Page]:
    taken: list[dict[str, Any]] = []
    return taken, page("here", body, taken.append)


@given(
    items=st.lists(OBJECTS, max_size=4),
    others=st.dictionaries(st.text(max_size=4), VALUES, max_size=3),
    last=st.booleans(),
    indent=st.sampled_from([None, 0, 2]),
)
def test_a_page_is_read_whole_whatever_stands_around_the_items(
    items: list[dict[str, Any]], others: dict[str, Any], last: bool, indent: int | None
) -> None:
    metadata = {"metadata": {"resourceVersion": "7", "continue": "next"}}
    fields = {**others, "items": items, **metadata} if last else {**metadata, **others, "items": items}
    taken, found = read(json.dumps(fields, indent=indent).encode())
    assert taken == items
    assert found == Page("7", "next")


def test_a_list_of_nothing() -> None:
    assert read(b'{"metadata":{"resourceVersion":"7"},"items":null}') == ([], Page("7", ""))
    assert read(b'{"metadata":{"resourceVersion":"7"}}') == ([], Page("7", ""))


@given(st.data())
def test_a_page_that_is_cut_off_is_refused(data: st.DataObject) -> None:
    body = b'{"kind":"PodList","metadata":{"resourceVersion":"7"},"items":[{"a":1},{"b":[2]}]}'
    with pytest.raises(Garbled, match="here answered what is not a JSON object"):
        read(body[: data.draw(st.integers(0, len(body) - 1))])


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b'{"metadata":[],"items":[]}',
        b'{"items":[]}',
        b'{"metadata":{},"items":[]}',
        b'{"metadata":{"resourceVersion":7},"items":[]}',
        b'{"metadata":{"resourceVersion":"7"},"items":[1]}',
        b'{"metadata":{"resourceVersion":"7"},"items":[{} {}]}',
        b'{"metadata":{"resourceVersion":"7"},"items":[{},]}',
        b'{"metadata":{"resourceVersion":"7"} "items":[]}',
        b'{"metadata":{"resourceVersion":"\xff"},"items":[]}',
        b'{"a":' + b"[" * 100_000,
    ],
)
def test_what_is_no_page(body: bytes) -> None:
    with pytest.raises(Garbled, match=r"^here "):
        read(body)


def test_what_the_taker_raises_is_its_own() -> None:
    def take(_: dict[str, Any]) -> None:
        raise KeyError("a")

    with pytest.raises(KeyError):
        page("here", b'{"items":[{}]}', take)


@given(st.binary(max_size=40))
def test_an_event_is_one_or_refused(line: bytes) -> None:
    with pytest.raises(Garbled, match=r"^here "):
        event("here", line)
    assert event("here", b'{"type":"ADDED","object":{"a":1}}').document == {"a": 1}
