"""News: what is known at one position and was not at an earlier one, how far back it may change what was metered, and why.

What was booked is settled until there is news of it. The reason goes into the run that books the difference, so that a
correction can be explained for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from ledger.directory.meter import Meter
from ledger.journal.view import View

#: See ``Cause`` in ``journal.proto``.
Reason = Literal["first", "late", "time", "meter", "reassignment", "amendment"]
#: Named reasons of a kind that are told one by one; of all others together only the first is named.
_NAMED_MAX = 20


@dataclass(frozen=True)
class News:
    """What may have changed everything since a time (microseconds), and why; ``name`` is that of an operator's correction."""

    since_us: int
    reason: Reason
    name: str = ""


#: How far back what came after a position reaches; nothing where it changes nothing.
Reach = Callable[[View, Meter, int], Sequence[News]]


@dataclass(frozen=True)
class Cause:
    """Why windows that begin in [start_us, end_us) were booked; ``count`` of one kind stand together, the first named."""

    reason: Reason
    name: str
    count: int
    start_us: int
    end_us: int

    def within(self, start_us: int, end_us: int) -> Cause:
        """The part of it that lies in a range."""
        return replace(self, start_us=max(self.start_us, start_us), end_us=min(self.end_us, end_us))

    @property
    def is_empty(self) -> bool:
        """Whether it is about no window."""
        return self.start_us >= self.end_us

    @property
    def text(self) -> str:
        """For people to read: ``amendment shop 17 (first of 3)``."""
        named = f"{self.reason} {self.name}".rstrip()
        return named if self.count <= 1 else f"{named} (first of {self.count})"


def causes_of(news: Iterable[News], end_us: int) -> Iterator[Cause]:
    """The causes that news are, of windows that begin before ``end_us``; earliest first within a reason."""
    ordered = sorted(news, key=lambda each: (each.reason, each.name, each.since_us))
    first = [next(same) for _, same in groupby(ordered, key=lambda each: (each.reason, each.name))]
    for reason, same in groupby(first, key=lambda each: each.reason):
        found = sorted(same, key=lambda each: (each.since_us, each.name))
        more = found[_NAMED_MAX - 1 :]
        alone = found if len(more) <= 1 else found[: _NAMED_MAX - 1]
        yield from (Cause(reason, each.name, 1, each.since_us, end_us) for each in alone)
        if len(more) > 1:
            yield Cause(reason, more[0].name, len(more), more[0].since_us, end_us)
