"""An amendment: what an operator says that one event should have said.

It is an act in the log, in a chain of its own: whoever amends has read the newest one, or is overtaken. Its document holds what the
event said before and what it says from then on, both in full, together with what never changes of an event. So the newest amendment
of an event is all there is to know of it, and nobody has to look for the event itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ledger.journal.quantity import from_decimal, to_decimal

#: The kind of act, and the chain that such acts have.
AMENDED, AMENDMENTS_CHAIN = "event.amended", "amendments"


@dataclass(frozen=True)
class EventState:
    """What an event says; ``time_us`` in microseconds since the Unix epoch, ``properties`` a JSON object. A void one counts for nothing."""

    tenant: str
    time_us: int
    value: Decimal
    properties: str
    is_void: bool = False


@dataclass(frozen=True)
class Amendment:
    """What becomes of the event ``id`` of ``source``.

    ``origin`` and ``type`` are those of the event. ``asked`` is a digest of what was asked for, by which it is known when it is
    asked for again, and ``key`` the name that the operator gave it, if any.
    """

    source: str
    id: str
    origin: str
    type: str
    before: EventState
    after: EventState
    reason: str
    asked: str
    key: str = ""

    @property
    def name(self) -> str:
        """What the act is done to, for people to read."""
        return f"{self.source} {self.id}"

    @property
    def document(self) -> str:
        """The act's document: canonical JSON, values in units of 10^-9 as text."""
        told = {
            "source": self.source,
            "id": self.id,
            "origin": self.origin,
            "type": self.type,
            "before": _written(self.before),
            "after": _written(self.after),
            "reason": self.reason,
            "asked": self.asked,
            "key": self.key,
        }
        return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def of(cls, document: str) -> Amendment:
        """The amendment that a document holds. Raises ValueError, KeyError, TypeError for one that is none."""
        told = json.loads(document)
        return cls(**told | {"before": _read(told["before"]), "after": _read(told["after"])})


def _written(state: EventState) -> dict[str, object]:
    return {
        "tenant": state.tenant,
        "time_us": state.time_us,
        "value_nano": str(from_decimal(state.value)),
        "properties": state.properties,
        "is_void": state.is_void,
    }


def _read(told: dict[str, Any]) -> EventState:
    value = to_decimal(int(told["value_nano"]))
    return EventState(told["tenant"], told["time_us"], value, told["properties"], told["is_void"])
