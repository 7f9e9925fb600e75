"""An endpoint of a monitor as a job: where it looks for targets, which rules choose them, and how each is scraped.

A plan is a value. Two versions of a monitor that mean the same give equal plans, and nothing that runs by one is disturbed when, say,
the operator writes its status into the monitor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from collector.prometheus.config import ScrapeConfig
from collector.prometheus.kubernetes_sd.groups import Group
from collector.prometheus.monitors.config import MonitorsConfig
from collector.prometheus.monitors.demands import CA_FILE, TOKEN_FILE, unmet
from collector.prometheus.monitors.documents import Endpoint, Monitor, Spec
from collector.prometheus.monitors.durations import bytes_of, seconds
from collector.prometheus.monitors.rules import own_rules, rules_of
from collector.prometheus.monitors.selectors import LabelSelector
from collector.prometheus.relabeling import RelabelRule

#: A scrape may take as long as its interval for the operator; here it has to be over before the next.
_TIMEOUT_PART_MAX = 0.95
#: Whoever may write a monitor must not keep an agent busy with it.
_INTERVAL_S_MIN = 1.0
_FORMATS = {
    "PrometheusText0.0.4": "text",
    "PrometheusText1.0.0": "text",
    "OpenMetricsText0.0.1": "openmetrics",
    "OpenMetricsText1.0.0": "openmetrics",
    "PrometheusProto": "protobuf",
}


class Unscraped(Exception):
    """An endpoint is not scraped; the message says why, and what can be done."""


@dataclass(frozen=True)
class Plan:
    """One endpoint of a monitor. ``source`` begins the names of its sources, ``mark`` tells it from a sister that looks the same.

    ``job`` is the operator's name of the job. ``namespaces`` are those in which targets are looked for, all if empty.
    """

    job: str
    source: str
    mark: str
    finds_pods: bool
    namespaces: frozenset[str]
    selector: LabelSelector
    rules: tuple[RelabelRule, ...]
    scheme: str
    path: str
    scrape: ScrapeConfig
    targets_max: int

    def selects(self, group: Group) -> bool:
        """Whether targets of a group may be its own, before any rule."""
        return (not self.namespaces or group.namespace in self.namespaces) and self.selector.matches(group.selected_by)


def source_of(config: MonitorsConfig, monitor: Monitor) -> str:
    """What the names of all sources of a monitor begin with."""
    kind = monitor.kind[:1].lower() + monitor.kind[1:]
    return f"prometheus_monitors/{config.cluster}/{kind}/{monitor.key}"


def plan_of(config: MonitorsConfig, monitor: Monitor, spec: Spec, index: int) -> Plan:
    """The plan of one endpoint. Raises Unscraped where it cannot be read as it asks for."""
    endpoint = monitor.endpoints[index]
    unmet_demand = unmet(spec, endpoint, own_token=config.service_account_token)
    if unmet_demand:
        raise Unscraped(unmet_demand)
    namespaces = spec.namespace_selector.match_names or (monitor.namespace,)
    like = [_looks(each) for each in monitor.endpoints[:index]].count(_looks(endpoint))
    try:
        return Plan(
            job=f"{monitor.kind[:1].lower()}{monitor.kind[1:]}/{monitor.key}/{index}",
            source=source_of(config, monitor),
            mark=f"#{like + 1}" if like else "",
            finds_pods=monitor.kind == "PodMonitor",
            namespaces=frozenset() if spec.namespace_selector.any else frozenset(namespaces),
            selector=spec.selector,
            rules=rules_of(monitor, spec, endpoint),
            scheme=endpoint.scheme.lower() or "http",
            path=endpoint.path or "/metrics",
            scrape=ScrapeConfig.model_validate(_settings(config, spec, endpoint)),
            targets_max=spec.target_limit,
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise Unscraped(f"{'.'.join(map(str, first['loc'])) or 'a rule'}: {first['msg']}") from None
    except ValueError as error:
        raise Unscraped(str(error)) from None


def _looks(endpoint: Endpoint) -> tuple[Any, ...]:
    """What tells the sources of two endpoints apart."""
    return endpoint.port, endpoint.port_number, endpoint.target_port, endpoint.path or "/metrics"


def _settings(config: MonitorsConfig, spec: Spec, endpoint: Endpoint) -> dict[str, Any]:
    interval_s, timeout_s = _times(config, endpoint)
    tls = endpoint.tls_config
    ca_file = tls.get("caFile") if not tls.get("insecureSkipVerify") else None
    return {
        "kind": config.kind,
        "interval_s": interval_s,
        "timeout_s": timeout_s,
        "params": {name: list(texts) for name, texts in endpoint.params.items()},
        "honor_labels": endpoint.honor_labels,
        "honor_timestamps": endpoint.honor_timestamps,
        "metric_relabelings": own_rules(endpoint.metric_relabelings),
        **({"scrape_protocols": spec.scrape_protocols} if spec.scrape_protocols else {}),
        "fallback_format": _FORMATS.get(spec.fallback_scrape_protocol),
        "bearer_token_file": Path(TOKEN_FILE) if endpoint.bearer_token_file else None,
        "ca_file": Path(CA_FILE) if ca_file else None,
        "server_name": tls.get("serverName") or None,
        "insecure_skip_verify": bool(tls.get("insecureSkipVerify")),
        "sample_limit": spec.sample_limit,
        **dict(_limits(config, spec)),
    }


def _times(config: MonitorsConfig, endpoint: Endpoint) -> tuple[float, float | None]:
    """Seconds between two scrapes, and those that one may take. Raises ValueError for what does not fit together."""
    try:
        interval_s = seconds(endpoint.interval) if endpoint.interval else 0.0
        timeout_s = seconds(endpoint.scrape_timeout) if endpoint.scrape_timeout else 0.0
    except ValueError as error:
        raise ValueError(f"interval or scrapeTimeout: {error}") from None
    interval_s = interval_s or config.interval_s
    if interval_s < _INTERVAL_S_MIN:
        raise ValueError(f"interval {endpoint.interval} is shorter than {_INTERVAL_S_MIN:g} s")
    if timeout_s > interval_s:
        raise ValueError(f"scrapeTimeout {endpoint.scrape_timeout} is longer than the interval of {interval_s:g} s")
    if timeout_s:
        return interval_s, min(timeout_s, interval_s * _TIMEOUT_PART_MAX)
    given = config.timeout_s
    return interval_s, given if given is not None and given < interval_s else None


def _limits(config: MonitorsConfig, spec: Spec) -> Iterator[tuple[str, int]]:
    """The lower of two limits: the agent's own, and the monitor's if it has one."""
    try:
        body_bytes = bytes_of(spec.body_size_limit) if spec.body_size_limit else 0
    except ValueError as error:
        raise ValueError(f"bodySizeLimit: {error}") from None
    asked: Mapping[str, int] = {
        "body_bytes_max": body_bytes,
        # Prometheus counts the metric's name as one.
        "label_count_max": max(1, spec.label_limit - 1) if spec.label_limit else 0,
        "label_name_length_max": spec.label_name_length_limit,
        "label_value_length_max": spec.label_value_length_limit,
        "metric_name_length_max": spec.label_value_length_limit,
        "samples_max": 0,
    }
    for name, limit in asked.items():
        own: int = getattr(config, name)
        yield name, min(own, limit) if limit > 0 else own
