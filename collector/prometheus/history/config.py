"""What can be set for reading the history that an existing Prometheus keeps."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import httpx
from pydantic import Field, field_validator

from collector.base import SourceConfig


class HistoryConfig(SourceConfig):
    """One server and the series that are read from it."""

    kind: Literal["prometheus_history"] = Field(
        default="prometheus_history", description="Which collector reads the source."
    )
    interval_s: float = Field(default=60.0, gt=0, le=86_400, description="Seconds between two collections.")
    name: str = Field(pattern=r"^[^/\s]+$", max_length=256, description="Name of the source, whatever its address is.")
    url: str = Field(description="Address of the server, such as http://prometheus:9090; its API is below it.")
    match: tuple[str, ...] = Field(min_length=1, description='Selectors of the series to read, such as {job="shop"}.')
    counters: str = Field(
        default=r".*_(total|sum|count)",
        description="Regular expression that the whole name of a counter matches; all others are gauges.",
    )
    left_out: str = Field(
        default=r".*_bucket|ALERTS.*",
        description="Regular expression that the whole name of a series to leave out matches.",
    )
    lag_s: float = Field(default=60.0, ge=0, description="Seconds that samples may take to arrive at the server.")
    range_s_max: float = Field(default=300.0, gt=0, description="Most seconds of history that are asked for at a time.")
    body_bytes_max: int = Field(default=64 << 20, ge=1, description="Most bytes of an answer.")
    bearer_token_file: Path | None = Field(default=None, description="File with the token to send, read every time.")
    ca_file: Path | None = Field(
        default=None, description="PEM file with the authorities that may vouch for the server; certifi's if unset."
    )

    @field_validator("counters", "left_out")
    @classmethod
    def _is_pattern(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
        return pattern

    @field_validator("url")
    @classmethod
    def _is_url(cls, url: str) -> str:
        try:
            parts = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ValueError(f"url is no address: {error}") from None
        if parts.scheme not in ("http", "https") or not parts.host or parts.userinfo or parts.query:
            raise ValueError("url must be http or https, with a host and without credentials or a query")
        return url.rstrip("/")
