"""Dashboards as an operator meets them: laid out as Grafana takes them, and every expression asked of a real Prometheus that scrapes real programs."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import httpx
import pytest

from tests.e2e.spine import eventually
from tests.helm.charts import CHARTS, ROOT, changed, of_kind
from tests.helm.grafana import Target, Viewer, panels, read, targets
from tests.helm.observed import Observed, observing
from tests.helm.test_alerts import PROMTOOL
from tests.helm.test_metrics import expressions
from tests.servers.prometheus import PROMETHEUS

pytestmark = pytest.mark.charts
with_data = pytest.mark.skipif(
    PROMETHEUS is None,
    reason="NO DASHBOARD WAS ASKED: there is no prometheus; make prometheus-assets builds it, or name it: make charts PROMETHEUS=/opt/prometheus",
)

_COLUMNS = 24
_UID_MAX = 40
#: Metrics that no healthy program shows, and why; what of them is shown begins with the first time.
FIRST_TIME = {
    "meterbook_agent_ticks_missed_total": "an agent that has time misses none",
    "meterbook_ledger_source_gap_seconds": "of the last closed hour nothing is missing",
}
#: Once these hold there is something to see in every panel.
SOON = (
    "count(meterbook_agent_dead_letters_total > 0)",
    "count(meterbook_agent_events_unassigned_total > 0)",
    'count(meterbook_agent_collections_total{status="failed"} > 2)',
    "count(count_over_time(meterbook_ledger_webhook_attempts_total[1m]) > 3)",
    "count(count_over_time(meterbook_ledger_access_refusals_total[1m]) > 3)",
    "count(count_over_time(meterbook_ledger_coverage_gap_seconds[1m]) > 3)",
    "meterbook_ledger_entries_total > 0",
    "count(count_over_time(meterbook_agent_uplink_connected[1m]) > 10)",
)


def board_of(chart: str, *sets: str) -> dict[str, Any]:
    """The chart's only dashboard, from the ConfigMap that Grafana's sidecar finds."""
    (found,) = (
        each
        for each in of_kind(changed(chart, *sets, values="observed"), "ConfigMap")
        if "grafana_dashboard" in each["metadata"]["labels"]
    )
    (text,) = found["data"].values()
    return read(text)


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    with observing(tmp_path_factory.mktemp("observed")) as found:
        found.trouble()
        for expression in SOON:
            assert eventually(lambda asked=expression: found.prometheus.now(asked)), expression
        yield found


@with_data
@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("is_chosen", [False, True], ids=["all jobs", "one job"])
def test_every_panel_shows_something(observed: Observed, chart: str, is_chosen: bool) -> None:
    board = board_of(chart)
    viewer = Viewer(observed.prometheus, board, observed.start_s)
    if is_chosen:
        (job,) = viewer.options(next(each for each in board["templating"]["list"] if each["name"] == "job"))
        viewer = Viewer(observed.prometheus, board, observed.start_s, job=job)
    faults = [fault for each in targets(board) if (fault := _fault(viewer, each))]
    assert faults == []


def _fault(viewer: Viewer, target: Target) -> str | None:
    """What is wrong with what an expression gives."""
    shown = viewer.asked(target)
    if not shown:
        return None if target.metrics & FIRST_TIME.keys() else f"{target.title}: nothing for {target.expression}"
    lacking = {label for series in shown for label in target.legend_labels - series["metric"].keys()}
    if lacking:
        return f"{target.title}: {target.legend} shows no {lacking}"
    numbers = [[float(value) for _, value in series["values"]] for series in shown]
    if not any(abs(number) < float("inf") for series in numbers for number in series):
        return f"{target.title}: no number for {target.expression}"
    if target.kind == "stat" and not all(abs(series[-1]) < float("inf") for series in numbers):
        return f"{target.title}: {numbers} at the end"
    legends = [_shown(target.legend, series["metric"]) for series in shown]
    return f"{target.title}: {legends} are the same" if len(legends) != len(set(legends)) else None


def _shown(legend: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels[found[1]], legend)


@with_data
@pytest.mark.parametrize("chart", CHARTS)
def test_every_metric_that_is_named_is_scraped(observed: Observed, chart: str) -> None:
    written = [text for _, text in expressions(chart)]
    documents = [ROOT / "README.md", ROOT / "docs" / "metrics.md", ROOT / "docs" / "runbooks.md"]
    written += [path.read_text(encoding="utf-8") for path in documents]
    named = {name for text in written for name in re.findall(rf"\bmeterbook_{chart}_[a-z0-9_]*[a-z0-9]\b", text)}
    assert len(named) > 20
    scraped = set(observed.prometheus.ask("label/__name__/values"))
    scraped |= {re.sub(r"_bucket$", "", name) for name in scraped}
    assert named - scraped - FIRST_TIME.keys() == set()
    page = httpx.get(f"http://{observed.pages[chart]}/metrics", trust_env=False).text
    told = set(re.findall(r"^# TYPE (\w+) ", page, re.MULTILINE))
    assert {name for name in FIRST_TIME if f"_{chart}_" in name} <= told


@with_data
def test_the_labels_of_a_scrape_are_those_of_the_operator(observed: Observed) -> None:
    (agent,) = observed.prometheus.now("meterbook_agent_uplink_connected")
    (ledger,) = observed.prometheus.now("meterbook_ledger_ready")
    common = {"namespace": "metering", "endpoint": "http"}
    assert agent["metric"].items() >= (common | {"job": "meterbook-agent-metrics", "container": "agent"}).items()
    assert ledger["metric"].items() >= (common | {"job": "metering/meterbook-ledger", "container": "ledger"}).items()
    # The agent's values leave these out, by a rule over series.
    assert {each["metric"]["container"] for each in observed.prometheus.now("python_info")} == {"ledger"}


@with_data
@pytest.mark.skipif(
    PROMTOOL is None, reason="NO PAGE WAS CHECKED: there is no promtool; make prometheus-assets builds it"
)
@pytest.mark.parametrize("chart", CHARTS)
def test_the_pages_are_as_prometheus_wants_them(observed: Observed, chart: str) -> None:
    page = httpx.get(f"http://{observed.pages[chart]}/metrics", trust_env=False).text
    linted = subprocess.run([str(PROMTOOL), "check", "metrics"], input=page, capture_output=True, text=True, timeout=60)
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("chart", CHARTS)
def test_panels_are_apart_and_lie_in_rows(chart: str) -> None:
    every = board_of(chart)["panels"]
    assert len({each["id"] for each in every}) == len(every)
    assert len({each["title"] for each in every if each["type"] != "row"}) == sum(
        each["type"] != "row" for each in every
    )
    places = [each["gridPos"] for each in every]
    assert all(place["x"] + place["w"] <= _COLUMNS and min(place["w"], place["h"]) > 0 for place in places)
    for one, other in combinations(every, 2):
        assert not _overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])
    assert places == sorted(places, key=lambda place: (place["y"], place["x"]))
    first_row_y = min(each["gridPos"]["y"] for each in every if each["type"] == "row")
    assert {each["type"] for each in every if each["gridPos"]["y"] < first_row_y} == {"stat"}
    assert all(each["panels"] == [] and not each["collapsed"] for each in every if each["type"] == "row")


def _overlap(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    return all(
        one[at] < other[at] + other[size] and other[at] < one[at] + one[size] for at, size in (("x", "w"), ("y", "h"))
    )


@pytest.mark.parametrize("chart", CHARTS)
def test_grafana_10_takes_it(chart: str) -> None:
    board = board_of(chart)
    # That of Grafana 10.0: newer ones bring it up to theirs.
    assert 36 <= board["schemaVersion"] <= 38
    assert re.fullmatch(rf"[a-z-]{{1,{_UID_MAX}}}", board["uid"])
    datasource, *others = board["templating"]["list"]
    assert (datasource["name"], datasource["type"], datasource["query"]) == ("datasource", "datasource", "prometheus")
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    assert all(each["datasource"] == chosen for each in [*others, *panels(board)])
    for panel in panels(board):
        assert panel["type"] in ("stat", "timeseries")
        assert re.fullmatch(r"[A-Z].*[^.]", panel["title"])
        assert len(panel["description"]) > 10 and panel["description"].endswith(".")
        references = [each["refId"] for each in panel["targets"]]
        assert references and len(references) == len(set(references))
        assert all(each["legendFormat"] for each in panel["targets"])


@pytest.mark.parametrize("chart", CHARTS)
def test_units_are_those_of_what_is_shown(chart: str) -> None:
    wrong = [
        (panel["title"], unit, target["expr"])
        for panel in panels(board_of(chart))
        for target in panel["targets"]
        if (unit := panel["fieldConfig"]["defaults"]["unit"]) not in _units(target["expr"])
    ]
    assert wrong == []


def _units(expression: str) -> set[str]:
    """In which units the value of an expression can be shown, by the names of the metrics in it."""
    if re.search(r"_(bytes|seconds)\{[^}]*\}\)? / ", expression):
        return {"percentunit"}
    if re.search(r"rate\(\w+_bytes_total\{", expression):
        return {"Bps"}
    if re.search(r"rate\(\w+_seconds_total\{", expression):
        # Seconds of a second: of the time, or of a core.
        return {"percentunit", "short"}
    names = " ".join(re.findall(r"\w+(?=\{)", expression))
    return {"bytes"} if "_bytes" in names else {"s"} if "_seconds" in names else {"short"}


@pytest.mark.parametrize("chart", CHARTS)
def test_a_board_leads_to_the_others_and_to_the_runbooks(chart: str) -> None:
    (alone,) = board_of(chart, 'metrics.prometheusRule.runbookUrl=""')["links"]
    assert (alone["type"], alone["tags"]) == ("dashboards", ["meterbook"])
    assert board_of(chart)["tags"] == ["meterbook"]
    url = "https://runbooks.example.com/a?b=c&d"
    board = board_of(chart, f'metrics.prometheusRule.runbookUrl="{url}"')
    others, runbooks = board.pop("links")
    assert others == alone and (runbooks["type"], runbooks["url"]) == ("link", url)
    (path,) = (ROOT / "helm" / chart / "dashboards").glob("*.json")
    assert board == {name: value for name, value in read(path.read_text()).items() if name != "links"}
