"""What can be set for log files.

The bounds on one collection keep its memory and its batch small; whoever falls behind is asked again at once, so they
cost no throughput. A line longer than its bound is no event that anybody meant to send.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from collector.base import SourceConfig
from collector.datastore.logfile.looks import PACKED
from collector.datastore.logfile.patterns import is_pattern
from collector.datastore.mapping.config import MappingConfig
from collector.datastore.mapping.formats import ParquetRecords


class LogfileConfig(SourceConfig):
    """One file, or all that a pattern matches, each with the files it is rotated into."""

    kind: Literal["logfile"] = Field(default="logfile", description="Which collector reads the source.")
    path: Path = Field(
        description="The file that is appended to, absolute, or a pattern of such with *, ? and [...]. Rotated ones stand beside it as path*, also with .gz or .zst."
    )
    name: str | None = Field(
        default=None,
        min_length=1,
        max_length=1024,
        description="Name of the source, logfile/<path> if unset; of a pattern, what stands in the place of logfile there.",
    )
    exclude: tuple[str, ...] = Field(
        default=(),
        description="Patterns of whole paths that are not read although path matches them; * is any text here, also with slashes.",
    )
    files_max: int = Field(
        default=500,
        ge=1,
        le=100_000,
        description="Most files of a pattern that are read; of others it is told how many.",
    )
    linger_s: float = Field(
        default=60.0,
        ge=0,
        le=86_400,
        description="Seconds for which a file of a pattern must be gone, and read to its end, before its source goes.",
    )
    mapping: MappingConfig | None = Field(
        default=None,
        description="How records become events, each a line, also of CSV; CloudEvents if unset. Without an id an event is known by its source, a hash of the first 4096 bytes of its file and its byte there: hosts that write to the same path need a name each.",
    )
    value_field: str = Field(default="value", min_length=1, description="Member of data that is the event's value.")
    start_at: Literal["oldest", "beginning", "end"] = Field(
        default="beginning",
        description="Where to begin in a file that is there when it is read for the first time; oldest reads the rotated ones before it, too. A file that a pattern matches later is never begun at its end.",
    )
    packed_after_s: float = Field(
        default=60.0,
        ge=0,
        le=86_400,
        description="Seconds after its last change from which on a compressed file, or what may be a copy under way, is taken to be as whole as it will be.",
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
        if path.suffix in PACKED:
            raise ValueError(f"{path} is compressed: name the file that is written, the others are found beside it")
        if any("**" in part for part in path.parts):
            raise ValueError(f"{path} has **: name each folder, or * for any")
        return path

    @field_validator("mapping")
    @classmethod
    def _records_are_lines(cls, mapping: MappingConfig | None) -> MappingConfig | None:
        if mapping is not None and isinstance(mapping.records, ParquetRecords):
            raise ValueError("records of Parquet stand in files that are written at once: here they stand in lines")
        return mapping

    @model_validator(mode="after")
    def _only_patterns_have_exceptions(self) -> LogfileConfig:
        if self.exclude and not self.is_pattern:
            raise ValueError(f"exclude takes files from a pattern, but {self.path} is none")
        return self

    @model_validator(mode="after")
    def _a_line_fits_into_a_read(self) -> LogfileConfig:
        if self.line_bytes_max >= self.read_bytes_max:
            raise ValueError(
                f"line_bytes_max {self.line_bytes_max} must be below read_bytes_max {self.read_bytes_max}, "
                "or a long line could never be read"
            )
        return self

    @property
    def is_pattern(self) -> bool:
        """Whether the path is a pattern."""
        return is_pattern(str(self.path))

    @property
    def source(self) -> str:
        """Name of the source; of a pattern, that of the source that tells whether all its files are read."""
        return self.name if self.name is not None and not self.is_pattern else self.source_of(str(self.path))

    def source_of(self, path: str) -> str:
        """Name of the source of one file of a pattern."""
        return f"{self.name if self.name is not None else self.kind}/{path}"
