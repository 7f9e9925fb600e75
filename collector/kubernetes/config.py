"""What can be set for a cluster: how it is reached, which pages of its kubelets are read, and which part of its nodes.

Whatever two agents set differently here, the same node and pod have the same series, unless ``cluster`` differs.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from collector.base import SourceConfig
from collector.cluster.config import ClusterConfig

_SHARD = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})")


class KubernetesConfig(SourceConfig):
    """One cluster: its nodes are sources of their own."""

    kind: Literal["kubernetes"] = Field(default="kubernetes", description="Which collector reads the source.")
    cluster: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        max_length=128,
        description="Name of the cluster; two agents that read the same cluster must call it the same.",
    )
    api: ClusterConfig = Field(default=ClusterConfig(), description="How the API server is reached.")
    usage: Literal["summary", "resource"] = Field(
        default="summary",
        description="Page of the kubelets that is read: /stats/summary, or the lighter /metrics/resource, which has no network and no storage.",
    )
    file_io: bool = Field(default=True, description="Whether /metrics/cadvisor is read for bytes read and written.")
    kubelet_tls: Literal["verify", "skip"] = Field(
        default="verify", description="Whether the kubelets' certificates must be of the cluster's authority."
    )
    kubelet_ca_file: Path | None = Field(
        default=None, description="PEM file with the authorities of the kubelets' certificates; the cluster's if unset."
    )
    kubelet_port: int | None = Field(
        default=None, ge=1, le=65_535, description="Port of the kubelets; the one that each node names if unset."
    )
    address_types: tuple[str, ...] = Field(
        default=("InternalIP", "ExternalIP", "InternalDNS", "Hostname"),
        min_length=1,
        description="Which of a node's addresses to ask, the first it has.",
    )
    body_bytes_max: int = Field(default=64 << 20, ge=1, description="Most bytes of a kubelet's page.")
    samples_max: int = Field(default=500_000, ge=1, description="Most samples on a kubelet's page of metrics.")
    unresolved_s: float = Field(
        default=60.0,
        ge=0,
        description="Seconds for which a pod that the API server has not told of yet is waited for; then its usage is @unresolved's.",
    )
    status_lag_s: float = Field(
        default=15.0,
        ge=0,
        description="Seconds by which running containers are counted behind the clock: their end is told as late as that.",
    )
    shard: str = Field(
        default="1/1", description="Which part of the nodes is read, such as 2/5; all parts together are the cluster."
    )

    @field_validator("shard")
    @classmethod
    def _is_shard(cls, shard: str) -> str:
        found = _SHARD.fullmatch(shard)
        if found is None or int(found[1]) > int(found[2]):
            raise ValueError(f"{shard!r} is no shard: write its number and how many there are, such as 2/5")
        return shard
