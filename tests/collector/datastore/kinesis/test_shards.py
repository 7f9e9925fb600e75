"""Which shards are followed, from where on, and how long: told from one listing to the next."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.kinesis.shards import Shards, followed, from_json
from collector.datastore.kinesis.stream import Listed
from collector.readings import Window

FIRST, LATER, LAST = Window(100, 200), Window(300, 400), Window(500, 600)


def listed(*names: str, first: str = "1") -> list[Listed]:
    return [Listed(name, (), first, 0, (1 << 128) - 1) for name in names]


def begun(shards: Shards) -> dict[str, tuple[int, int | None]]:
    return {name: (shard.since_us, shard.begin_us) for name, shard in shards.by_id.items()}


def test_at_first_sight_they_begin_as_configured() -> None:
    assert begun(followed(None, listed("a"), (), FIRST, "trim_horizon")) == {"a": (100, None)}
    assert begun(followed(None, listed("a"), (), FIRST, "latest")) == {"a": (100, 100)}
    assert begun(followed(None, listed("a"), (), FIRST, 70)) == {"a": (70, 70)}
    assert begun(followed(None, listed("a"), (), FIRST, 150)) == {"a": (100, 150)}


def test_what_comes_later_is_read_from_its_first_record() -> None:
    before = followed(None, listed("a"), (), FIRST, "latest")
    after = followed(before, listed("a", "b"), (), LATER, "latest")
    assert begun(after) == {"a": (100, 100), "b": (100, None)}, "b was not there at the first listing"
    assert after.missing_in(before)
    assert not before.missing_in(after)
    assert begun(followed(after, listed("a", "b", "c"), (), LAST, "latest"))["c"] == (300, None)


def test_what_is_read_to_its_end_is_kept_while_it_is_listed() -> None:
    before = followed(None, listed("a", "b"), (), FIRST, "latest")
    read = followed(before, listed("a", "b"), [("a", "1")], LATER, "latest")
    assert [name for name, shard in read.by_id.items() if shard.is_read] == ["a"]
    assert set(followed(read, listed("b"), (), LAST, "latest").by_id) == {"b"}
    assert set(followed(before, listed("b"), [("a", "1")], LAST, "latest").by_id) == {"b"}


def test_what_was_not_read_is_kept_though_it_is_not_listed() -> None:
    before = followed(None, listed("a"), (), FIRST, "latest")
    assert set(followed(before, listed("b"), (), LATER, "latest").by_id) == {"a", "b"}


def test_another_shard_of_the_same_id_begins_anew() -> None:
    before = followed(None, listed("a"), (), FIRST, "latest")
    after = followed(before, listed("a", first="2"), [("a", "1")], LATER, "latest")
    assert begun(after) == {"a": (100, None)}
    assert not after.by_id["a"].is_read
    assert after.missing_in(before)


@given(
    st.lists(
        st.builds(
            Listed,
            st.text("ab0-", min_size=1),
            st.lists(st.text("ab")).map(tuple),
            st.text("0123"),
            st.integers(0, (1 << 128) - 1),
            st.integers(0, (1 << 128) - 1),
        )
    ),
    st.sampled_from(["trim_horizon", "latest", 7]),
)
def test_the_checkpoint_carries_them(rows: list[Listed], start_at: Any) -> None:
    shards = followed(None, rows, (), FIRST, start_at)
    text = json.dumps(shards.as_json())
    assert from_json(json.loads(text)) == shards
    assert json.loads(text, parse_int=float) == json.loads(text), "no number is too large for others' JSON"
