"""The leaf of a record is what its docstring says, and books hold it: its form never changes."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbook.proof.leaf import BATCH, agent_chain, batch_seal, leaf_data
from meterbook.proof.merkle import leaf_hash
from meterbook.wire import seal, sections
from meterbook.wire.sections import SCHEMA_VERSION
from tests.wire.tables import one_of_each

RECORD: dict[str, Any] = {
    "kind": BATCH,
    "time_us": 1_769_851_800_000_000,
    "chain": agent_chain("shop-agent", 1_769_851_000_000_000),
    "sequence": 7,
    "hash": bytes(range(32)),
}
GOLDEN = "2228770c5d7903f5f5b2adec038b438470fa52c2ac9adbf5fde5a4788514b55c"


def test_the_format_of_a_leaf_has_not_changed() -> None:
    assert leaf_hash(leaf_data(**RECORD)).hex() == GOLDEN


@given(
    st.integers(0, 255),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.text(max_size=30),
    st.integers(0, (1 << 64) - 1),
    st.binary(min_size=32, max_size=32),
)
def test_the_documented_form_is_what_is_made(kind: int, time_us: int, chain: str, sequence: int, hash: bytes) -> None:
    form = b"meterbook leaf v1\0" + struct.pack("<B", kind) + struct.pack("<q", time_us) + struct.pack("<Q", sequence)
    form += struct.pack("<H", len(chain.encode())) + chain.encode() + hash
    data = leaf_data(kind, time_us, chain, sequence, hash)
    assert data == form
    assert leaf_hash(data) == hashlib.sha256(b"\0" + form).digest()


@pytest.mark.parametrize(
    "change",
    [{"kind": 2}, {"time_us": -1}, {"chain": "agent/shop-agent/2"}, {"sequence": 8}, {"hash": bytes(32)}],
    ids=lambda change: next(iter(change)),
)
def test_every_field_is_part_of_the_leaf(change: dict[str, Any]) -> None:
    assert leaf_data(**RECORD | change) != leaf_data(**RECORD)


@pytest.mark.parametrize(
    "change",
    [{"kind": 256}, {"time_us": 1 << 63}, {"chain": "a" * 65_536}, {"sequence": -1}, {"hash": bytes(31)}],
    ids=lambda change: next(iter(change)),
)
def test_a_value_that_does_not_fit_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"record -?\d+ of a"):
        leaf_data(**RECORD | change)


def test_the_chain_of_an_agent() -> None:
    assert agent_chain("shop-agent", 3) == "agent/shop-agent/3"


def test_the_wire_seals_a_batch_with_the_same_hash() -> None:
    content = sections.sections(**one_of_each())
    place = seal.ChainPlace("shop-agent", 3, 7, bytes(range(32)))
    hashes = seal.section_hashes(content)
    assert batch_seal("shop-agent", 3, 7, SCHEMA_VERSION, place.previous_hash, hashes) == seal.batch_hash(
        place, content
    )
    other = replace(place, sequence=8)
    assert batch_seal("shop-agent", 3, 7, SCHEMA_VERSION, place.previous_hash, hashes) != seal.batch_hash(
        other, content
    )


def test_a_place_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="batch 1 of a, epoch 9223372036854775808, schema 1"):
        batch_seal("a", 1 << 63, 1, 1, bytes(32), [])
