"""Records that the Kinesis Producer Library put together are taken apart again, and what only looks like one says so."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.kinesis.aggregated import NotAggregated, UserRecord, is_aggregated, user_records
from tests.collector.datastore.kinesis.following import Agent, event, zipped
from tests.collector.datastore.kinesis.producer import sealed, together
from tests.fakes.aws.kinesis import HASH_MAX, FakeKinesis


def hashed(key: str) -> int:
    return int.from_bytes(hashlib.md5(key.encode()).digest(), "big")


def test_what_another_implementation_made_is_read() -> None:
    """The example in the documentation of ExKpl 0.2.0."""
    made = bytes.fromhex("f3899ac2 0a0d") + b"partition_key" + bytes.fromhex("1a08 0800 1a04") + b"data"
    made += bytes([208, 54, 153, 218, 90, 34, 47, 163, 33, 8, 173, 27, 217, 85, 161, 78])
    assert user_records(made) == [UserRecord(b"data", hashed("partition_key"))]


KEYS = st.one_of(st.none(), st.integers(0, HASH_MAX))


@given(
    st.lists(st.tuples(st.text(max_size=5), KEYS, st.binary(max_size=300)), max_size=8), st.lists(st.text(max_size=3))
)
def test_what_was_put_together_is_taken_apart(records: list[tuple[str, int | None, bytes]], tags: list[str]) -> None:
    made = together(records, tags)
    assert is_aggregated(made)
    assert user_records(made) == [
        UserRecord(data, hashed(key) if hash_key is None else hash_key) for key, hash_key, data in records
    ]


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with suppress(NotAggregated):
        assert all(0 <= each.hash_key < 10**39 for each in user_records(sealed(body)))
    with pytest.raises(NotAggregated, match="checksum"):
        user_records(sealed(body + b"x")[:-1])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\x1a\x04\x08\x00\x1a\x00", "key is not in the table"),
        (b"\x0a\x01k\x1a\x02\x08\x00", "without a key or without data"),
        (b"\x0a\x01k\x1a\x06\x08\x00\x10\x00\x1a\x00", "key is not in the table"),
        (b"\x0a\x01k\x12\x01x\x1a\x06\x08\x00\x10\x00\x1a\x00", "no number of 128 bits"),
        (b"\x0a\x05k", "longer than the message"),
        (b"\x08\x05", "field 1 with wire type 0"),
        (b"\x0a", "cut off"),
        (b"\x3b", "wire type 3"),
    ],
)
def test_what_is_malformed_says_how(body: bytes, reason: str) -> None:
    with pytest.raises(NotAggregated, match=reason):
        user_records(sealed(body))


def test_fields_that_are_not_known_are_passed() -> None:
    body = (
        b"\x28\x07\x31" + b"x" * 8 + b"\x3d" + b"y" * 4 + b"\x42\x01z" + b"\x0a\x01k\x1a\x07\x08\x00\x1a\x01d\x28\x01"
    )
    assert user_records(sealed(body)) == [UserRecord(b"d", hashed("k"))]


def test_user_records_are_events(kinesis: FakeKinesis, agent: Callable[..., Agent]) -> None:
    kinesis.put(together([("k", None, event("a")), ("k", None, zipped("b", "c")), ("l", 0, b"no JSON")]))
    broken = bytearray(together([("k", None, event("d"))]))
    broken[-1] ^= 1
    kinesis.put(bytes(broken))
    one = agent()
    one.settle(3)
    assert [identity for _, identity in one.events] == ["a", "b", "c"]
    sequences = [put.sequence for put in kinesis.open()[0].puts]
    assert [letter.place.partition("@")[2] for letter in one.letters] == [f"{sequences[0]}#4", f"{sequences[1]}#1"]
    assert "its checksum is another one" in one.letters[1].reason


def test_user_records_out_of_place_count_where_they_are_put_once_more(
    kinesis: FakeKinesis, agent: Callable[..., Agent]
) -> None:
    kinesis.create(2)
    kinesis.put(together([("k", 0, event("low")), ("k", HASH_MAX, event("high"))]), hash_key=0)
    kinesis.put(together([("k", HASH_MAX, event("high"))]), hash_key=HASH_MAX)
    one = agent()
    one.settle(3)
    assert sorted((source[-1], identity) for source, identity in one.events) == [("0", "low"), ("1", "high")]
    (letter,) = one.letters
    assert "belongs into another shard" in letter.reason
