"""Frames come back as they were packed, and no other bytes pass for them."""

from __future__ import annotations

import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.journal import frames, record
from ledger.journal.frames import COMMIT_BYTES, RECORD_BYTES, BadFrame, Commit
from ledger.journal.record import CHAIN_BYTES_MAX, Draft, Kind

SEEDS = st.integers(0, 2**32 - 1)
HASHES = st.binary(min_size=32, max_size=32)
DRAFTS = st.builds(
    Draft,
    kind=st.sampled_from(Kind),
    chain=st.text(min_size=1, max_size=200),
    sequence=st.integers(0, 2**64 - 1),
    previous=HASHES,
    hash=HASHES,
    payload=st.binary(max_size=200),
)
COMMITS = st.builds(
    Commit,
    position=st.integers(0, 2**64 - 1),
    count=st.integers(0, 2**32 - 1),
    time_us=st.integers(-(2**63), 2**63 - 1),
    frames_bytes=st.integers(0, 2**64 - 1),
    root=HASHES,
)
ONE = Draft(Kind.RUN, "runs/größe", 7, bytes(range(32)), bytes(range(32, 64)), b"payload")
END = Commit(7, 2, 1_769_851_800_000_000, 400, bytes(range(32)))


def unpack(data: bytes, seed: int) -> Draft:
    return frames.announced(data[:RECORD_BYTES]).complete(data[RECORD_BYTES:], seed)


@given(DRAFTS, SEEDS)
def test_a_record_that_is_packed_is_unpacked(draft: Draft, seed: int) -> None:
    assert unpack(b"".join(frames.pack(draft, seed)), seed) == draft


@given(COMMITS, SEEDS)
def test_a_commit_that_is_packed_is_unpacked(commit: Commit, seed: int) -> None:
    data = frames.pack_commit(commit, seed)
    assert len(data) == COMMIT_BYTES
    assert frames.unpack_commit(data, seed) == commit


def test_the_format_has_not_changed() -> None:
    """As FORMAT.md says; the checksum apart, which is pinned as it was found."""
    name, payload = "runs/größe".encode(), b"payload"
    digest = "239f59ed55e737c77147cf55ad0c1b030b6d7ee748a7426952f9b852d5a935e5"
    assert b"".join(frames.pack(ONE, 9)).hex() == (
        "4d425232" + "6877d6d7" + "07000000" + "03" + "00" + "0c00" + "0700000000000000"
        f"{bytes(range(32)).hex()}{bytes(range(32, 64)).hex()}{digest}{name.hex()}{payload.hex()}"
    )
    assert frames.pack_commit(END, 9).hex() == (
        "4d424332" + "3e008e09" + "0700000000000000" + "02000000" + "00000000" + "0016d8bbab490600" + "9001000000000000"
        f"{bytes(range(32)).hex()}"
    )
    digest = record.payload_hash(Kind.RUN, bytes(32), b"payload")
    assert digest.hex() == "8c20461c569aaef58cc71474f3d9383908766c7d27b54ddf488837c2c7a816e3"


@given(st.integers(0, len(b"".join(frames.pack(ONE, 9))) * 8 - 1))
def test_a_record_with_a_flipped_bit_is_none(bit: int) -> None:
    data = bytearray(b"".join(frames.pack(ONE, 9)))
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadFrame):
        unpack(bytes(data), 9)


@given(st.integers(0, COMMIT_BYTES * 8 - 1))
def test_a_commit_with_a_flipped_bit_is_none(bit: int) -> None:
    data = bytearray(frames.pack_commit(END, 9))
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadFrame):
        frames.unpack_commit(bytes(data), 9)


@given(SEEDS.filter(lambda seed: seed != 9))
def test_a_frame_of_another_segment_is_none(seed: int) -> None:
    with pytest.raises(BadFrame, match="checksum"):
        unpack(b"".join(frames.pack(ONE, 9)), seed)
    with pytest.raises(BadFrame, match="checksum"):
        frames.unpack_commit(frames.pack_commit(END, 9), seed)


def test_a_frame_that_is_cut_off_is_none() -> None:
    data, end = b"".join(frames.pack(ONE, 9)), frames.pack_commit(END, 9)
    for length in range(len(data)):
        with pytest.raises(BadFrame):
            unpack(data[:length], 9)
    for length in range(len(end)):
        with pytest.raises(BadFrame):
            frames.unpack_commit(end[:length], 9)


def test_what_is_announced_is_bounded_before_anything_is_read() -> None:
    data = bytearray(b"".join(frames.pack(ONE, 9))[:RECORD_BYTES])
    data[8:12] = (record.PAYLOAD_BYTES_MAX + 1).to_bytes(4, "little")
    with pytest.raises(BadFrame, match="announces a payload of 268435457 bytes"):
        frames.announced(bytes(data))
    data[8:12], data[14:16] = bytes(4), (CHAIN_BYTES_MAX + 1).to_bytes(2, "little")
    with pytest.raises(BadFrame, match="a name of 1001"):
        frames.announced(bytes(data))


def test_a_kind_that_nobody_knows() -> None:
    data = b"".join(frames.pack(replace(ONE, kind=77), 9))  # type: ignore[arg-type]
    with pytest.raises(BadFrame, match="kind 77 is unknown"):
        frames.announced(data[:RECORD_BYTES])


@pytest.mark.parametrize("chain", ["", "x" * 1_001, "ä" * 501])
def test_a_name_that_does_not_fit(chain: str) -> None:
    with pytest.raises(ValueError, match="not a name of 1 to 1000 bytes"):
        frames.pack(replace(ONE, chain=chain), 9)
    frames.pack(replace(ONE, chain="ä" * 500), 9)


def test_a_name_that_is_no_text() -> None:
    """With a checksum that fits: only a frame that was made so by somebody has that."""
    head, payload = frames.pack(ONE, 9)
    fixed, chain = head[8:RECORD_BYTES], b"\xff" * len(ONE.chain.encode())
    crc = zlib.crc32(chain, zlib.crc32(fixed, 9)).to_bytes(4, "little")
    with pytest.raises(BadFrame, match="its chain's name is not UTF-8"):
        unpack(head[:4] + crc + fixed + chain + payload, 9)


def test_everything_that_a_record_of_the_ledgers_own_says_is_in_its_hash() -> None:
    hashes = {
        record.payload_hash(kind, previous, payload)
        for kind in (Kind.ACT, Kind.RUN, Kind.INVOICE)
        for previous in (bytes(32), bytes(range(32)))
        for payload in (b"", b"\0")
    }
    assert len(hashes) == 12
    made = record.follow(Kind.ACT, "acts", record.Head(4, bytes(32), 9), b"x")
    assert (made.sequence, made.previous) == (5, bytes(32))
    assert made.check_hash()
    assert not replace(made, payload=b"y").check_hash()
    assert not replace(made, kind=Kind.RUN).check_hash()


def test_a_payload_that_is_too_large_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "PAYLOAD_BYTES_MAX", 10)
    with pytest.raises(ValueError, match="payload of 11 bytes is over 10"):
        replace(ONE, payload=b"x" * 11)
    replace(ONE, payload=b"x" * 10)
