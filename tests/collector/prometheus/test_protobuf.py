"""Pages of protobuf give the series and samples that the same metrics give as text."""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import ALLOWUTF8, generate_latest
from prometheus_client.registry import Collector

from collector.exposition.page import Format, Page
from collector.exposition.reader import PageReader
from collector.exposition.values import NO_TIME
from collector.prometheus.catalogue import Catalogue
from collector.prometheus.config import PrometheusConfig
from collector.readings import Readings
from tests.collector.conftest import WINDOW, Reader, series_of
from tests.fakes import metric_messages as messages
from tests.fakes.http_target import OPENMETRICS, FakeTarget, page

PAGES = Path(__file__).parents[2] / "data" / "exposition"
KINDS = {
    messages.COUNTER: "counter",
    messages.GAUGE: "gauge",
    messages.SUMMARY: "summary",
    messages.UNTYPED: "unknown",
    messages.HISTOGRAM: "histogram",
}

Told = dict[tuple[object, ...], tuple[str, int | None]]
Scrape = Callable[..., Readings]


def told(body: bytes, kind: Format, **given: Any) -> Told:
    """What a page gives: metric, labels, kind, unit and start of each series -> value and time."""
    config = PrometheusConfig.model_validate({"job": "shop", "targets": ["a:1"], **given})
    (target,) = config.parsed_targets()
    rows = PageReader("target", 10_000).read(Page(body, kind))
    shape = Catalogue(config, target).shape(rows.layout, rows.values, rows.created_s)
    assert not shape.repeated
    found: Told = {}
    defined = shape.series.of(shape.ids.to_numpy()).to_pylist()
    for series, row in zip(defined, shape.rows.tolist(), strict=True):
        time_us = None if rows.times_us is None or rows.times_us[row] == NO_TIME else int(rows.times_us[row])
        key = tuple(series[name] for name in ("metric", "labels", "kind", "unit", "start", "series_id"))
        found[key] = repr(float(rows.values[row])), time_us
    return found


@pytest.fixture
def scrape(target: FakeTarget, reader: Callable[..., Reader]) -> Scrape:
    """Scrapes a page once, by a new collector."""

    def once(body: bytes, content_type: str = messages.CONTENT_TYPE, **given: Any) -> Readings:
        target.answer = page(body, content_type, encoding="gzip" if body[:2] == b"\x1f\x8b" else None)
        return reader("prometheus", job="shop", targets=[target.address], **given).read()

    return once


def test_a_program_says_the_same_in_both_formats() -> None:
    """Recorded from client_golang: created times, exemplars, native histograms, names that are no identifiers."""
    binary = told((PAGES / "client_golang.pb").read_bytes(), "protobuf")
    assert binary == told((PAGES / "client_golang_openmetrics.txt").read_bytes(), "openmetrics")
    found = {key[0]: value for key, value in binary.items()}
    # A native histogram alone, one beside a classic one, and one that has not seen anything yet.
    assert found["response_size_bytes_count"] == found["queue_wait_seconds_count"] == ("200.0", None)
    assert found["queue_wait_seconds_sum"] == ("302.16129032258084", None)
    assert found["idle_seconds_count"] == ("0.0", None)
    assert found["battery_discharge_joules_total"] == ("88.5", 1_767_225_600_250_000)
    assert found["shop.queue depth"] == ("4.0", None)
    counters = {key[0]: key[4] for key in binary if key[2] == "counter"}
    assert {name for name, start in counters.items() if start is None} == {
        "battery_discharge_joules_total",
        "upload_seconds_count",
        "upload_seconds_sum",
    }
    assert counters["response_size_bytes_sum"] == datetime(2026, 11, 22, 1, 56, 8, 717_243, UTC)


def test_prometheus_says_the_same_in_both_formats() -> None:
    """Recorded from Prometheus itself, the pages a moment apart."""
    binary = told((PAGES / "prometheus.pb").read_bytes(), "protobuf")
    text = told((PAGES / "prometheus_text.txt").read_bytes(), "text")
    assert len(binary) > 200
    assert set(binary) == set(text)
    same = [key for key in binary if binary[key] == text[key]]
    # The others went on counting.
    assert len(same) > 0.8 * len(binary)


def test_the_settings_of_a_target_hold_for_its_histograms() -> None:
    """Relabelling and limits see series as they do those of text."""
    rules = [{"source_labels": ["__name__"], "regex": "response_size_bytes_(sum|count)", "action": "keep"}]
    pages = ((PAGES / "client_golang.pb", "protobuf"), (PAGES / "client_golang_openmetrics.txt", "openmetrics"))
    binary, text = (told(path.read_bytes(), kind, metric_relabelings=rules) for path, kind in pages)
    assert binary == text
    assert {key[0] for key in binary} == {"response_size_bytes_sum", "response_size_bytes_count"}


names = st.sampled_from(["jobs", "queue.wait", "a_b", "π", "x:y"])
label_names = st.sampled_from(["a", "b.c", "_d", "é"])
label_values = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
some_labels = st.dictionaries(label_names, label_values, max_size=3)
values = st.floats(allow_nan=False) | st.just(math.nan)
counts = st.integers(0, 2**53)
# To the millisecond both formats are exact.
instants_ms = st.integers(1, 4 * 10**12)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Metric]:
    """A family, as messages and as an object of the client library for Python."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    unit = draw(st.sampled_from(["", "seconds"]))
    name = draw(names) + (f"_{unit}" if unit else "")
    family = messages.family(f"{name}_total" if kind == messages.COUNTER else name, kind, help="Help.", unit=unit)
    text = Metric(name, "Help.", KINDS[kind], unit)
    for number in range(draw(st.integers(1, 4))):
        labels = {"n": str(number), **draw(some_labels)}
        time_ms = draw(st.none() | instants_ms)
        created_ms = draw(st.none() | instants_ms)
        one = messages.metric(family, labels, time_ms)
        time_s = None if time_ms is None else f"{time_ms // 1000}.{time_ms % 1000:03}"

        def add(suffix: str, value: float, labels: dict[str, str] = labels, time_s: Any = time_s) -> None:
            text.add_sample(name + suffix, labels, value, time_s)

        _fill(draw, kind, one, add, labels)
        if created_ms is not None and kind in (messages.COUNTER, messages.SUMMARY, messages.HISTOGRAM):
            part = {messages.COUNTER: one.counter, messages.SUMMARY: one.summary, messages.HISTOGRAM: one.histogram}
            part[kind].created_timestamp.FromMilliseconds(created_ms)
            text.add_sample(f"{name}_created", labels, created_ms / 1_000)
    return family, text


def _fill(draw: st.DrawFn, kind: int, one: Any, add: Callable[..., None], labels: dict[str, str]) -> None:
    if kind == messages.COUNTER:
        one.counter.value = value = draw(values)
        add("_total", value)
    elif kind in (messages.GAUGE, messages.UNTYPED):
        part = one.gauge if kind == messages.GAUGE else one.untyped
        part.value = value = draw(values)
        add("", value)
    elif kind == messages.SUMMARY:
        one.summary.sample_count, one.summary.sample_sum = count, total = draw(counts), draw(values)
        one.summary.quantile.add(quantile=0.5, value=1)
        add("", 1, {**labels, "quantile": "0.5"})
        add("_count", count)
        add("_sum", total)
    else:
        histogram = one.histogram
        histogram.sample_count, histogram.sample_sum = count, total = draw(counts), draw(values)
        if draw(st.booleans()):
            histogram.schema, histogram.zero_count = 3, draw(counts)
            histogram.positive_span.add(offset=-2, length=2)
            histogram.positive_delta.extend(draw(st.lists(st.integers(-(2**40), 2**40), min_size=2, max_size=2)))
        histogram.bucket.add(upper_bound=0.25, cumulative_count=3)
        add("_bucket", 3, {**labels, "le": "0.25"})
        add("_bucket", count, {**labels, "le": "+Inf"})
        add("_count", count)
        add("_sum", total)


class _Shown(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


@given(families=st.lists(pairs(), min_size=1, max_size=4, unique_by=lambda pair: pair[1].name))
@settings(deadline=None)
def test_the_same_metrics_are_the_same_series(families: list[tuple[Any, Metric]]) -> None:
    """Messages are written by the protobuf library, OpenMetrics by the client library for Python."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Shown([text for _, text in families]))
    text = generate_latest(registry, ALLOWUTF8)
    binary = messages.delimited([family for family, _ in families])
    assert told(binary, "protobuf") == told(text, "openmetrics")


def histogram_page() -> bytes:
    lat = messages.family("lat", messages.HISTOGRAM)
    one = messages.metric(lat, {"path": "/api"}).histogram
    one.sample_count, one.sample_sum = 5, 2.5
    one.created_timestamp.seconds = 1_767_222_000
    return messages.delimited([lat])


@pytest.mark.parametrize("body", [histogram_page(), gzip.compress(histogram_page())], ids=["plain", "gzip"])
def test_a_scrape(scrape: Scrape, target: FakeTarget, body: bytes) -> None:
    readings = scrape(body, scrape_protocols=["PrometheusProto"])
    assert readings.coverage[0].status == "complete"
    assert target.requests[0][2]["Accept"].startswith("application/vnd.google.protobuf;proto=")
    defined = series_of(readings)
    found = {defined[row["series_id"]].metric: row for row in readings.samples.to_pylist()}
    assert found["scrape_samples_scraped"]["value"] == 3.0
    for metric, value in (("lat_count", 5.0), ("lat_sum", 2.5)):
        series = defined[found[metric]["series_id"]]
        assert (series.kind, series.start_us, found[metric]["value"]) == ("counter", 1_767_222_000_000_000, value)
        assert found[metric]["time"].timestamp() * 1e6 == WINDOW.end_us


def test_a_gauge_histogram_is_two_gauges(scrape: Scrape) -> None:
    ages = messages.family("age_seconds", messages.GAUGE_HISTOGRAM, unit="seconds")
    one = messages.metric(ages).histogram
    one.sample_count, one.sample_sum = 5, -2.5
    one.created_timestamp.seconds = 17
    series = {one.metric: one for one in series_of(scrape(messages.delimited([ages]))).values()}
    assert (series["age_seconds_sum"].kind, series["age_seconds_sum"].unit) == ("gauge", "seconds")
    assert (series["age_seconds_count"].kind, series["age_seconds_count"].unit) == ("gauge", "")
    assert series["age_seconds_sum"].start_us is None


LIMITS: list[tuple[dict[str, Any], str]] = [
    ({"samples_max": 1}, "exposes more than samples_max 1 samples"),
    ({"body_bytes_max": 30}, "answered more than body_bytes_max 30 bytes"),
    ({"label_count_max": 2}, "more than label_count_max 2"),
    ({"label_value_length_max": 8}, "label_value_length_max 8"),
]


@pytest.mark.parametrize(("setting", "reason"), LIMITS, ids=[next(iter(setting)) for setting, _ in LIMITS])
def test_limits_are_those_of_text(scrape: Scrape, setting: dict[str, Any], reason: str) -> None:
    gauge = messages.family("depth", messages.GAUGE)
    for queue in ("a long name", "b"):
        messages.metric(gauge, {"queue": queue}).gauge.value = 1
    text = b'# TYPE depth gauge\ndepth{queue="a long name"} 1\ndepth{queue="b"} 1\n# EOF\n'
    pages = ((messages.delimited([gauge]), messages.CONTENT_TYPE), (text, OPENMETRICS))
    binary, written = (scrape(body, kind, **setting).coverage[0] for body, kind in pages)
    assert binary.status == written.status == "failed"
    assert reason in binary.reason
    assert binary.reason.partition("/metrics")[2] == written.reason.partition("/metrics")[2]


@pytest.mark.parametrize(
    "label", [{"": "b"}, {"__name__": "b"}, [("a", "1"), ("a", "2")]], ids=["nameless", "name", "twice"]
)
def test_labels_that_are_none_fail_the_page(scrape: Scrape, label: Any) -> None:
    gauge = messages.family("depth", messages.GAUGE)
    one = messages.metric(gauge)
    for name, value in label.items() if isinstance(label, dict) else label:
        one.label.add(name=name, value=value)
    one.gauge.value = 1
    (coverage,) = scrape(messages.delimited([gauge])).coverage
    assert coverage.status == "failed"
    assert "is no metric name and labels" in coverage.reason


def test_a_series_that_is_exposed_twice_counts_once(scrape: Scrape) -> None:
    jobs = messages.family("jobs_total", messages.COUNTER)
    for value in (1, 2):
        messages.metric(jobs, {"queue": "mail"}).counter.value = value
    readings = scrape(messages.delimited([jobs]))
    (letter,) = readings.dead_letters
    assert letter.reason.startswith('value 2.0 of jobs_total{queue="mail"} repeats a series of the page')
    defined = series_of(readings)
    shown = [(defined[row["series_id"]].metric, row["value"]) for row in readings.samples.to_pylist()]
    assert ("scrape_samples_scraped", 2.0) in shown
    assert [value for metric, value in shown if metric == "jobs_total" and not math.isnan(value)] == [1.0]


def test_a_page_that_is_none_fails_the_scrape(scrape: Scrape) -> None:
    for body, status, reason in (
        (histogram_page()[:-1], "failed", "was cut off: byte 0 begins a family of"),
        (histogram_page() + messages.delimited([b"\x0b"]), "failed", "begins or ends a group, which no page has"),
    ):
        readings = scrape(body)
        assert readings.coverage[0].status == status
        assert reason in readings.coverage[0].reason
        assert {one.metric for one in series_of(readings).values()} >= {"up"}
        assert not {one.metric for one in series_of(readings).values()} & {"lat_sum", "lat_count"}
