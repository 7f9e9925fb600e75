"""Closes: the acts by which an operator says that the usage of a period is what it is.

A close changes nothing in the book. It names the position at which the book was judged, and since every answer can be asked for as of a
position, what the period came to at its close can be told for ever, and what was corrected since is the difference to it. A meter is
closed once for a period; there is no way to open it again, and none is needed.

Closes have a chain of their own in the log, so that of two that are written at the same time one follows the other, having read
it. The kind of the act and its document:

``period.closed``  start_us, end_us, zone, meters, at_position, judged_us, caller, reason, forced, missing, missing_total
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ledger.billing.period import Period
from ledger.metering.gate import Obstacle, SourceHole
from ledger.metering.holes import Hole
from meterbook.ledger.v1 import journal_pb2
from meterbook.wire import instants

PERIODS_CHAIN = "periods"
_CLOSED = "period.closed"
#: The acts that ``closes`` wants to see.
CLOSE_KINDS = (_CLOSED,)
#: Obstacles that a close keeps; how many there were is always told.
OBSTACLES_MAX = 1_000


@dataclass(frozen=True)
class Close:
    """One close of a period for some meters.

    The book was judged as of ``at_position``, at ``judged_us`` by the clock of the ledger; ``position`` is where the close itself
    stands (0 before it is written). ``author`` is who closed as the request says, ``caller`` as the ledger knows. ``missing`` is what was
    in the way, of ``missing_total`` obstacles, where it was closed by force.
    """

    period: Period
    zone: str
    meters: tuple[str, ...]
    at_position: int
    judged_us: int
    author: str
    caller: str
    reason: str = ""
    is_forced: bool = False
    missing: tuple[Obstacle, ...] = ()
    missing_total: int = 0
    position: int = 0

    def record(self) -> journal_pb2.ActRecord:
        """The act as the log keeps it."""
        document = {
            "start_us": self.period.start_us,
            "end_us": self.period.end_us,
            "zone": self.zone,
            "meters": self.meters,
            "at_position": self.at_position,
            "judged_us": self.judged_us,
            "caller": self.caller,
            "reason": self.reason,
            "forced": self.is_forced,
            "missing": [asdict(each) for each in self.missing],
            "missing_total": self.missing_total,
        }
        return journal_pb2.ActRecord(
            author=self.author,
            kind=_CLOSED,
            name=f"{instants.text(self.period.start_us)}/{instants.text(self.period.end_us)}",
            document=json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
        )


def closes(acts: Iterable[Mapping[str, Any]]) -> list[Close]:
    """The closes among some acts, oldest first; rows as ``View.acts`` gives them, of any kind."""
    return [_close(act) for act in acts if act["kind"] == _CLOSED]


def _close(act: Mapping[str, Any]) -> Close:
    told = json.loads(act["document"])
    return Close(
        period=Period(told["start_us"], told["end_us"]),
        zone=told["zone"],
        meters=tuple(told["meters"]),
        at_position=told["at_position"],
        judged_us=told["judged_us"],
        author=act["author"],
        caller=told["caller"],
        reason=told["reason"],
        is_forced=told["forced"],
        missing=tuple(_obstacle(each) for each in told["missing"]),
        missing_total=told["missing_total"],
        position=act["position"],
    )


def _obstacle(told: Mapping[str, Any]) -> Obstacle:
    found = tuple(SourceHole(each["source"], Hole(**each["hole"])) for each in told["holes"])
    return Obstacle(told["meter"], told["tenant"], told["kind"], told["reason"], found, told["holes_total"])
