"""Of what is offered only what follows is let in, whatever else is offered with it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.journal.errors import Overtaken
from ledger.journal.fence import admit
from ledger.journal.record import NO_HEAD, Draft, Head, Kind
from tests.ledger.journal.logs import drafts

ONE, TWO, THREE = drafts(b"one", b"two", b"three", chain="agent/shop/1")
RIVAL = drafts(b"rival", chain="agent/shop/1", head=Head(1, ONE.hash, 0))[0]
OTHER = drafts(b"other", chain="runs/m")[0]
HEADS = {"agent/shop/1": Head(1, ONE.hash, 7)}


def told(offered: list[Draft], heads: dict[str, Head], position: int = 10) -> list[int | None]:
    outcomes = admit(offered, heads, position).outcomes
    return [outcome if isinstance(outcome, int) else None for outcome in outcomes]


def test_what_follows_is_let_in_from_a_position_on() -> None:
    found = admit([TWO, OTHER, THREE], HEADS, 10)
    assert (found.drafts, found.outcomes) == ([TWO, OTHER, THREE], [10, 11, 12])
    assert found.heads == {"agent/shop/1": Head(3, THREE.hash, 12), "runs/m": Head(1, OTHER.hash, 11)}
    assert {"agent/shop/1": Head(1, ONE.hash, 7)} == HEADS


def test_the_head_again_is_told_its_position() -> None:
    found = admit([ONE, ONE], HEADS, 10)
    assert (found.drafts, found.heads, found.outcomes) == ([], {}, [7, 7])


def test_what_is_twice_in_a_group_is_written_once() -> None:
    found = admit([TWO, TWO, OTHER, TWO, OTHER], HEADS, 10)
    assert (found.drafts, found.outcomes) == ([TWO, OTHER], [10, 10, 11, 10, 11])


@pytest.mark.parametrize(
    ("offered", "outcomes"),
    [
        ([THREE], [None]),
        ([THREE, TWO], [None, 10]),
        ([TWO, RIVAL], [10, None]),
        ([RIVAL, TWO, THREE], [10, None, None]),
        # What was overwritten as the head is not looked for any further back.
        ([TWO, ONE], [10, None]),
        ([replace(TWO, previous=bytes(32))], [None]),
        ([replace(ONE, hash=bytes(32))], [None]),
    ],
)
def test_what_does_not_follow_is_overtaken(offered: list[Draft], outcomes: list[int | None]) -> None:
    assert told(offered, HEADS) == outcomes


def test_nothing_is_no_record_that_was_committed_before() -> None:
    assert told([replace(ONE, sequence=0, hash=NO_HEAD.hash)], {}) == [None]


@pytest.mark.parametrize(
    ("draft", "message"),
    [
        (THREE, "agent/shop/1: record 3 does not follow 1, the last one held"),
        (
            replace(TWO, previous=bytes(32)),
            f"agent/shop/1: record 2 follows hash {'0' * 16}, not {ONE.hash.hex()[:16]}",
        ),
    ],
)
def test_the_fault_says_where_the_chain_stands(draft: Draft, message: str) -> None:
    (outcome,) = admit([draft], HEADS, 10).outcomes
    assert isinstance(outcome, Overtaken)
    assert str(outcome) == message


OFFERED = st.lists(
    st.builds(
        Draft,
        kind=st.just(Kind.ACT),
        chain=st.sampled_from("ab"),
        sequence=st.integers(0, 4),
        previous=st.sampled_from([NO_HEAD.hash, b"x" * 32, b"y" * 32]),
        hash=st.sampled_from([NO_HEAD.hash, b"x" * 32, b"y" * 32]),
        payload=st.just(b""),
    ),
    max_size=12,
)


@given(OFFERED, st.data())
def test_it_does_not_matter_how_drafts_are_grouped(offered: list[Draft], data: st.DataObject) -> None:
    together = admit(offered, {}, 1)
    heads: dict[str, Head] = {}
    written: list[Draft] = []
    outcomes: list[int | None] = []
    while offered:
        size = data.draw(st.integers(1, len(offered)))
        found = admit(offered[:size], heads, len(written) + 1)
        heads.update(found.heads)
        written += found.drafts
        outcomes += [each if isinstance(each, int) else None for each in found.outcomes]
        offered = offered[size:]
    assert (written, heads) == (together.drafts, together.heads)
    assert outcomes == [each if isinstance(each, int) else None for each in together.outcomes]
    for chain in "ab":
        own = [draft for draft in written if draft.chain == chain]
        assert [draft.sequence for draft in own] == list(range(1, len(own) + 1))
