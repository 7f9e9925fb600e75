"""Reassignments: usage that was tagged for the wrong tenant, or changes hands, is given to another one.

An agent tags what it reads as it was told to at the time. When that turns out to be wrong, the tags cannot be changed, since
nothing that was written is; so an operator says from when until when, and for which series and events, the tenant is another::

    kind: reassignment
    name: team-x
    effective_from: 2026-03-01
    spec: {from: team-y, to: team-x, filter: {namespace: shop}, reason: the namespace was tagged for the former team}

What matches is judged by what agents told (and by amendments of single events), never by other reassignments, so there are no
chains to follow: of several that match the one recorded last holds. The newest version of a name takes the place of all earlier
ones, whatever their dates; one whose ``until`` is its ``effective_from`` takes them back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, Field, model_validator

from ledger.directory.matching import Alternatives, Matcher, Matchers, Text, holds, names_read
from ledger.schema.moments import Moment, instant_of
from ledger.schema.spec import Name, Reference, Spec
from meterbook.wire.series import SHARED, UNASSIGNED

REASON_LENGTH_MAX = 1_000

_UTC = ZoneInfo("UTC")


class Reassignment(Spec):
    """To whom matching series and events belong while it holds."""

    model_config = ConfigDict(serialize_by_alias=True)
    replaces: ClassVar[bool] = True

    to: Name | Literal["@shared", "@unassigned"] = Field(description="Tenant to whom the usage belongs.")
    from_: str = Field(
        default="", alias="from", description="Tenant that agents told of, defined or not; empty, the default, for any."
    )
    source: Matcher | None = Field(
        default=None, description="Sources that are meant: a value, a list or conditions; all by default."
    )
    filter: Matchers = Field(
        default_factory=dict,
        description="What is accepted per label, property or attribute: a value, a list or conditions; all by default.",
    )
    any: Alternatives = Field(
        default=(), description="Further matchers, of which at least one set has to hold as a whole; none by default."
    )
    until: Moment | None = Field(
        default=None,
        description="When it ends, exclusive: RFC 3339, or a date for its midnight UTC; null, the default, for no end.",
    )
    reason: Annotated[Text, Field(max_length=REASON_LENGTH_MAX)] = Field(
        description="Why, for whoever reads a correction."
    )

    @model_validator(mode="after")
    def _changes_something(self) -> Reassignment:
        if self.from_ == self.to:
            raise ValueError(f"'from' and 'to' are both {self.to!r}, which would change nothing")
        if not (self.from_ or self.source or self.filter or self.any):
            raise ValueError(
                "everything of everybody would match: give at least one of 'from', 'source', 'filter', 'any'"
            )
        return self

    @property
    def until_us(self) -> int | None:
        """When it ends, in microseconds; None for never."""
        return None if self.until is None else instant_of(self.until, _UTC)

    @property
    def names(self) -> frozenset[str]:
        """The labels and properties that it may look at."""
        return names_read(self.filter, self.any)

    def matches(self, tenant: str, source: str, names: Mapping[str, str]) -> bool:
        """Whether it is about what agents told of a tenant and a source, with these labels or properties."""
        return (
            self.from_ in ("", tenant)
            and (self.source is None or self.source.accepts(source))
            and holds(self.filter, self.any, names)
        )

    def ends_before(self, effective_from_us: int) -> str:
        """What is wrong with ``until`` of a definition that holds from a time on; empty where nothing is."""
        until_us = self.until_us
        if until_us is None or until_us >= effective_from_us:
            return ""
        return (
            f"{self.until!r} is before effective_from: give a later time, or the same one to take the reassignment back"
        )

    def references(self) -> tuple[Reference, ...]:
        """The tenant that it gives to, unless that is one of the book's own."""
        return () if self.to in (SHARED, UNASSIGNED) else (Reference("tenant", self.to, ("to",)),)
