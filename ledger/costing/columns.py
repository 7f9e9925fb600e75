"""How a column of a charge is read from the tables: as text, whatever it is there.

Columns that every charge has are columns of the table; all others, and tags, leave the documents in which they stand. JSON can spell half a
surrogate pair, which is no text: a document with one says nothing.
"""

from __future__ import annotations

from ledger.directory.focus import checked_column, tag_of
from meterbook.wire.sections import CHARGES, COSTS

#: Times of a charge, as text.
TIMES = {
    "day": "strftime(\"ChargePeriodStart\", '%Y-%m-%d')",
    "month": "strftime(\"ChargePeriodStart\", '%Y-%m')",
    "BillingPeriodStart": "strftime(period, '%Y-%m-%dT%H:%M:%SZ')",
    "ChargePeriodStart": "strftime(\"ChargePeriodStart\", '%Y-%m-%dT%H:%M:%SZ')",
    "ChargePeriodEnd": "strftime(\"ChargePeriodEnd\", '%Y-%m-%dT%H:%M:%SZ')",
}
#: Columns of texts that every charge has.
TEXTS = ("source", *(name for name in CHARGES.names if name[0].isupper() and CHARGES.field(name).type == "string"))


class NoSuchColumn(ValueError):
    """Something that no charge can be grouped by; the message names it and what there is."""


def told(name: str, place: int) -> tuple[str, str]:
    """The expression of a column, with the parameter ``$place``, and that parameter. Raises NoSuchColumn.

    Every one has a parameter: a JSON pointer (RFC 6901), or a text that adds nothing.
    """
    try:
        tag = tag_of(checked_column(name))
    except ValueError as error:
        raise NoSuchColumn(str(error)) from None
    if name in TIMES:
        return f"{TIMES[name]} || ${place}", ""
    if name in TEXTS:
        return f'"{name}" || ${place}', ""
    if name in COSTS:
        return f'"{name}"::VARCHAR || ${place}', ""
    if tag is not None:
        return member('"Tags"', place), pointer(tag)
    return member("others", place), pointer(name)


def member(document: str, place: int) -> str:
    """The expression of what stands in a document at the JSON pointer that the parameter ``$place`` is."""
    return f"CASE WHEN json_valid({document}) THEN json_extract_string({document}, ${place}) END"


def pointer(key: str) -> str:
    """The JSON pointer (RFC 6901) of a key of an object."""
    return "/" + key.replace("~", "~0").replace("/", "~1")
