"""What stands in a monitor, as far as it is of interest here; names and meaning are those of the API reference of the Prometheus operator.

The cluster has checked monitors against their CRDs, but of one version or another: a field that is not known here is passed over, and one
that is not of the form that is known makes a monitor that says so (``fault``), instead of an error that would hide all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from collector.prometheus.kubernetes_sd.groups import Labels
from collector.prometheus.kubernetes_sd.meta import texts
from collector.prometheus.monitors.config import MonitorKind
from collector.prometheus.monitors.selectors import LabelSelector


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, given: Any) -> Any:
        return {key: value for key, value in given.items() if value is not None} if isinstance(given, dict) else given


class Rule(_Part):
    """A rule of relabelling, as monitors write it."""

    source_labels: tuple[str, ...] = Field(default=(), description="Labels whose values, joined, are looked at.")
    separator: str | None = Field(default=None, description="Text between the joined values.")
    target_label: str = Field(default="", description="Label that is written, or compared.")
    regex: str = Field(default="", description="Regular expression that the whole joined value matches.")
    modulus: int = Field(default=0, description="Divisor of the hash of the joined value.")
    replacement: str | None = Field(default=None, description="Text to write.")
    action: str = Field(default="", description="What is done, in capitals or not.")


class Endpoint(_Part):
    """One endpoint of a monitor: of ``endpoints`` or ``podMetricsEndpoints``."""

    port: str = Field(default="", description="Name of a port: of the service, or of a container.")
    port_number: int = Field(default=0, description="Number of a container's port; of PodMonitors alone.")
    target_port: int | str | None = Field(default=None, description="Number or name of a container's port.")
    path: str = Field(default="", description="Page to scrape.")
    scheme: str = Field(default="", description="Protocol, in capitals or not.")
    params: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="Parameters of the query.")
    interval: str = Field(default="", description="Time between two scrapes.")
    scrape_timeout: str = Field(default="", description="Time that a scrape may take.")
    honor_labels: bool = Field(default=False, description="Whether exposed labels win.")
    honor_timestamps: bool = Field(default=True, description="Whether exposed times are those of samples.")
    filter_running: bool = Field(default=True, description="Whether pods that have ended are left out.")
    relabelings: tuple[Rule, ...] = Field(default=(), description="Rules for targets.")
    metric_relabelings: tuple[Rule, ...] = Field(default=(), description="Rules for series.")
    bearer_token_file: str = Field(default="", description="File with a token, on the machine of whoever scrapes.")
    bearer_token_secret: dict[str, Any] = Field(default_factory=dict, description="Secret with a token.")
    authorization: dict[str, Any] = Field(default_factory=dict, description="Secret with credentials.")
    basic_auth: dict[str, Any] = Field(default_factory=dict, description="Secrets with a name and a password.")
    oauth2: dict[str, Any] = Field(default_factory=dict, alias="oauth2", description="Secrets of an OAuth 2 client.")
    tls_config: dict[str, Any] = Field(default_factory=dict, description="How TLS is spoken.")
    proxy_url: str = Field(default="", description="Proxy to go through.")
    proxy_from_environment: bool = Field(default=False, description="Whether the environment names the proxy.")


class NamespaceSelector(_Part):
    """Namespaces in which a monitor looks for targets; its own if this says nothing."""

    any: bool = Field(default=False, description="Whether all are looked into.")
    match_names: tuple[str, ...] = Field(default=(), description="Names of those that are looked into.")


class AttachMetadata(_Part):
    """Further labels that targets shall have."""

    node: bool = Field(default=False, description="Whether those of the node are attached.")


class Spec(_Part):
    """What a monitor says."""

    job_label: str = Field(default="", description="Label of the service or pod that gives the job its name.")
    target_labels: tuple[str, ...] = Field(default=(), description="Labels of the service to put on series.")
    pod_target_labels: tuple[str, ...] = Field(default=(), description="Labels of the pod to put on series.")
    selector: LabelSelector = Field(default=LabelSelector(), description="Which services or pods are meant.")
    namespace_selector: NamespaceSelector = Field(default=NamespaceSelector(), description="Where they are looked for.")
    endpoints: tuple[Endpoint, ...] = Field(default=(), description="What to scrape of services.")
    pod_metrics_endpoints: tuple[Endpoint, ...] = Field(default=(), description="What to scrape of pods.")
    sample_limit: int = Field(default=0, description="Most samples on a page after relabelling.")
    target_limit: int = Field(default=0, description="Most targets of an endpoint.")
    label_limit: int = Field(default=0, description="Most labels of a series.")
    label_name_length_limit: int = Field(default=0, description="Most characters of a label's name.")
    label_value_length_limit: int = Field(default=0, description="Most characters of a label's value.")
    body_size_limit: str = Field(default="", description="Most bytes of a page.")
    scrape_protocols: tuple[str, ...] = Field(default=(), description="What a target is asked for, the best one first.")
    fallback_scrape_protocol: str = Field(default="", description="How to read a page that does not say what it is.")
    attach_metadata: AttachMetadata = Field(default=AttachMetadata(), description="Further labels of targets.")
    scrape_class: str = Field(default="", description="Settings of a Prometheus object that shall apply.")


@dataclass(frozen=True)
class Monitor:
    """A monitor of the API server; ``spec`` is None where ``fault`` says why it cannot be understood."""

    kind: MonitorKind
    uid: str
    namespace: str
    name: str
    labels: Labels
    spec: Spec | None
    fault: str = ""

    @property
    def key(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{self.name}"

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """What is to be scraped."""
        if self.spec is None:
            return ()
        return self.spec.endpoints if self.kind == "ServiceMonitor" else self.spec.pod_metrics_endpoints


def service_monitor_of(document: dict[str, Any]) -> Monitor | None:
    """A ServiceMonitor of the API server."""
    return _monitor("ServiceMonitor", document)


def pod_monitor_of(document: dict[str, Any]) -> Monitor | None:
    """A PodMonitor of the API server."""
    return _monitor("PodMonitor", document)


def _monitor(kind: MonitorKind, document: dict[str, Any]) -> Monitor | None:
    meta = document.get("metadata") or {}
    if not meta.get("uid"):
        return None
    spec, fault = None, ""
    try:
        spec = Spec.model_validate(document.get("spec") or {})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        fault = f"spec.{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    about = (str(meta["uid"]), str(meta.get("namespace", "")), str(meta.get("name", "")), texts(meta.get("labels")))
    return Monitor(kind, *about, spec, fault)
