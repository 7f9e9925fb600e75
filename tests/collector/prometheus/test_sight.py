"""Counters that only came into sight are told from those that begin."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from collector.prometheus.config import PrometheusConfig
from collector.prometheus.sight import sight
from collector.prometheus.targets import parse_target
from collector.readings import Readings
from tests.collector.conftest import WINDOW, Reader, series_of
from tests.fakes.http_target import OPENMETRICS, TEXT, FakeTarget, page


def marked(readings: Readings, before_us: int = 1) -> set[str]:
    """Metrics of counters that have a marker so long before a sample."""
    rows = readings.samples.to_pylist()
    shown = {(row["series_id"], row["time"]) for row in rows if not math.isnan(row["value"])}
    moment = timedelta(microseconds=before_us)
    found = [row for row in rows if math.isnan(row["value"]) and (row["series_id"], row["time"] + moment) in shown]
    return {series_of(readings)[row["series_id"]].metric for row in found}


OLD = b"# TYPE jobs_total counter\njobs_total 3\n# TYPE depth gauge\ndepth 7\n"
BEGUN = b"# TYPE jobs counter\njobs_total 3\njobs_created 1767222001\n# TYPE runs counter\nruns_total 2\n# EOF\n"


def test_what_was_not_read_before_may_have_counted_for_years(target: FakeTarget, reader: Callable[..., Reader]) -> None:
    source = reader("prometheus", job="shop", targets=[target.address])

    def scrape(body: bytes, content_type: str = TEXT) -> Readings:
        target.answer = page(body, content_type)
        return source.read()

    assert marked(scrape(OLD)) == {"jobs_total"}
    assert marked(scrape(OLD)) == set()
    assert marked(scrape(OLD + b"# TYPE runs_total counter\nruns_total 1\n")) == set()
    # The other format tells when counters began, which makes other series of them: they may have counted before all the same.
    assert marked(scrape(BEGUN, OPENMETRICS)) == {"jobs_total", "runs_total"}


def test_what_began_since_the_last_reading_has_been_read_from_its_beginning(
    target: FakeTarget, reader: Callable[..., Reader]
) -> None:
    source = reader("prometheus", job="shop", targets=[target.address])
    for since_us, expected in ((-1, {"jobs_total"}), (0, set()), (1, set())):
        began = (WINDOW.start_us + since_us) / 1e6
        text = f"# TYPE jobs counter\njobs_total 3\njobs_created {began:.6f}\n# EOF\n"
        target.answer = page(text.encode(), OPENMETRICS)
        assert marked(source.collector.collect(WINDOW, {})) == expected


def test_a_first_sample_that_does_not_count_leaves_the_marker_to_the_next(
    target: FakeTarget, reader: Callable[..., Reader]
) -> None:
    source = reader("prometheus", job="shop", targets=[target.address])

    def scrape(value: str) -> Readings:
        target.answer = page(b"# TYPE jobs_total counter\njobs_total %s\nruns_total 1\n" % value.encode(), TEXT)
        return source.read()

    for value in ("NaN", "-1", "+Inf"):
        assert marked(scrape(value)) == set()
    # Also over a restart of the agent.
    source.checkpoint = json.loads(json.dumps(dict(source.checkpoint)))
    assert marked(scrape("1000000")) == {"jobs_total"}
    assert marked(scrape("1000001")) == set()


def test_a_first_time_that_nobody_believes_leaves_the_marker_to_the_next(
    target: FakeTarget, reader: Callable[..., Reader]
) -> None:
    source = reader("prometheus", job="shop", targets=[target.address])
    for ahead_ms, expected in ((36_000_000, set()), (-1_000, {"jobs_total"}), (0, set())):
        text = f"# TYPE jobs_total counter\njobs_total 1000000 {WINDOW.end_us // 1_000 + ahead_ms}\n"
        target.answer = page(text.encode(), TEXT)
        assert marked(source.read()) == expected


def test_many_that_wait_are_all_marked_again(
    target: FakeTarget, reader: Callable[..., Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.prometheus.sight._WAITING_MAX", 1)
    source = reader("prometheus", job="shop", targets=[target.address])
    text = (
        b"# TYPE a_total counter\na_total %s\n# TYPE b_total counter\nb_total %s\n# TYPE c_total counter\nc_total 1\n"
    )
    target.answer = page(text % (b"NaN", b"NaN"), TEXT)
    assert marked(source.read()) == {"c_total"}
    target.answer = page(text % (b"5", b"5"), TEXT)
    assert marked(source.read()) == {"a_total", "b_total", "c_total"}
    assert marked(source.read()) == set()


def test_a_change_that_is_taken_back(target: FakeTarget, reader: Callable[..., Reader]) -> None:
    """What the first series show next was counted under the other name."""
    target.answer = page(OLD, TEXT)
    settings = {"job": "shop", "targets": [target.address]}
    first, second = reader("prometheus", **settings), reader("prometheus", **settings, labels={"team": "blue"})
    assert marked(first.read()) == {"jobs_total"}
    second.checkpoint = first.checkpoint
    assert marked(second.read()) == {"jobs_total"}
    first.checkpoint = second.checkpoint
    readings = first.read()
    assert marked(readings) == set() and marked(readings, 2) == {"jobs_total"}
    assert marked(first.read()) == marked(first.read(), 2) == set()


def test_the_scheme_of_a_target_is_a_part_of_its_series() -> None:
    config = PrometheusConfig(job="shop", targets=("10.0.0.1:80",))
    plain, secure = (
        parse_target(f"{each}://10.0.0.1:80", job="shop", scheme="http", path="/metrics") for each in ("http", "https")
    )
    assert plain.source == secure.source
    assert sight(config, plain, "text") != sight(config, secure, "text")


@pytest.mark.parametrize(
    "change",
    [
        {"labels": {"team": "blue"}},
        {"params": {"module": "all"}},
        {"honor_labels": True},
        {"metric_relabelings": [{"regex": "x", "action": "labeldrop"}]},
        {"process_start": True},
    ],
)
def test_what_is_read_otherwise_may_have_been_there(
    target: FakeTarget, reader: Callable[..., Reader], change: dict[str, Any]
) -> None:
    target.answer = page(OLD, TEXT)
    before, same, other = (
        reader("prometheus", job="shop", targets=[target.address], **each) for each in ({}, {"samples_max": 10}, change)
    )
    before.read()
    same.checkpoint = other.checkpoint = json.loads(json.dumps(dict(before.checkpoint)))
    assert marked(same.read()) == set()
    assert marked(other.read()) == {"jobs_total"}
    assert marked(other.read()) == set()
