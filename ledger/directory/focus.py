"""Columns of a charge, as definitions name them, and texts that are taken out of one.

A charge has the columns of FOCUS (version 1.2 and later, "Cost and Usage"), those that its provider added, and tags::

    ServiceName                                       # any column
    Tags.team                                         # the tag of this key
    day, month                                        # of the beginning of the charge's period, in UTC
    {column: ResourceId, capture: ".*/(i-[0-9a-f]+)"} # the part of it that the parentheses hold

What a charge does not have, or has empty, is missing; so is what ``capture`` does not match as a whole.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from ledger.directory.matching import Pattern, compiled
from ledger.schema.spec import Part

_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")
_TAG = re.compile(r"Tags\.(.{1,256})", re.DOTALL)


def tag_of(column: str) -> str | None:
    """The key of the tag that a column stands for; None for any other column."""
    found = _TAG.fullmatch(column)
    return found[1] if found else None


def checked_column(column: str) -> str:
    """The column. Raises ValueError for a text that can be none."""
    if tag_of(column) is None and not _COLUMN.fullmatch(column):
        raise ValueError(f"{column!r:.200} is no column: give one of FOCUS, Tags.<key>, day or month")
    return column


#: The name of a column of a charge.
Column = Annotated[str, AfterValidator(checked_column)]


def _one_group(pattern: str) -> str:
    groups = compiled(pattern).groups
    if groups != 1:
        raise ValueError(
            f"{pattern!r:.200} has {groups} pairs of parentheses that capture; give the one whose text is taken"
        )
    return pattern


class Reading(Part):
    """What is read of a charge."""

    column: Column = Field(description="Column of FOCUS, Tags.<key>, day or month.")
    capture: Annotated[Pattern, AfterValidator(_one_group)] | None = Field(
        default=None,
        description="Expression of RE2 that matches the text as a whole, and of which the one group is taken; the whole text by default.",
    )

    def of(self, text: str | None) -> str | None:
        """What is read of a column's text; None where it is missing."""
        if text is None or self.capture is None:
            return text
        found = compiled(self.capture).fullmatch(text)
        return (found[1] or None) if found else None


def _as_reading(written: Any) -> Any:
    return {"column": written} if isinstance(written, str) else written


#: What is read of a charge; a name alone is a column.
Read = Annotated[Reading, BeforeValidator(_as_reading)]
