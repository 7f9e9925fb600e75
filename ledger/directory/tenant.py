"""Tenants: whom usage and cost are attributed to, and in whose calendar they are billed.

Usage may arrive for a tenant that nobody has defined yet, and is kept; a definition is needed to bill it. The
time zone is settled for all dates: were it to change on some day, the billing periods on the two sides of that
day would overlap or leave hours out. Correcting it for all dates at once is possible and re-draws all periods.
So is the series that the tenant's invoices are numbered in: a number is never given again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from ledger.schema.moments import known_zone
from ledger.schema.spec import Name, Spec

_TEXT_LENGTH_MAX = 500
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?")
_SERIES = re.compile(r"[A-Z0-9]+(-[A-Z0-9]+)*")
_SERIES_LENGTH_MAX = 20


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"{text!r} holds characters that cannot be printed: write a line each")
    return text


def _language(text: str) -> str:
    if text and not _LANGUAGE.fullmatch(text):
        raise ValueError(f"{text!r} is not a language tag such as en, de or de-CH")
    return text


def _series(text: str) -> str:
    if len(text) > _SERIES_LENGTH_MAX or not _SERIES.fullmatch(text):
        raise ValueError(
            f"{text!r} is not a series such as INV or EU-INV: capital letters and digits with single hyphens between, "
            f"at most {_SERIES_LENGTH_MAX} characters"
        )
    return text


#: A line that is printed on an invoice, and one that may be left empty.
Printed = Annotated[str, Field(min_length=1, max_length=_TEXT_LENGTH_MAX), AfterValidator(_printable)]
Tag = Annotated[str, Field(max_length=_TEXT_LENGTH_MAX), AfterValidator(_printable)]


class Tenant(Spec):
    """A customer, or a part of the vendor that is treated as one."""

    settled: ClassVar[tuple[str, ...]] = ("timezone", "series")

    title: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="Name to show to people; none by default, then the tenant's own name is shown."
    )
    timezone: Annotated[str, AfterValidator(known_zone)] = Field(
        default="UTC", description="IANA time zone of the billing periods; UTC by default; the same for all dates."
    )
    address: tuple[Printed, ...] = Field(
        default=(), description="Address that invoices are made out to, a line each; none by default."
    )
    tax_id: Tag = Field(default="", description="Tax or VAT number of the customer; none by default.")
    email: Tag = Field(default="", description="Where invoices are sent; none by default.")
    language: Annotated[str, AfterValidator(_language)] = Field(
        default="", description="Language of invoices, such as en, de or de-CH; English by default."
    )
    series: Annotated[str, AfterValidator(_series)] = Field(
        default="INV", description="Series that invoices are numbered in; INV by default; the same for all dates."
    )

    attributes: Mapping[Name, str] = Field(
        default_factory=dict,
        description="What is known of the customer, such as client_type: gold; prices may go by it.",
    )

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.timezone)
