"""What can be set for a bucket.

The bounds on one collection keep its memory and its batch small; whoever falls behind is asked again at once, so they cost no throughput.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints, field_validator, model_validator

from collector.account.config import AccountConfig, Region
from collector.base import SourceConfig
from collector.datastore.mapping.config import MappingConfig

#: "Bucket naming rules" of the Amazon S3 user guide, and what older buckets and other servers have.
BucketName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$")]


class S3Config(SourceConfig):
    """The objects below a prefix."""

    kind: Literal["s3"] = Field(default="s3", description="Which collector reads the source.")
    bucket: BucketName = Field(description="The bucket.")
    prefix: str = Field(default="", max_length=1024, description="Only objects whose keys begin with it are read.")
    suffix: str = Field(default="", max_length=1024, description="Only objects whose keys end with it are read.")
    region: Region | None = Field(default=None, description="The bucket's region; that of the credentials if unset.")
    account: AccountConfig = Field(default=AccountConfig(), description="Who asks, and where.")
    name: str | None = Field(
        default=None, min_length=1, max_length=1024, description="Name of the source; s3/<bucket>/<prefix> if unset."
    )
    interval_s: float = Field(default=60.0, gt=0, le=86_400, description="Seconds between two collections.")
    mapping: MappingConfig | None = Field(
        default=None, description="How records become events; CloudEvents, one a line, if unset."
    )
    cloudevents: Literal["lines", "batch"] = Field(
        default="lines", description="How CloudEvents stand in an object: one a line, or all in one JSON array."
    )
    batch_bytes_max: int = Field(
        default=64 << 20,
        ge=1,
        description="Most bytes, uncompressed, of such an array; a longer one becomes a dead letter.",
    )
    value_field: str = Field(default="value", min_length=1, description="Member of data that is the event's value.")
    start_at: Literal["beginning", "end"] | AwareDatetime = Field(
        default="beginning",
        description="Which objects are read that are there at first: all, none, or those modified since a time.",
    )
    overlap_s: float = Field(
        default=900.0,
        ge=0,
        le=2_592_000,
        description="Seconds by which an object may be listed after the time that it says it was modified, as replicas are.",
    )
    multipart_s: float = Field(
        default=86_400.0,
        ge=0,
        le=2_592_000,
        description="The same for objects in parts, which say when their upload began.",
    )
    sweep_interval_s: float = Field(
        default=3_600.0,
        gt=0,
        le=604_800,
        description="Seconds between two walks over all keys where there are many; between them only the latest are looked at.",
    )
    sweep_keys_max: int = Field(
        default=20_000,
        ge=1,
        description="Up to so many keys every walk is over all of them; each 1,000 take a request.",
    )
    patience_s: float = Field(
        default=10.0,
        gt=0,
        le=3_600,
        description="Seconds that the next portion of an object is waited for; then the others go on, while up to as many as there are readers may be late.",
    )
    download_min_bytes_s: float = Field(
        default=1_024.0,
        ge=0,
        description="Bytes a second, on average over the account's timeout_s, below which a download is broken off until the next tick.",
    )
    readers: int = Field(default=4, ge=1, le=64, description="Objects that are read at the same time.")
    read_bytes_max: int = Field(
        default=32 << 20, ge=1_024, description="Bytes, uncompressed, from which on a collection ends and is stored."
    )
    records_max: int = Field(
        default=200_000,
        ge=1,
        description="Records, also such as are no events, from which on a collection ends and is stored.",
    )
    keys_max: int = Field(
        default=50_000, ge=1_000, description="Keys that a walk passes in one collection; each 1,000 take a request."
    )
    block_bytes: int = Field(
        default=4 << 20,
        ge=1_024,
        description="Bytes, uncompressed, that are read as one; each reader holds two such, and each object that is late.",
    )
    line_bytes_max: int = Field(
        default=1 << 20,
        ge=1,
        le=4 << 20,
        description="Most bytes of a line without its end; a longer one becomes a dead letter.",
    )
    waiting_max: int = Field(
        default=1_000, ge=1, description="Objects that cannot be read just now, from which on no more are begun."
    )

    @field_validator("bucket")
    @classmethod
    def _bucket_is_listed_by_key(cls, bucket: str) -> str:
        if bucket.endswith("--x-s3"):
            raise ValueError(
                f"{bucket} is a directory bucket, whose lists have no order: general purpose buckets are read"
            )
        return bucket

    @model_validator(mode="after")
    def _a_line_fits_into_a_block(self) -> S3Config:
        if self.line_bytes_max >= self.block_bytes:
            raise ValueError(f"line_bytes_max {self.line_bytes_max} must be below block_bytes {self.block_bytes}")
        return self

    @model_validator(mode="after")
    def _one_form(self) -> S3Config:
        if self.mapping is not None and self.cloudevents == "batch":
            raise ValueError("cloudevents batch and a mapping are two forms: an object has one")
        return self

    @property
    def source(self) -> str:
        """Name of the source."""
        return self.name if self.name is not None else f"s3/{self.bucket}/{self.prefix}"

    @property
    def place(self) -> str:
        """How the objects are told in reasons: ``s3://usage/2026/``."""
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def since(self) -> datetime | None:
        """From when on objects are read; None for all and for none."""
        return self.start_at if isinstance(self.start_at, datetime) else None
