"""What can be set for reading a cluster: where its API is, and the bounds of every request to it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ClusterConfig(BaseModel):
    """One cluster's API. Without ``kubeconfig`` the agent runs in the cluster and uses its service account."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kubeconfig: Path | None = Field(
        default=None, description="File that says how to reach the cluster; the pod's service account if unset."
    )
    context: str | None = Field(
        default=None, min_length=1, description="Context of the kubeconfig; its current-context if unset."
    )
    timeout_s: float = Field(
        default=30.0, gt=0, le=600, description="Seconds one request may take, from the connection to the last byte."
    )
    idle_s: float = Field(
        default=150.0,
        gt=0,
        le=3_600,
        description="Seconds of silence after which a watch is given up; servers send a bookmark every minute.",
    )
    watch_s: int = Field(
        default=300,
        ge=1,
        le=43_200,
        description="Seconds after which the server is asked to end a watch: between this and twice this, at random.",
    )
    backoff_s_max: float = Field(
        default=30.0, gt=0, le=3_600, description="Most seconds between two tries when the API does not answer."
    )
    page_limit: int = Field(default=500, ge=1, le=10_000, description="Objects on one page of a list.")
    objects_max: int = Field(
        default=500_000, ge=1, description="Most objects of one kind; a cluster with more is not read at all."
    )
    answer_bytes_max: int = Field(
        default=128 << 20, ge=1_024, description="Most bytes of one answer; a page of 500 pods has 5 MB or so."
    )
    line_bytes_max: int = Field(
        default=16 << 20, ge=1_024, description="Most bytes of one watch event; etcd keeps objects below 1.5 MB."
    )

    @model_validator(mode="after")
    def _context_has_a_kubeconfig(self) -> ClusterConfig:
        if self.context is not None and self.kubeconfig is None:
            raise ValueError(f"context {self.context} needs a kubeconfig in which to look for it")
        return self
