"""What can be set for a scrape job, with the defaults of Prometheus where it has any.

Every limit protects the agent and the ledger from one target: a page that exceeds one fails as a whole and says which
limit and by what, because half a page would look like measured zeros.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from collector.base import SourceConfig
from collector.cluster.config import ClusterConfig
from collector.exposition.page import Format
from collector.prometheus.jobs import Job
from collector.prometheus.negotiation import SCRAPE_PROTOCOLS, ScrapeProtocol
from collector.prometheus.relabeling import RelabelRule
from collector.prometheus.targets import Target, parse_target

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class KubernetesDiscovery(BaseModel):
    """What a cluster's API server knows as targets, as Prometheus' ``kubernetes_sd_config``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Literal["pod", "service", "endpoints"] = Field(
        description="What is looked for: pod, service, or endpoints (read from EndpointSlices; its targets have the labels of Prometheus' roles endpoints and endpointslice)."
    )
    api: ClusterConfig = Field(default=ClusterConfig(), description="How the API server is reached.")
    namespaces: tuple[str, ...] = Field(
        default=(), description="Namespaces to look into, which is all that is asked to be granted then; all if empty."
    )


class ScrapeLimits(SourceConfig):
    """How much one target may show."""

    body_bytes_max: int = Field(default=16 << 20, ge=1, description="Most bytes of a page, uncompressed.")
    samples_max: int = Field(default=100_000, ge=1, description="Most samples on a page, those left out included.")
    label_count_max: int = Field(default=64, ge=1, description="Most labels of a series, added ones included.")
    label_name_length_max: int = Field(default=256, ge=1, description="Most characters of a label's name.")
    label_value_length_max: int = Field(default=4096, ge=1, description="Most characters of a label's value.")
    metric_name_length_max: int = Field(default=256, ge=1, description="Most characters of a metric's name.")


class ScrapeConfig(ScrapeLimits):
    """How one target is scraped, wherever it was found."""

    params: dict[str, str | list[str]] = Field(
        default_factory=dict, description="Parameters of the query; they are no part of the source's name."
    )
    honor_labels: bool = Field(
        default=False, description="Whether exposed labels win over added ones: for federation and push gateways alone."
    )
    honor_timestamps: bool = Field(
        default=True, description="Whether times that a page gives are those of its samples; else the scrape's is."
    )
    metric_relabelings: tuple[RelabelRule, ...] = Field(
        default=(), description="Rules that keep, drop and rewrite series, as Prometheus' metric_relabel_configs."
    )
    scrape_protocols: tuple[ScrapeProtocol, ...] = Field(
        default=SCRAPE_PROTOCOLS,
        min_length=1,
        description="What the target is asked for, the best one first, as Prometheus' setting: put PrometheusProto first for protobuf.",
    )
    fallback_format: Format | None = Field(
        default=None, description="How to read a page whose Content-Type is none of metrics; it fails if unset."
    )
    bearer_token_file: Path | None = Field(
        default=None, description="File with the token to send; read at every scrape, since tokens rotate."
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file with the authorities that may vouch for the target; certifi's if unset."
    )
    server_name: str | None = Field(
        default=None, min_length=1, description="Name in the target's certificate, where it is not that of its address."
    )
    insecure_skip_verify: bool = Field(
        default=False,
        description="Whether the target's certificate is believed whoever signed it, as Prometheus' setting.",
    )
    process_start: bool = Field(
        default=False,
        description=(
            "Whether process_start_time_seconds is when counters without a created time began. True of a program that "
            "counts its own work; false of exporters such as node_exporter, whose restart resets nothing."
        ),
    )
    lease: bool | None = Field(
        default=None,
        description="Whether a target that another agent of the same ledger reads already is left to it; unset: yes, but for addresses of this machine.",
    )
    sample_limit: int = Field(
        default=0,
        ge=0,
        description="Most samples on a page after metric_relabelings, as Prometheus'; 0 for no such limit.",
    )

    @field_validator("scrape_protocols")
    @classmethod
    def _protocols_are_distinct(cls, protocols: tuple[ScrapeProtocol, ...]) -> tuple[ScrapeProtocol, ...]:
        for protocol in protocols:
            if protocols.count(protocol) > 1:
                raise ValueError(f"{protocol} is named more than once")
        return protocols

    @model_validator(mode="after")
    def _someone_vouches_or_nobody(self) -> ScrapeConfig:
        if self.insecure_skip_verify and self.ca_file is not None:
            raise ValueError("ca_file and insecure_skip_verify: true exclude each other: remove one of them")
        return self


class PrometheusConfig(ScrapeConfig):
    """One job: targets of one kind, each a source of its own."""

    kind: Literal["prometheus"] = Field(default="prometheus", description="Which collector reads the source.")
    job: str = Field(
        pattern=r"^[^/\s]+$", max_length=256, description="Name of the job, put on every series as the label job."
    )
    targets: tuple[str, ...] = Field(default=(), description="What to scrape: host:port, or a URL to override.")
    target_files: tuple[str, ...] = Field(
        default=(),
        description="Files with targets, JSON or YAML as Prometheus' file_sd; the last part may have wildcards.",
    )
    kubernetes: KubernetesDiscovery | None = Field(
        default=None, description="Targets that a cluster's API server knows, as Prometheus' kubernetes_sd_configs."
    )
    relabelings: tuple[RelabelRule, ...] = Field(
        default=(), description="Rules that keep, drop and rewrite targets, as Prometheus' relabel_configs."
    )
    scheme: Literal["http", "https"] = Field(default="http", description="Protocol of targets given as host:port.")
    path: str = Field(default="/metrics", pattern=r"^/[^?#\s]*$", description="Page of targets given without one.")
    labels: dict[str, str] = Field(
        default_factory=dict, description="Labels to add; exposed ones of the same name become exported_<name>."
    )

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
        if not self.targets and not self.target_files and self.kubernetes is None:
            raise ValueError("targets, target_files or kubernetes are needed: say what to scrape")
        for text in self.targets:
            parse_target(text, job=self.job, scheme=self.scheme, path=self.path)
        sources = [target.source for target in self.parsed_targets()]
        for source in sources:
            if sources.count(source) > 1:
                raise ValueError(f"targets name {source} more than once: it would be read twice")
        return self

    def parsed_targets(self) -> list[Target]:
        """The configured targets, after relabelling. Raises ValueError naming one that is none."""
        prepared = self.prepared()
        return [target for text in self.targets if (target := prepared.written(text, {})) is not None]

    def prepared(self) -> Job:
        """What makes targets of addresses."""
        return Job(
            self.job,
            self.relabelings,
            scheme=self.scheme,
            path=self.path,
            params=self.params,
            labels=self.labels,
        )
