"""Where each question stands, as the checkpoint has it.

A question is read from its beginning to its end over as many collections as that takes: its *place* is the page that comes next. What it was
when it was read to its end last is *known*. Time is told until where every question is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from collector.aws.prices.config import SPOT_HISTORY_S, PricesConfig
from collector.aws.prices.questions import Question
from collector.readings import remembered
from meterbook.wire.instants import SECOND_US

_HOUR_US = 3_600 * SECOND_US


@dataclass(frozen=True)
class Known:
    """Read until ``until_us``: then the list was of ``edition``, if all of it was of one, and its next price holds from ``due_us`` on."""

    until_us: int
    edition: str = ""
    due_us: int | None = None


@dataclass(frozen=True)
class Place:
    """Prices of [since, until) are asked for; ``token`` is that of the next page, "" the first one.

    ``pages`` were read and the question was begun anew ``renewed`` times. What was seen of the list is in ``editions``, at most two, and ``due_us``.
    """

    since_us: int
    until_us: int
    token: str = ""
    pages: int = 0
    renewed: int = 0
    editions: tuple[str, ...] = ()
    due_us: int | None = None

    def read(self, token: str, editions: Sequence[str], due_us: int | None) -> Place:
        """The place behind a page."""
        seen = tuple(sorted({*self.editions, *editions})[:2])
        due = [each for each in (self.due_us, due_us) if each is not None]
        return replace(self, token=token, pages=self.pages + 1, editions=seen, due_us=min(due, default=None))

    def renew(self) -> Place:
        """The beginning of the same."""
        return Place(self.since_us, self.until_us, renewed=self.renewed + 1)

    def is_told(self, known: Known | None) -> bool:
        """Whether all of the list was told already: it is of the same edition still, and no other price of that has begun to hold."""
        if known is None or not known.edition or self.editions != (known.edition,):
            return False
        return known.due_us is None or known.due_us > self.until_us

    def known(self) -> Known:
        """What is known at the end."""
        edition = self.editions[0] if len(self.editions) == 1 else ""
        return Known(self.until_us, edition, self.due_us)


@dataclass
class Progress:
    """All questions: ``places`` of those that are being read, ``known`` of those that were; ``goes_on`` if the rest is due at once."""

    known: dict[str, Known]
    places: dict[str, Place]
    goes_on: bool = False

    @classmethod
    def of(cls, checkpoint: Mapping[str, Any], keys: frozenset[str]) -> Progress:
        """What a checkpoint has, but for what is not asked any more."""
        known = {key: remembered(Known, each) for key, each in checkpoint.get("known", {}).items() if key in keys}
        places = {
            key: remembered(Place, {**each, "editions": tuple(each["editions"])})
            for key, each in checkpoint.get("places", {}).items()
            if key in keys
        }
        return cls(known, places, bool(checkpoint.get("goes_on", False)) and bool(places))

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "known": {key: asdict(each) for key, each in sorted(self.known.items())},
            "places": {
                key: {**asdict(each), "editions": list(each.editions)} for key, each in sorted(self.places.items())
            },
            "goes_on": self.goes_on,
        }

    def begin(self, config: PricesConfig, question: Question, told_us: int, now_us: int) -> None:
        """Have a question be read, from where it stands or from its beginning; a token that was refused before is given another chance.

        One that was never read is read since ``told_us``, until where time was told to be complete.
        """
        place = self.places.get(question.key)
        if place is not None and place.token:
            self.places[question.key] = replace(place, renewed=0)
            return
        known = self.known.get(question.key)
        if known is None:
            since_us = told_us - round(config.spot_history_s * SECOND_US)
        else:
            since_us = known.until_us - round(config.spot_late_s * SECOND_US)
        self.places[question.key] = Place(max(since_us, kept_since_us(now_us)), now_us)

    def until_us(self, keys: frozenset[str], otherwise_us: int) -> int:
        """Until where every question was read; another time where one never was."""
        return min(self.known[key].until_us if key in self.known else otherwise_us for key in keys)


def kept_since_us(now_us: int) -> int:
    """Since when the history is there; what ends soon may be gone when the request arrives."""
    return now_us - SPOT_HISTORY_S * SECOND_US + _HOUR_US
