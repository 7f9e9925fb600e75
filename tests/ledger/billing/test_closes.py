"""What a close says survives its way into the book and out of it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ledger.billing.closes import Close, closes
from ledger.billing.period import Period
from ledger.metering.gate import Obstacle, SourceHole
from ledger.metering.holes import Hole
from meterbook.ledger.v1 import journal_pb2

TEXTS, COUNTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8), st.integers(0, 1 << 50)
HOLES = st.builds(SourceHole, TEXTS, st.builds(Hole, COUNTS, COUNTS, TEXTS, TEXTS, TEXTS, TEXTS))
KINDS = st.sampled_from(["open", "coverage", "estimated"])
OBSTACLES = st.builds(Obstacle, TEXTS, TEXTS, KINDS, TEXTS, st.lists(HOLES, max_size=2).map(tuple), COUNTS)
CLOSES = st.builds(
    Close,
    period=st.builds(Period, COUNTS, COUNTS),
    zone=TEXTS,
    meters=st.lists(TEXTS, max_size=3).map(tuple),
    at_position=COUNTS,
    judged_us=COUNTS,
    author=TEXTS,
    caller=TEXTS,
    reason=TEXTS,
    is_forced=st.booleans(),
    missing=st.lists(OBSTACLES, max_size=2).map(tuple),
    missing_total=COUNTS,
    position=st.just(7),
)


def row(record: journal_pb2.ActRecord) -> dict[str, Any]:
    return {
        "kind": record.kind, "name": record.name, "document": record.document, "author": record.author, "position": 7,
    }  # fmt: skip


@given(CLOSES)
def test_a_close_comes_back_as_it_was(close: Close) -> None:
    other = journal_pb2.ActRecord(kind="access.issued", name="a", document="{}", author="ada")
    written = journal_pb2.ActRecord.FromString(close.record().SerializeToString())
    assert closes([row(other), row(written)]) == [close]
