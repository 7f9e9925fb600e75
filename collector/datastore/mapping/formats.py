"""What can be set for the form in which records stand in an object, a stream or a file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import re2
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

#: One character of ASCII that is no line end: a block is cut at it without being decoded first.
Mark = Annotated[str, StringConstraints(min_length=1, max_length=1, pattern=r"^[\t -~]$")]


class JsonRecords(BaseModel):
    """One JSON object a line. Fields are named by JSON path or by dotted names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["json"] = Field(default="json", description="One JSON object a line.")


class CsvRecords(BaseModel):
    """One row a line, as RFC 4180 has it. Fields are named by column."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["csv"] = Field(description="One row of separated columns a line.")
    delimiter: Mark = Field(default=",", description="Character between two columns.")
    quote: Mark | None = Field(
        default='"',
        description="Character around a column that holds delimiters or line ends; null where there is none.",
    )
    columns: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Names of the columns in order; the first row has them if unset."
    )

    @field_validator("columns")
    @classmethod
    def _columns_differ(cls, columns: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return columns if columns is None else distinct(columns)

    @model_validator(mode="after")
    def _marks_differ(self) -> CsvRecords:
        if self.delimiter == self.quote:
            raise ValueError(f"delimiter and quote are both {self.quote!r}")
        return self


class RegexRecords(BaseModel):
    """One text a line, taken apart by an expression of RE2, whose time is linear. Fields are its named groups."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["regex"] = Field(description="One line of text that an expression takes apart.")
    pattern: str = Field(
        min_length=1, description="Expression of RE2 that matches the whole line; its named groups are the fields."
    )

    @field_validator("pattern")
    @classmethod
    def _has_named_groups(cls, pattern: str) -> str:
        found = compiled(pattern)
        if not found.groupindex:
            raise ValueError(f"{pattern!r} has no named group such as (?P<time>[^ ]+)")
        if found.groups > len(found.groupindex):
            raise ValueError(f"{pattern!r} has a group without a name: write (?:...) for one that is no field")
        return pattern

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of its groups."""
        return tuple(compiled(self.pattern).groupindex)


class ParquetRecords(BaseModel):
    """One row of a Parquet file. Fields are named by column, and by dotted names within one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["parquet"] = Field(description="One row of a Parquet file.")


Records = Annotated[JsonRecords | CsvRecords | RegexRecords | ParquetRecords, Field(discriminator="format")]


def distinct(columns: tuple[str, ...]) -> tuple[str, ...]:
    """Names of columns. Raises ValueError where two are the same."""
    for place, name in enumerate(columns):
        if name in columns[:place]:
            raise ValueError(f"column {name!r} is named twice")
    return columns


def compiled(pattern: str) -> Any:
    """An expression of RE2. Raises ValueError for what is none, or takes too much memory."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeError) as error:
        said = error.args[0] if error.args else ""
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(error)
        raise ValueError(f"{pattern[:200]!r} is not a regular expression: {reason[:200]}") from None
