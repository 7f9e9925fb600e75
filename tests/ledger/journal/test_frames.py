"""A record comes back as it was packed, and no other bytes pass for one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.journal import frames
from ledger.journal.frames import BadFrame, Kind, Record

SEEDS = st.integers(0, 2**32 - 1)
RECORDS = st.builds(
    Record,
    kind=st.sampled_from(Kind),
    position=st.integers(0, 2**64 - 1),
    time_us=st.integers(-(2**63), 2**63 - 1),
    settled=st.integers(0, 2**64 - 1),
    head=st.binary(min_size=32, max_size=32),
    payload=st.binary(max_size=200),
)
ONE = Record(Kind.RUN, 7, 1_769_851_800_000_000, 5, bytes(range(32)), b"payload")


@given(RECORDS, SEEDS)
def test_what_is_packed_is_unpacked(record: Record, seed: int) -> None:
    data = frames.pack(record, seed)
    found, length = frames.unpack(data[: frames.HEADER_BYTES], seed)
    assert found == replace(record, payload=b"")
    assert data[frames.HEADER_BYTES :] == record.payload
    assert length == len(record.payload)


def test_the_format_has_not_changed() -> None:
    assert frames.pack(ONE, 9).hex() == (
        "4d4252315e161de90700000003000000"
        "07000000000000000016d8bbab4906000500000000000000" + bytes(range(32)).hex() + b"payload".hex()
    )
    head = frames.next_head(bytes(32), Kind.BATCH, 1, 2, b"payload")
    assert head.hex() == "bfdbab193cdf4bf7798a3b150b1dc9da7f139368737e3b7bc0347087a7a55af4"


@given(st.integers(0, frames.HEADER_BYTES * 8 - 1))
def test_a_header_with_a_flipped_bit_is_no_header(bit: int) -> None:
    data = bytearray(frames.pack(ONE, 9)[: frames.HEADER_BYTES])
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadFrame):
        frames.unpack(bytes(data), 9)


@given(SEEDS.filter(lambda seed: seed != 9))
def test_a_header_of_another_segment_is_no_header(seed: int) -> None:
    with pytest.raises(BadFrame, match="checksum"):
        frames.unpack(frames.pack(ONE, 9)[: frames.HEADER_BYTES], seed)


@given(st.integers(0, frames.HEADER_BYTES - 1))
def test_a_header_that_is_cut_off_is_no_header(length: int) -> None:
    with pytest.raises(BadFrame):
        frames.unpack(frames.pack(ONE, 9)[:length], 9)


def test_a_kind_that_nobody_knows() -> None:
    data = frames.pack(replace(ONE, kind=77), 9)  # type: ignore[arg-type]
    with pytest.raises(BadFrame, match="kind 77 is unknown"):
        frames.unpack(data[: frames.HEADER_BYTES], 9)


def test_everything_that_a_record_says_is_in_its_head() -> None:
    heads = {
        frames.next_head(head, kind, position, time_us, payload)
        for head in (bytes(32), bytes(range(32)))
        for kind in (Kind.BATCH, Kind.RUN)
        for position in (1, 2)
        for time_us in (-1, 3)
        for payload in (b"", b"\0")
    }
    assert len(heads) == 32


def test_a_record_follows_from_the_one_before() -> None:
    head = frames.next_head(ONE.head, Kind.BATCH, 8, 1, b"x")
    record = Record(Kind.BATCH, 8, 1, 7, head, b"x")
    frames.check_follows(record, 8, ONE.head)
    for changed, position, before in (
        (replace(record, payload=b"y"), 8, ONE.head),
        (replace(record, time_us=2), 8, ONE.head),
        (replace(record, kind=Kind.RUN), 8, ONE.head),
        (record, 9, ONE.head),
        (record, 8, bytes(32)),
    ):
        with pytest.raises(BadFrame):
            frames.check_follows(changed, position, before)
