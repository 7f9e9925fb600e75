"""An amendment is an act: what its document says is what is read from it, and what the tables hold."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ledger.journal.amendment import AMENDED, AMENDMENTS_CHAIN, Amendment, EventState
from ledger.journal.derive import derive, initial_state
from ledger.journal.record import NO_HEAD, Kind, Record, follow
from meterbook.ledger.v1 import journal_pb2
from tests.ledger.batches import DAY

BEFORE = EventState("acme", DAY, Decimal("1.5"), '{"size":"xl"}')
AMENDMENT = Amendment(
    "shop", "17", "logfile", "sale", BEFORE, replace(BEFORE, tenant="blue"), "typed wrong", "digest", "k"
)

texts = st.text(st.characters(codec="utf-8"), max_size=9)
values = st.integers(-(2**62) * 10**9 + 1, 2**62 * 10**9 - 1).map(lambda nano: Decimal(nano).scaleb(-9))
states = st.builds(EventState, texts, st.integers(0, DAY), values, texts, st.booleans())


@given(st.builds(Amendment, texts, texts, texts, texts, states, states, texts, texts, texts))
def test_what_is_written_is_what_is_read(amendment: Amendment) -> None:
    assert Amendment.of(amendment.document) == amendment


def test_the_tables_hold_it_beside_the_act() -> None:
    act = journal_pb2.ActRecord(author="ada", kind=AMENDED, name=AMENDMENT.name, document=AMENDMENT.document)
    draft = follow(Kind.ACT, AMENDMENTS_CHAIN, NO_HEAD, act.SerializeToString())
    rows, _ = derive([Record(1, DAY, draft)], initial_state())
    (row,) = rows["amendments"].to_pylist()
    assert (row["source"], row["id"], row["origin"], row["type"]) == ("shop", "17", "logfile", "sale")
    assert (row["tenant"], row["value"], row["properties"], row["is_void"]) == (
        "blue",
        Decimal("1.5"),
        '{"size":"xl"}',
        0,
    )
    assert (row["tenant_before"], row["author"], row["position"]) == ("acme", "ada", 1)
    assert row["time"] == row["time_before"]
    assert rows["acts"]["name"].to_pylist() == ["shop 17"]
