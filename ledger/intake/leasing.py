"""Leases as agents ask for them: within bounds, and with names that can be those of agents and sources."""

from __future__ import annotations

from ledger.intake.chains import check_agent
from ledger.intake.contents import IntakeLimits
from ledger.intake.refusals import Refused
from ledger.journal.leases import LEASE_S, Leases
from meterbook.intake.v1 import intake_pb2

_NAME_CHARS_MAX = 1_024


class Leasing:
    """Answers who reads what."""

    def __init__(self, leases: Leases, limits: IntakeLimits) -> None:
        self._leases, self._limits = leases, limits

    def answer(self, request: intake_pb2.LeaseRequest) -> intake_pb2.LeaseResponse:
        """Raises Refused, and LogUnavailable where nobody can tell just now."""
        check_agent(request.agent, "lease")
        allowed = self._limits.leases_per_agent_max
        if len(request.sources) > allowed:
            raise Refused(
                intake_pb2.REFUSAL_CODE_TOO_LARGE,
                f"lease: {len(request.sources)} sources, more than leases_per_agent_max {allowed}",
                "leases_per_agent_max",
            )
        for source in request.sources:
            if not 0 < len(source) <= _NAME_CHARS_MAX:
                raise Refused(
                    intake_pb2.REFUSAL_CODE_MALFORMED,
                    f"lease: source {source[:80]!r} has {len(source)} characters, not 1 to {_NAME_CHARS_MAX}",
                )
        held = self._leases.take(request.agent, request.sources)
        return intake_pb2.LeaseResponse(
            held=[intake_pb2.HeldSource(source=source, agent=agent) for source, agent in sorted(held.items())],
            duration_s=LEASE_S,
        )
