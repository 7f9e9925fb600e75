"""Why a source was not wholly observed: every hole with its agent, its reason, and whether something can still come.

An agent tells of what it could not see, and a record of that is a hole even if another agent saw the source meanwhile: then nothing is
missing, and that is what its outlook says. Where nobody tells anything, the agent is silent: what it has spooled may still come.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.metering.observation import Observation

#: Nobody has told anything of an interval: no status that an agent would send.
SILENT = "silent"
_OUTLOOKS = {
    SILENT: "it comes when the agent delivers what it has spooled",
    "lost": "it never comes: what was known of it is gone",
}
_SEEN = "nothing is missing: it was observed by another agent"
_NEVER = "what counters added is booked as estimated, what gauges were never comes"


@dataclass(frozen=True)
class Hole:
    """[start_us, end_us) of a source, as far as it was asked about; ``outlook`` says whether it can still be filled."""

    start_us: int
    end_us: int
    status: str
    reason: str
    agent: str
    outlook: str

    @property
    def is_missing(self) -> bool:
        """Whether anything of it is missing: another agent may have seen all of it."""
        return self.outlook != _SEEN


def holes(observation: Observation, source: str, start_us: int, end_us: int) -> list[Hole]:
    """The holes of a source in [start, end), by their beginning."""
    found = []
    for row in observation.troubles(source):
        # Expected time may end before the record does: what is not expected is nobody's to observe.
        length_us = row["end_us"] - row["start_us"]
        is_seen = observation.between(source, row["start_us"], row["end_us"])[0] == length_us
        outlook = _SEEN if is_seen else _OUTLOOKS.get(row["status"], _NEVER)
        found.append(Hole(row["start_us"], row["end_us"], row["status"], row["reason"], row["agent"], outlook))
    agent = observation.agent(source)
    found += [
        Hole(low_us, high_us, SILENT, f"agent {agent} has told nothing of it", agent, _OUTLOOKS[SILENT])
        for low_us, high_us in observation.silences(source, start_us, end_us)
    ]
    return sorted(found, key=lambda hole: (hole.start_us, hole.end_us, hole.status, hole.agent))
