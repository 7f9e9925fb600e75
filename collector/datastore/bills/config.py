"""What can be set for a cost export in a bucket.

The bounds on one collection keep its memory and its batch small; whoever has more to read is asked again at once.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from collector.account.config import AccountConfig, Region
from collector.base import SourceConfig
from collector.datastore.s3.config import BucketName, S3Config

Month = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]


class BillsConfig(SourceConfig):
    """One export of costs."""

    kind: Literal["bills"] = Field(default="bills", description="Which collector reads the source.")
    bucket: BucketName = Field(description="The bucket that the export is delivered to.")
    prefix: str = Field(
        min_length=1,
        max_length=900,
        description="Folder of the export, which holds data/ and metadata/: its S3 prefix and its name, such as costs/focus.",
    )
    region: Region | None = Field(default=None, description="The bucket's region; that of the credentials if unset.")
    account: AccountConfig = Field(default=AccountConfig(), description="Who asks, and where.")
    name: str | None = Field(
        default=None, min_length=1, max_length=1024, description="Name of the source; bills/<bucket>/<prefix> if unset."
    )
    interval_s: float = Field(default=3_600.0, gt=0, le=86_400, description="Seconds between two collections.")
    since: Month | None = Field(
        default=None, description="First billing period that is read, such as 2026-01; all that there are if unset."
    )
    rows_max: int = Field(default=50_000, ge=1, description="Charges from which on a collection ends and is stored.")
    read_bytes_max: int = Field(
        default=32 << 20,
        ge=1_024,
        description="Bytes of charges in memory from which on a collection ends and is stored.",
    )
    batch_rows: int = Field(
        default=10_000,
        ge=1,
        le=50_000,
        description="Rows of a file that are read at once; a collection ends after such a number.",
    )
    block_bytes: int = Field(
        default=8 << 20, ge=1_024, le=64 << 20, description="Bytes of CSV, uncompressed, that are read at once."
    )
    row_bytes_max: int = Field(
        default=1 << 20,
        ge=1,
        le=4 << 20,
        description="Most bytes of a row of CSV; with a longer one the bill is refused.",
    )
    whole_bytes_max: int = Field(
        default=32 << 20,
        ge=0,
        le=1 << 30,
        description="Up to so many bytes a file of Parquet is fetched as a whole; of a larger one each column by itself.",
    )
    files_max: int = Field(
        default=10_000, ge=1, description="Most files of one billing period; with more the bill is refused."
    )

    @field_validator("prefix")
    @classmethod
    def _prefix_is_a_folder(cls, prefix: str) -> str:
        folder = prefix.rstrip("/")
        if not folder:
            raise ValueError(f"prefix {prefix!r} names no folder")
        return folder

    @model_validator(mode="after")
    def _bucket_is_listed_by_key(self) -> BillsConfig:
        # It raises what there is against the bucket.
        _ = self.folder
        return self

    @property
    def source(self) -> str:
        """Name of the source."""
        return self.name if self.name is not None else f"bills/{self.bucket}/{self.prefix}"

    @property
    def folder(self) -> S3Config:
        """The folder of the export, for whoever asks the bucket."""
        return S3Config(
            bucket=self.bucket, prefix=f"{self.prefix}/", region=self.region, account=self.account, readers=1
        )
