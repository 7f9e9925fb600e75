"""Subscriptions: which tenant is on which plan, from when until when.

The interval is half-open: a subscription that ends on the date on which the next one starts neither overlaps
it nor leaves a gap. Dates are read in the tenant's time zone. Because a subscription carries its own dates, an
``effective_from`` beside them would say a second time, and perhaps differently, when it holds: it is refused.
"""

from __future__ import annotations

from typing import ClassVar
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from ledger.directory.moments import Moment, instant_of
from ledger.directory.spec import Name, Reference, Spec


class Subscription(Spec):
    """A tenant's agreement to a plan."""

    dated: ClassVar[bool] = False

    tenant: Name = Field(description="Name of the tenant who is billed.")
    plan: Name = Field(description="Name of the plan.")
    start: Moment = Field(description="First moment, inclusive: a date in the tenant's time zone or an RFC 3339 time.")
    end: Moment | None = Field(
        default=None, description="Last moment, exclusive, like start; null, the default, for no end."
    )

    @model_validator(mode="after")
    def _ends_after_start(self) -> Subscription:
        # A date and a time can only be compared where the zone is known; what is never in force is never billed.
        same_form = self.end is not None and ("T" in self.start) == ("T" in self.end)
        utc = ZoneInfo("UTC")
        if self.end is not None and same_form and instant_of(self.end, utc) <= instant_of(self.start, utc):
            raise ValueError(f"end {self.end!r} is not after start {self.start!r}")
        return self

    def bounds(self, zone: ZoneInfo) -> tuple[int, int | None]:
        """Start, inclusive, and end, exclusive, in microseconds; the end is None where there is none."""
        return instant_of(self.start, zone), None if self.end is None else instant_of(self.end, zone)

    def references(self) -> tuple[Reference, ...]:
        """The tenant, and the plan, which must have a price from the first moment on."""
        return (
            Reference("tenant", self.tenant, ("tenant",)),
            Reference("plan", self.plan, ("plan",), from_moment=self.start),
        )
