"""What can be set for a scrape job, with the defaults of Prometheus where it has any.

Every limit protects the agent and the ledger from one target: a page that exceeds one fails as a whole and says which
limit and by what, because half a page would look like measured zeros.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from collector.base import SourceConfig
from collector.prometheus.targets import Target, parse_target

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class PrometheusConfig(SourceConfig):
    """One job: targets of one kind, each a source of its own."""

    kind: Literal["prometheus"] = Field(default="prometheus", description="Which collector reads the source.")
    job: str = Field(
        pattern=r"^[^/\s]+$", max_length=256, description="Name of the job, put on every series as the label job."
    )
    targets: tuple[str, ...] = Field(min_length=1, description="What to scrape: host:port, or a URL to override.")
    scheme: Literal["http", "https"] = Field(default="http", description="Protocol of targets given as host:port.")
    path: str = Field(default="/metrics", pattern=r"^/[^?#\s]*$", description="Page of targets given without one.")
    params: dict[str, str | list[str]] = Field(
        default_factory=dict, description="Parameters of the query; they are no part of the source's name."
    )
    labels: dict[str, str] = Field(
        default_factory=dict, description="Labels to add; exposed ones of the same name become exported_<name>."
    )
    bearer_token_file: Path | None = Field(
        default=None, description="File with the token to send; read at every scrape, since tokens rotate."
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file with the authorities that may vouch for the target; certifi's if unset."
    )
    process_start: bool = Field(
        default=False,
        description=(
            "Whether process_start_time_seconds is when counters without a created time began. True of a program that "
            "counts its own work; false of exporters such as node_exporter, whose restart resets nothing."
        ),
    )
    body_bytes_max: int = Field(default=16 << 20, ge=1, description="Most bytes of a page, uncompressed.")
    samples_max: int = Field(default=100_000, ge=1, description="Most samples on a page, those left out included.")
    label_count_max: int = Field(default=64, ge=1, description="Most labels of a series, added ones included.")
    label_name_length_max: int = Field(
        default=256, ge=1, description="Most characters of a label's name, and of a metric's."
    )
    label_value_length_max: int = Field(default=4096, ge=1, description="Most characters of a label's value.")

    @field_validator("labels")
    @classmethod
    def _labels_are_free(cls, labels: dict[str, str]) -> dict[str, str]:
        for name in labels:
            if not _LABEL_NAME.fullmatch(name) or name.startswith("__"):
                raise ValueError(f"{name!r} is no label name: use letters, digits and _, and no leading __")
            if name in ("job", "instance"):
                raise ValueError(f"label {name} is set by the job and cannot be set again")
        return labels

    @model_validator(mode="after")
    def _targets_are_distinct(self) -> PrometheusConfig:
        sources = [target.source for target in self.parsed_targets()]
        for source in sources:
            if sources.count(source) > 1:
                raise ValueError(f"targets name {source} more than once: it would be read twice")
        return self

    def parsed_targets(self) -> list[Target]:
        """The targets as addresses. Raises ValueError naming the one that is none."""
        return [parse_target(text, job=self.job, scheme=self.scheme, path=self.path) for text in self.targets]
