"""Dashboards as Grafana takes them: variables are filled by their own queries, and every panel's expressions are asked of Prometheus.

Grafana is not there. What it does before it asks is little, and is done here as it does it: a variable of one value stands as it is, one of
several as a regular expression, and ``$__rate_interval`` is four scrapes, or a step and one scrape if that is longer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.servers.prometheus import SCRAPE_S, PrometheusServer

_LABEL_VALUES = re.compile(r"label_values\((?:(?P<series>.+),\s*)?(?P<label>\w+)\)")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_SPECIAL = re.compile(r"([$^*{}\[\]'+?.()|])")
STEP_S = SCRAPE_S


@dataclass(frozen=True)
class Target:
    """One expression of a panel."""

    title: str
    kind: str
    expression: str
    legend: str

    @property
    def metrics(self) -> set[str]:
        """The names in the expression, without what a histogram appends."""
        names = re.findall(r"\b((?:meterbook|process|python)_\w+)\{", self.expression)
        return {re.sub(r"_bucket$", "", name) for name in names}

    @property
    def legend_labels(self) -> set[str]:
        """Labels that the legend shows."""
        return set(re.findall(r"\{\{\s*(\w+)\s*\}\}", self.legend))


def panels(board: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All that show something, also those that a row hides."""
    for each in board["panels"]:
        yield from each.get("panels", ())
        if each["type"] != "row":
            yield each


def targets(board: Mapping[str, Any]) -> Iterator[Target]:
    """Every expression of every panel."""
    for panel in panels(board):
        for each in panel["targets"]:
            yield Target(panel["title"], panel["type"], each["expr"], each["legendFormat"])


class Viewer:
    """Somebody who looks at a dashboard from ``start_s`` on; ``chosen`` takes the place of what a variable begins with."""

    def __init__(self, server: PrometheusServer, board: Mapping[str, Any], start_s: float, **chosen: str) -> None:
        self._server, self._start_s = server, start_s
        self.values: dict[str, str] = {}
        for variable in board["templating"]["list"]:
            name = variable["name"]
            self.values[name] = chosen.get(name) or self._first(variable)

    def options(self, variable: Mapping[str, Any]) -> list[str]:
        """What a variable offers: the answer of its query."""
        found = _LABEL_VALUES.fullmatch(variable["query"]["query"])
        assert found is not None, f"{variable['name']}: {variable['query']}"
        of = {"match[]": self.filled(found["series"])} if found["series"] else {}
        values: list[str] = self._server.ask(f"label/{found['label']}/values", **of)
        assert values, f"{variable['name']}: {variable['query']['query']} has no values"
        return values

    def _first(self, variable: Mapping[str, Any]) -> str:
        """What is chosen when the dashboard is opened: all if there is that, else the first."""
        if variable["type"] == "datasource":
            return "prometheus"
        options = self.options(variable)
        if not variable.get("includeAll"):
            return options[0]
        if variable.get("allValue"):
            return str(variable["allValue"])
        escaped = [_SPECIAL.sub(r"\\\\\1", each) for each in options]
        return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"

    def filled(self, expression: str) -> str:
        """An expression with what variables stand for; fails over one that nobody knows."""
        span_s = max(1, int(self._server.now_s() - self._start_s))
        known = self.values | {
            "__rate_interval": f"{max(STEP_S + SCRAPE_S, 4 * SCRAPE_S)}s",
            "__interval": f"{STEP_S}s",
            "__interval_ms": str(STEP_S * 1000),
            "__range": f"{span_s}s",
            "__range_s": str(span_s),
        }
        return _VARIABLE.sub(lambda found: known[found[1] or found[2]], expression)

    def asked(self, target: Target) -> list[dict[str, Any]]:
        """The series of an expression over all of the time."""
        span = {"start": self._start_s, "end": self._server.now_s(), "step": STEP_S}
        found: list[dict[str, Any]] = self._server.ask("query_range", query=self.filled(target.expression), **span)[
            "result"
        ]
        return found


def read(text: str) -> dict[str, Any]:
    """A dashboard's file; a key that stands twice is a fault of who wrote it."""

    def whole(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(pairs) == len(dict(pairs)), [name for name, _ in pairs]
        return dict(pairs)

    board: dict[str, Any] = json.loads(text, object_pairs_hook=whole)
    return board
