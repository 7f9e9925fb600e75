"""Alerts and dashboards name metrics that agent and ledger really have, with the labels that these have: needs no helm."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from agent.selfmetrics import SelfMetrics as AgentMetrics
from agent.spool import Sizes
from ledger.server.selfmetrics import SelfMetrics as LedgerMetrics
from tests.helm.charts import CHARTS, ROOT

_NAME = re.compile(r"\b(?:meterbook|process|python)_[a-z0-9_]+\b")
_SERIES = re.compile(r"\b(meterbook_[a-z0-9_]+)\{([^}]*)\}")
_LABEL = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)")
#: What a scrape puts on every series.
_SCRAPED = {"namespace", "job", "pod", "instance"}
_SUFFIXES = {"counter": ("_total", "_created"), "histogram": ("_bucket", "_sum", "_count", "_created")}
_HIDDEN_LABELS = {"_bucket": {"le"}}


def registry_of(chart: str) -> CollectorRegistry:
    """All that a process registers, whatever its configuration."""
    if chart == "agent":
        of_agent = AgentMetrics()
        of_agent.watch_ledger(lambda: "", lambda: 0, lambda: 0)
        of_agent.watch(lambda: Sizes(0, 0, 0, None, 0, 0))
        return of_agent.registry
    journal: Any = SimpleNamespace(
        warnings=(), log=SimpleNamespace(end=0), materialiser=SimpleNamespace(watermark=0, lag_s=0.0)
    )
    certificates: Any = SimpleNamespace(current=SimpleNamespace(not_after_s=0.0), failures=0)
    of_ledger = LedgerMetrics(journal)
    of_ledger.watch(certificates)
    return of_ledger.registry


def series_of(chart: str) -> dict[str, set[str]]:
    """The names of all series, each with its own labels."""
    registry = registry_of(chart)
    found: dict[str, set[str]] = {}
    for collector in registry._collector_to_names:
        labels = set(getattr(collector, "_labelnames", ()))
        for metric in collector.collect():
            for suffix in _SUFFIXES.get(metric.type, ("",)):
                found[metric.name + suffix] = labels | _HIDDEN_LABELS.get(suffix, set())
    return found


def expressions(chart: str) -> Iterator[tuple[str, str]]:
    """Every expression with the name of what it is for."""
    rules = yaml.safe_load((ROOT / "helm" / chart / "files" / "rules.yaml").read_text(encoding="utf-8"))["rules"]
    yield from ((rule["alert"], rule["expr"]) for rule in rules)
    for path in sorted((ROOT / "helm" / chart / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            yield from ((panel["title"], target["expr"]) for target in panel.get("targets", ()))


@pytest.mark.parametrize("chart", CHARTS)
def test_there_are_names_to_compare_with(chart: str) -> None:
    names = series_of(chart)
    assert {"agent": "meterbook_agent_spool_bytes", "ledger": "meterbook_ledger_batches_total"}[chart] in names
    assert "process_resident_memory_bytes" in names


def documented(chart: str) -> dict[str, str]:
    """The rows of docs/metrics.md about a process, by metric."""
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    (part,) = re.findall(rf"^## Of an? {chart}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return {row.split("`")[1]: row for row in part.splitlines() if row.startswith("| `")}


@pytest.mark.parametrize("chart", CHARTS)
def test_every_metric_is_documented_as_it_says_of_itself(chart: str) -> None:
    registry, rows = registry_of(chart), {}
    for collector in registry._collector_to_names:
        labels = ", ".join(f"`{each}`" for each in getattr(collector, "_labelnames", ()))
        for metric in collector.collect():
            if metric.name.startswith("meterbook_"):
                name = metric.name + ("_total" if metric.type == "counter" else "")
                rows[name] = f"| `{name}` | {metric.type} | {labels} | {metric.documentation} |"
    assert documented(chart) == rows
    assert list(rows) == list(documented(chart))


@pytest.mark.parametrize("chart", CHARTS)
def test_units_stand_in_names(chart: str) -> None:
    """What is counted in seconds or bytes says so in its name, and nothing is in milliseconds or kilobytes."""
    for name, row in documented(chart).items():
        assert not re.search(r"_(ms|us|millis\w*|micros\w*|kb|mb|kib|mib)(_|$)", name), name
        if row.split("|")[4].lower().startswith((" seconds ", " bytes ")):
            assert re.search(r"_(seconds|bytes)(_|$)", name), name


@pytest.mark.parametrize("chart", CHARTS)
def test_every_metric_is_there(chart: str) -> None:
    names = series_of(chart)
    unknown = [
        f"{what}: {name}"
        for what, expression in expressions(chart)
        for name in _NAME.findall(expression)
        if name not in names
    ]
    assert unknown == []


@pytest.mark.parametrize("chart", CHARTS)
def test_every_label_is_there(chart: str) -> None:
    names = series_of(chart)
    unknown = [
        f"{what}: {name} has no label {label}"
        for what, expression in expressions(chart)
        for name, selected in _SERIES.findall(expression.replace("SELECTOR", 'namespace="x"'))
        for label in _LABEL.findall(selected)
        if label not in names[name] | _SCRAPED
    ]
    assert unknown == []


@pytest.mark.parametrize("chart", CHARTS)
def test_every_alert_is_of_one_release_and_says_what_to_do(chart: str) -> None:
    rules = yaml.safe_load((ROOT / "helm" / chart / "files" / "rules.yaml").read_text(encoding="utf-8"))["rules"]
    names = [rule["alert"] for rule in rules]
    assert len(names) == len(set(names))
    for rule in rules:
        series = re.findall(r"(meterbook_[a-z0-9_]+)(\{SELECTOR[,}])?", rule["expr"])
        assert series, rule["alert"]
        assert all(selected for _, selected in series), f"{rule['alert']} looks at other releases, too"
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"].keys() == {"summary", "description"}
        assert len(rule["annotations"]["description"]) > 40
        assert balanced(rule["expr"])


@pytest.mark.parametrize("chart", CHARTS)
def test_dashboards_are_of_a_namespace_and_ask_for_what_there_is(chart: str) -> None:
    (path,) = (ROOT / "helm" / chart / "dashboards").glob("*.json")
    board = json.loads(path.read_text(encoding="utf-8"))
    for variable in board["templating"]["list"]:
        named = _NAME.findall(json.dumps(variable.get("query", "")))
        assert set(named) <= series_of(chart).keys()
    for title, expression in expressions(chart):
        if title in {panel["title"] for panel in board["panels"]}:
            assert all('namespace="$namespace",job=~"$job"' in each for each in selectors(expression)), title
            assert balanced(expression)


def selectors(expression: str) -> Iterable[str]:
    return re.findall(r"[a-z_]+(\{[^}]*\})", expression)


def balanced(expression: str) -> bool:
    return all(expression.count(first) == expression.count(last) for first, last in ("()", "[]", "{}"))
