"""What can be set for a stream.

The bounds on one collection keep its memory and its batch small; whoever falls behind is asked again at once, so they cost no
throughput. What a shard gives at most is shared by all who read it: the pace leaves something to others.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import AwareDatetime, Field, field_validator, model_validator

from collector.account.config import AccountConfig, Region
from collector.base import SourceConfig
from collector.datastore.mapping.config import MappingConfig, by_lines

#: As the model of the service limits them (Kinesis API reference, ListShards, StreamName and StreamARN).
_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")
_ARN = re.compile(r"arn:aws[a-z-]*:kinesis:([a-z0-9-]+):[0-9]{12}:stream/([a-zA-Z0-9_.-]{1,128})")


class KinesisConfig(SourceConfig):
    """One stream, with all its shards."""

    kind: Literal["kinesis"] = Field(default="kinesis", description="Which collector reads the source.")
    stream: str = Field(description="Name of the stream, or its ARN.")
    name: str | None = Field(
        default=None,
        min_length=1,
        max_length=512,
        description="Name of the stream in sources, kinesis/<name>/<shard>; its own name if unset.",
    )
    region: Region | None = Field(
        default=None, description="Region of the stream; that of its ARN, or of the credentials, if unset."
    )
    account: AccountConfig = Field(default=AccountConfig(), description="Who asks, and where.")
    start_at: Literal["trim_horizon", "latest"] | AwareDatetime = Field(
        default="trim_horizon",
        description="Where to begin in shards that are there at first sight: at the oldest record, at those that come, or at a time.",
    )
    retention_h: int = Field(
        default=24,
        ge=24,
        le=8_760,
        description="Hours for which the stream keeps its records; what was not read for longer may be told as lost.",
    )
    mapping: MappingConfig | None = Field(
        default=None, description="How records become events; CloudEvents, one a line, if unset."
    )
    value_field: str = Field(default="value", min_length=1, description="Member of data that is the event's value.")
    line_bytes_max: int = Field(
        default=1 << 20, ge=1, description="Most bytes of a line without its end; a longer one becomes a dead letter."
    )
    record_bytes_max: int = Field(
        default=16 << 20, ge=1, description="Most bytes that one record may unpack to; what is beyond is a dead letter."
    )
    read_bytes_max: int = Field(
        default=8 << 20, ge=1, description="Unpacked bytes after which a collection takes no further record."
    )
    lines_max: int = Field(default=50_000, ge=1, description="Most lines read in one collection.")
    shards_max: int = Field(default=1_000, ge=1, le=100_000, description="Most shards that the stream may have.")
    request_pause_s: float = Field(
        default=0.25,
        ge=0.2,
        le=10,
        description="Seconds between two requests for one shard, which answers five a second to all its readers.",
    )
    bytes_per_s_max: int = Field(
        default=3 << 19,
        ge=1 << 10,
        le=2 << 20,
        description="Most bytes a second that are read from one shard, which gives 2 MiB to all its readers.",
    )

    @field_validator("stream")
    @classmethod
    def _stream_is_a_name_or_an_arn(cls, stream: str) -> str:
        if not _NAME.fullmatch(stream) and not _ARN.fullmatch(stream):
            raise ValueError(f"{stream!r} is neither the name of a stream nor its ARN")
        return stream

    @model_validator(mode="after")
    def _region_is_that_of_the_arn(self) -> KinesisConfig:
        arn = _ARN.fullmatch(self.stream)
        if arn is not None and self.region not in (None, arn[1]):
            raise ValueError(f"region {self.region} is not that of the stream, {arn[1]}")
        return self

    @field_validator("mapping")
    @classmethod
    def _mapping_is_of_lines(cls, mapping: MappingConfig | None) -> MappingConfig | None:
        return by_lines(mapping)

    @property
    def source(self) -> str:
        """Name of the stream as a source; those of its shards go on with their ids."""
        return f"kinesis/{self.name if self.name is not None else self.stream_name}"

    @property
    def stream_name(self) -> str:
        """The stream's own name."""
        arn = _ARN.fullmatch(self.stream)
        return self.stream if arn is None else arn[2]

    @property
    def stream_arn(self) -> str | None:
        """The stream's ARN, where it is known."""
        return None if _ARN.fullmatch(self.stream) is None else self.stream

    @property
    def stream_region(self) -> str | None:
        """The region to ask; None for that of the credentials."""
        arn = _ARN.fullmatch(self.stream)
        return self.region if arn is None else arn[1]
