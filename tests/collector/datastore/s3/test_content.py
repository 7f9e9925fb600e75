"""An object says the same however it is cut, and wherever one begins again."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.inflate import Damaged
from collector.datastore.parsing import EventParsing
from collector.datastore.s3.content import Content, Cuts, Portion, Position, from_json

LINE = '{{"id":"{}","source":"s","type":"t","time":"2026-01-01T00:00:00Z","data":{{"value":{}}}}}'
LONG = 200
KINDS = {"event": "", "blank": "", "garbage": "not JSON", "long": "x" * (LONG + 1)}


def content(kinds: list[str]) -> list[str]:
    return [LINE.format(number, number) if kind == "event" else KINDS[kind] for number, kind in enumerate(kinds)]


def cut(whole: bytes, size: int) -> Iterator[bytes]:
    return (whole[start : start + size] for start in range(0, len(whole), size))


def read(plain: Iterator[bytes], at: Position, block_bytes: int) -> list[Portion]:
    parsing = EventParsing("s3/usage", "value")
    return list(Content(parsing, "s3/usage", "s3://usage/a", Cuts(block_bytes, LONG)).portions(plain, at))


@given(
    kinds=st.lists(st.sampled_from(sorted(KINDS)), max_size=30),
    ends=st.booleans(),
    size=st.integers(1, 400),
    block_bytes=st.integers(LONG + 1, 1_000),
    data=st.data(),
)
def test_any_cut_and_any_stop(kinds: list[str], ends: bool, size: int, block_bytes: int, data: st.DataObject) -> None:
    lines = content(kinds)
    whole = "\n".join(lines).encode() + (b"\n" if ends and lines else b"")
    found, at = list[Portion](), Position()
    while not found or not found[-1].is_last:
        some = read(cut(whole, size), at, block_bytes)
        some = some[: data.draw(st.integers(1, len(some)))]
        found += some
        at = from_json(some[-1].at.as_json())
    events = pa.concat_tables(portion.events for portion in found)
    assert events["id"].to_pylist() == [str(number) for number, kind in enumerate(kinds) if kind == "event"]
    letters = [(letter.place, letter.reason[:12]) for portion in found for letter in portion.letters]
    reasons = {"garbage": "the line is ", "long": "the line is "}
    assert letters == [
        (f"s3://usage/a:{number + 1}", reasons[kind]) for number, kind in enumerate(kinds) if kind in reasons
    ]
    assert sum(portion.bytes for portion in found) == at.offset
    assert at.offset - len(whole) in (0, 1), "the last line may have got its end"


def test_what_comes_before_the_damage_is_read_and_what_is_cut_is_not() -> None:
    def broken() -> Iterator[bytes]:
        yield (LINE.format(1, 1) + "\n" + LINE.format(2, 2) + "\n" + LINE.format(3, 3)[:40]).encode()
        raise Damaged("it ends within its gzip data")

    (first, last) = read(broken(), Position(), 4_000)
    assert first.events["id"].to_pylist() == ["1", "2"]
    assert (last.events.num_rows, last.is_last, last.damage) == (0, True, "it ends within its gzip data")
    assert [(letter.place, letter.reason) for letter in last.letters] == [("s3://usage/a:3", last.damage)]
