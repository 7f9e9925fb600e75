"""What can be set for a log file.

The bounds on one collection keep its memory and its batch small; whoever falls behind is asked again at once, so they
cost no throughput. A line longer than its bound is no event that anybody meant to send.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from collector.base import SourceConfig


class LogfileConfig(SourceConfig):
    """One file, with the files it is rotated into."""

    kind: Literal["logfile"] = Field(default="logfile", description="Which collector reads the source.")
    path: Path = Field(description="The file that is appended to; absolute. Rotated ones stand beside it as path*.")
    name: str | None = Field(
        default=None, min_length=1, max_length=1024, description="Name of the source; logfile/<path> if unset."
    )
    value_field: str = Field(default="value", min_length=1, description="Member of data that is the event's value.")
    start_at: Literal["beginning", "end"] = Field(
        default="beginning", description="Where to begin in a file that is there when it is read for the first time."
    )
    line_bytes_max: int = Field(
        default=1 << 20, ge=1, description="Most bytes of a line without its end; a longer one becomes a dead letter."
    )
    read_bytes_max: int = Field(default=8 << 20, ge=2, description="Most bytes read in one collection.")
    lines_max: int = Field(default=50_000, ge=1, description="Most lines read in one collection.")

    @field_validator("path")
    @classmethod
    def _path_is_absolute(cls, path: Path) -> Path:
        if not path.is_absolute():
            raise ValueError(f"{path} is not absolute: agents are started from anywhere")
        return path

    @model_validator(mode="after")
    def _a_line_fits_into_a_read(self) -> LogfileConfig:
        if self.line_bytes_max >= self.read_bytes_max:
            raise ValueError(
                f"line_bytes_max {self.line_bytes_max} must be below read_bytes_max {self.read_bytes_max}, "
                "or a long line could never be read"
            )
        return self

    @property
    def source(self) -> str:
        """Name of the source."""
        return self.name if self.name is not None else f"logfile/{self.path}"
