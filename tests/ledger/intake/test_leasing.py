"""What agents may ask for as readers."""

from __future__ import annotations

import pytest

from ledger.intake.contents import IntakeLimits
from ledger.intake.leasing import Leasing
from ledger.intake.refusals import Refused
from ledger.journal.leases import LEASE_S, OwnLeases
from meterbook.intake.v1 import intake_pb2

LIMITS = IntakeLimits(leases_per_agent_max=2)


def test_leases_are_told_of_with_their_holders() -> None:
    leasing = Leasing(OwnLeases(), LIMITS)
    assert not leasing.answer(intake_pb2.LeaseRequest(agent="one", sources=["a", "b"])).held
    answer = leasing.answer(intake_pb2.LeaseRequest(agent="two", sources=["b"]))
    assert [(each.source, each.agent) for each in answer.held] == [("b", "one")]
    assert answer.duration_s == LEASE_S


@pytest.mark.parametrize(
    ("agent", "sources", "message", "limit"),
    [
        ("No Name", ["a"], "lease: agent 'No Name' is not a name", ""),
        ("one", ["a", "b", "c"], "lease: 3 sources, more than leases_per_agent_max 2", "leases_per_agent_max"),
        ("one", [""], "lease: source '' has 0 characters", ""),
        ("one", ["a" * 1_025], "has 1025 characters, not 1 to 1024", ""),
    ],
)
def test_what_is_refused(agent: str, sources: list[str], message: str, limit: str) -> None:
    with pytest.raises(Refused, match=message) as refused:
        Leasing(OwnLeases(), LIMITS).answer(intake_pb2.LeaseRequest(agent=agent, sources=sources))
    assert refused.value.limit == limit
