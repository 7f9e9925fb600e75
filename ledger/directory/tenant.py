"""Tenants: whom usage and cost are attributed to, and in whose calendar they are billed.

Usage may arrive for a tenant that nobody has defined yet, and is kept; a definition is needed to bill it. The
time zone is settled for all dates: were it to change on some day, the billing periods on the two sides of that
day would overlap or leave hours out. Correcting it for all dates at once is possible and re-draws all periods.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from ledger.schema.moments import known_zone
from ledger.schema.spec import Name, Spec


class Tenant(Spec):
    """A customer, or a part of the vendor that is treated as one."""

    settled: ClassVar[tuple[str, ...]] = ("timezone",)

    title: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="Name to show to people; none by default, then the tenant's own name is shown."
    )
    timezone: Annotated[str, AfterValidator(known_zone)] = Field(
        default="UTC", description="IANA time zone of the billing periods; UTC by default; the same for all dates."
    )

    attributes: Mapping[Name, str] = Field(
        default_factory=dict,
        description="What is known of the customer, such as client_type: gold; prices may go by it.",
    )

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.timezone)
