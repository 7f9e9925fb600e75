"""Subscriptions: which tenant is on which plan, from when until when, and on what terms of its own.

The interval is half-open: a subscription that ends on the date on which the next one starts neither overlaps
it nor leaves a gap. Dates are read in the tenant's time zone. Because a subscription carries its own dates, an
``effective_from`` beside them would say a second time, and perhaps differently, when it holds: it is refused.

A change of plan, a pause, another number of seats is written down with its date, beside what held before: the document tells the
whole life of the subscription, and one that is written later, for an earlier date, is a correction like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Annotated, ClassVar, Protocol, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from ledger.directory.agreement import Commitment, Override
from ledger.directory.feature import FeatureOverride
from ledger.schema.decimals import PlainDecimal
from ledger.schema.moments import Moment, instant_of
from ledger.schema.spec import Name, Part, Reference, Spec


class Move(Part):
    """Another plan from a moment on."""

    since: Moment = Field(description="From when: a date in the tenant's time zone or an RFC 3339 time.")
    plan: Name = Field(description="Name of the plan.")


class Holding(Part):
    """How much of something is held from a moment on, until the next one says otherwise."""

    name: Name = Field(description="What is held, such as seats, as prices name it.")
    since: Moment = Field(description="From when: a date in the tenant's time zone or an RFC 3339 time.")
    quantity: PlainDecimal = Field(description="How much; 0 or more.")


class Pause(Part):
    """A time in which nothing is charged."""

    since: Moment = Field(description="From when: a date in the tenant's time zone or an RFC 3339 time.")
    until: Moment | None = Field(default=None, description="Until when, exclusive, like since; null for no end yet.")


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Entry = TypeVar("Entry", bound=_Named)


def _one_of_a_kind(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    seen: set[str] = set()
    for entry in entries:
        if entry.name in seen:
            raise ValueError(f"{entry.name!r} is there twice")
        seen.add(entry.name)
    return entries


class Subscription(Spec):
    """A tenant's agreement to a plan."""

    dated: ClassVar[bool] = False

    tenant: Name = Field(description="Name of the tenant who is billed.")
    plan: Name = Field(description="Name of the plan at the start.")
    start: Moment = Field(description="First moment, inclusive: a date in the tenant's time zone or an RFC 3339 time.")
    end: Moment | None = Field(
        default=None, description="Last moment, exclusive, like start; null, the default, for no end."
    )
    trial_until: Moment | None = Field(
        default=None,
        description="Nothing is charged before this moment, like start and after it; what is charged once is charged then; no trial by default.",
    )
    moves: tuple[Move, ...] = Field(default=(), description="Later changes of plan, in order; none by default.")
    pauses: tuple[Pause, ...] = Field(
        default=(), description="Times in which nothing is charged, in order; none by default."
    )
    holdings: tuple[Holding, ...] = Field(
        default=(), description="What is held, such as seats, and since when; nothing by default."
    )
    overrides: Annotated[tuple[Override, ...], AfterValidator(_one_of_a_kind)] = Field(
        default=(), description="Discounts and other prices than the plan's, the first of them first; none by default."
    )
    commitments: Annotated[tuple[Commitment, ...], AfterValidator(_one_of_a_kind)] = Field(
        default=(), description="What the customer undertook to spend; nothing by default."
    )
    features: tuple[FeatureOverride, ...] = Field(
        default=(), description="Features with other limits than the plan's, or besides them; none by default."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Subscription:
        open_ended = [at for at, pause in enumerate(self.pauses[:-1]) if pause.until is None]
        if open_ended:
            raise ValueError(f"pauses[{open_ended[0]}] has no end, but only the last one may have none")
        for message in self.disorder(None):
            raise ValueError(message)
        return self

    def disorder(self, zone: ZoneInfo | None) -> Iterator[str]:
        """What says that something comes after what it comes before; without a zone dates and times are not compared with each other."""
        start, end = ("start", self.start), [("end", self.end)] if self.end else []
        moves = [(f"moves[{at}].since", move.since) for at, move in enumerate(self.moves)]
        trial = [("trial_until", self.trial_until)] if self.trial_until else []
        pauses = [each for at, pause in enumerate(self.pauses) for each in _ends(at, pause)]
        for moments in ([start, *end], [start, *moves, *end], [start, *trial], pauses):
            yield from _falls(moments, zone)

    def bounds(self, zone: ZoneInfo) -> tuple[int, int | None]:
        """Start, inclusive, and end, exclusive, in microseconds; the end is None where there is none."""
        return instant_of(self.start, zone), None if self.end is None else instant_of(self.end, zone)

    def references(self) -> tuple[Reference, ...]:
        """The tenant, and the plans, which must each have a price from their first moment on."""
        moved = (
            Reference("plan", move.plan, ("moves", at, "plan"), from_moment=move.since)
            for at, move in enumerate(self.moves)
        )
        return (
            Reference("tenant", self.tenant, ("tenant",)),
            Reference("plan", self.plan, ("plan",), from_moment=self.start),
            *moved,
            *(
                Reference("meter", meter, ("overrides", at, "charge"))
                for at, override in enumerate(self.overrides)
                if override.charge is not None
                for meter in override.charge.meters()
            ),
        )

    @property
    def plans(self) -> tuple[str, ...]:
        """The names of its plans, in order."""
        return (self.plan, *(move.plan for move in self.moves))


def _ends(at: int, pause: Pause) -> Iterator[tuple[str, str]]:
    yield f"pauses[{at}].since", pause.since
    if pause.until is not None:
        yield f"pauses[{at}].until", pause.until


def _falls(moments: Sequence[tuple[str, str]], zone: ZoneInfo | None) -> Iterator[str]:
    utc = ZoneInfo("UTC")
    for (name, earlier), (other, later) in pairwise(moments):
        # A date and a time can only be compared where the zone is known.
        is_known = zone is not None or ("T" in earlier) == ("T" in later)
        if is_known and instant_of(later, zone or utc) <= instant_of(earlier, zone or utc):
            yield f"{other} {later!r} is not after {name} {earlier!r}"
