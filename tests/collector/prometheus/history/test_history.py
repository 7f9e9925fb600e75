"""Raw samples of an existing server, each once, however the intervals fall and whatever is not stored."""

from __future__ import annotations

import json
import math
from contextlib import closing
from typing import Any
from unittest.mock import ANY

import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.inspection import inspect
from collector import registry
from collector.base import Collector
from collector.readings import Checkpoint, Coverage, Readings, Window
from tests.collector.conftest import series_of
from tests.fakes.http_target import FakeTarget, page
from tests.fakes.prometheus_server import History

SECOND = 1_000_000
BEGIN = 1_767_225_600 * SECOND


def collector(target: FakeTarget, **changes: Any) -> Collector:
    plugin = registry.plugin("prometheus_history")
    config = {
        "kind": "prometheus_history",
        "name": "main",
        "url": f"http://{target.address}",
        "match": ['{job="shop"}'],
    }
    return plugin.build(plugin.config.model_validate({**config, "lag_s": 0, **changes})).current()[0]


def told(
    found: Collector, window: Window, checkpoint: Checkpoint
) -> tuple[dict[tuple[str, str, int], float], Checkpoint]:
    """Samples by metric, kind and time, of one window read to its end."""
    samples: dict[tuple[str, str, int], float] = {}
    while True:
        readings = found.collect(window, checkpoint)
        inspect(readings, window, catches_up=True)
        (coverage,) = readings.coverage
        assert coverage.status == "complete", coverage
        window = Window(max(window.start_us, coverage.end_us), window.end_us)
        defined = series_of(readings)
        for row in readings.samples.to_pylist():
            if math.isnan(row["value"]):
                continue
            one = defined[row["series_id"]]
            key = (f"{one.metric}{one.labels}", one.kind, round(row["time"].timestamp() * 1e6))
            assert key not in samples
            samples[key] = row["value"]
        checkpoint = json.loads(json.dumps(dict(readings.checkpoint)))
        if not readings.more:
            assert coverage.end_us == window.end_us
            return samples, checkpoint


def test_what_was_missed_is_read_later(target: FakeTarget) -> None:
    history = History()
    for second in range(0, 3_600, 15):
        history.add(BEGIN // 1_000 + second * 1_000, float(second), "jobs_total", job="shop", pod="a")
        history.add(BEGIN // 1_000 + second * 1_000, 1.0, "depth", job="shop")
        history.add(BEGIN // 1_000 + second * 1_000, 1.0, "other", job="else")
        history.add(BEGIN // 1_000 + second * 1_000, 1.0, "lat_bucket", job="shop", le="1")
    target.answer = history.answer()
    with closing(collector(target)) as found:
        first, checkpoint = told(found, Window(BEGIN - SECOND, BEGIN + 60 * SECOND), {})
        later, _ = told(found, Window(BEGIN + 60 * SECOND, BEGIN + 3_600 * SECOND), checkpoint)
    assert not first.keys() & later.keys()
    everything = first | later
    assert len(everything) == 2 * 240
    counters = {key: value for key, value in everything.items() if key[1] == "counter"}
    assert {key[0] for key in counters} == {'jobs_total{"job":"shop","pod":"a"}'}
    assert counters == {key: (key[2] - BEGIN) / SECOND for key in counters}
    assert {key[0] for key in everything} - {key[0] for key in counters} == {'depth{"job":"shop"}'}
    assert len(history.queries) > 10
    assert all(query.endswith("ms]") and "rate" not in query and "increase" not in query for query in history.queries)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    times=st.lists(st.integers(0, 400_000), unique=True, max_size=30),
    cuts=st.lists(st.integers(1, 90_000), min_size=1, max_size=8),
    refused=st.sets(st.integers(0, 7)),
    left_belongs=st.booleans(),
    range_s=st.sampled_from([0.001, 7.5, 60, 300]).filter(lambda each: each > 1),
    lag_s=st.sampled_from([0, 5.5]),
)
def test_each_sample_comes_once(
    target: FakeTarget,
    times: list[int],
    cuts: list[int],
    refused: set[int],
    left_belongs: bool,
    range_s: float,
    lag_s: float,
) -> None:
    """Of both kinds of servers, in any intervals, and though some readings are not stored."""
    history = History(left_belongs=left_belongs)
    for time_ms in sorted(times):
        history.add(BEGIN // 1_000 + time_ms, float(time_ms), "jobs_total", job="shop")
    target.answer = history.answer()
    kept: dict[tuple[str, str, int], float] = {}
    checkpoint: Checkpoint = {}
    start_us = end_us = BEGIN - SECOND
    with closing(collector(target, range_s_max=range_s, lag_s=lag_s)) as found:
        for number, cut in enumerate([*cuts, 500_000]):
            end_us += cut * 1_000
            samples, after = told(found, Window(start_us, end_us), checkpoint)
            if number in refused and number < len(cuts):
                continue
            assert not kept.keys() & samples.keys()
            kept |= samples
            start_us, checkpoint = end_us, after
    assert [key[2] for key in sorted(kept, key=lambda key: key[2])] == [
        BEGIN + time_ms * 1_000 for time_ms in sorted(times)
    ]


def test_what_failed_at_first_is_read_later(target: FakeTarget) -> None:
    history = History()
    history.add(BEGIN // 1_000 + 500, 3.0, "jobs_total", job="shop")
    with closing(collector(target)) as found:
        target.answer = page(b"x", status=503)
        failed = found.collect(Window(BEGIN, BEGIN + SECOND), {})
        target.answer = history.answer()
        samples, _ = told(found, Window(BEGIN + SECOND, BEGIN + 2 * SECOND), failed.checkpoint)
    assert [time_us for _, _, time_us in samples] == [BEGIN + SECOND // 2]


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        (page(b'{"error": "out of memory"}', "application/json", status=422), "failed", "status 422: out of memory"),
        (page(b"slow", status=429), "throttled", "status 429: no reason given"),
        (page(b"x", status=503), "failed", "status 503"),
        (page(b"<html>", "text/html"), "failed", "answered no JSON"),
        (
            page(b'{"data": {"resultType": "vector", "result": []}}', "application/json"),
            "failed",
            "answered no samples",
        ),
        (page(b"[]", "application/json"), "failed", "answered no samples"),
    ],
)
def test_what_is_no_answer(target: FakeTarget, answer: Any, status: str, reason: str) -> None:
    target.answer = answer
    with closing(collector(target)) as found:
        readings = found.collect(Window(BEGIN, BEGIN + 60 * SECOND), {"until_us": BEGIN, "told": []})
    assert readings.coverage[0].status == status
    assert reason in readings.coverage[0].reason
    assert readings.checkpoint == {"until_us": BEGIN, "told": []}


def test_bad_values_are_told_of(target: FakeTarget) -> None:
    history = History()
    history.add(BEGIN // 1_000 + 1, float("nan"), "depth", job="shop")
    history.add(BEGIN // 1_000 + 2, -1.0, "jobs_total", job="shop")
    target.answer = history.answer()
    with closing(collector(target)) as found:
        readings = found.collect(Window(BEGIN, BEGIN + SECOND), {})
    assert readings.samples.num_rows == 0
    assert len(readings.dead_letters) == 2


@pytest.mark.parametrize(
    "change", [{"match": []}, {"url": "ftp://x"}, {"url": "http://a:b@x"}, {"counters": "("}, {"range_s_max": 0}]
)
def test_what_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        registry.plugin("prometheus_history").config.model_validate(
            {"kind": "prometheus_history", "name": "main", "url": "http://x", "match": ["up"], **change}
        )


def unseen(readings: Readings) -> dict[str, int]:
    """Series that were out of sight until a time, which is that of their first sample."""
    defined = series_of(readings)
    rows = readings.samples.filter(pc.is_nan(readings.samples["value"])).to_pylist()
    return {
        f"{defined[row['series_id']].metric}{defined[row['series_id']].labels}": round(row["time"].timestamp() * 1e6)
        + 1
        for row in rows
    }


def test_a_target_that_was_not_read_before_may_have_counted_for_years(target: FakeTarget) -> None:
    history = History()
    for second in range(0, 120, 10):
        at = BEGIN // 1_000 + second * 1_000
        history.add(at, 1_000.0 + second, "jobs_total", job="shop", instance="a")
        history.add(at, 1.0, "depth", job="shop", instance="a")
        if second > 60:
            history.add(at, 3.0, "jobs_total", job="shop", instance="a", tenant="new")
            history.add(at, 9_000.0, "jobs_total", job="shop", instance="b")
    target.answer = history.answer()
    middle = BEGIN + 60 * SECOND
    with closing(collector(target)) as found:
        first = found.collect(Window(BEGIN - SECOND, middle), {})
        assert unseen(first) == {'jobs_total{"instance":"a","job":"shop"}': BEGIN}
        second = found.collect(Window(middle, BEGIN + 120 * SECOND), first.checkpoint)
        assert unseen(second) == {'jobs_total{"instance":"b","job":"shop"}': BEGIN + 70 * SECOND}
    with closing(collector(target, left_out="nothing")) as widened:
        third = widened.collect(Window(middle, BEGIN + 120 * SECOND), first.checkpoint)
        assert set(unseen(third)) == {
            'jobs_total{"instance":"a","job":"shop"}',
            'jobs_total{"instance":"a","job":"shop","tenant":"new"}',
            'jobs_total{"instance":"b","job":"shop"}',
        }


def test_a_target_is_forgotten(target: FakeTarget) -> None:
    history = History()
    for second in (0, 7_000, 7_200):
        history.add(BEGIN // 1_000 + second * 1_000, float(second), "jobs_total", job="shop", instance="a")
    target.answer = history.answer()
    checkpoint: Checkpoint = {}
    told_of = []
    with closing(collector(target, range_s_max=3_600)) as found:
        for end in (0, 3_600, 7_000, 7_200):
            readings = found.collect(Window(BEGIN + (end - 3_600) * SECOND, BEGIN + end * SECOND), checkpoint)
            checkpoint = readings.checkpoint
            told_of.append(list(unseen(readings).values()))
    assert told_of == [[BEGIN], [], [BEGIN + 7_000 * SECOND], []]


def test_what_failed_is_told_of_again_when_it_is_read(target: FakeTarget) -> None:
    history = History()
    for second in range(0, 600, 10):
        history.add(BEGIN // 1_000 + second * 1_000, float(second), "jobs_total", job="shop")
    target.answer = history.answer()
    minute = 60 * SECOND
    with closing(collector(target, lag_s=10, range_s_max=120)) as found:
        first = found.collect(Window(BEGIN, BEGIN + minute), {})
        target.answer = page(b"x", status=503)
        failed = found.collect(Window(BEGIN + minute, BEGIN + 5 * minute), first.checkpoint)
        target.answer = history.answer()
        spans, start, checkpoint = [], BEGIN + 5 * minute, failed.checkpoint
        while True:
            window = Window(start, BEGIN + 6 * minute)
            readings = found.collect(window, checkpoint)
            inspect(readings, window, catches_up=True)
            (coverage,) = readings.coverage
            spans.append(((coverage.start_us - BEGIN) // minute, (coverage.end_us - BEGIN) // minute))
            start, checkpoint = max(start, coverage.end_us), readings.checkpoint
            if not readings.more:
                break
    assert failed.coverage == (Coverage("prometheus_history/main", BEGIN + minute, BEGIN + 5 * minute, "failed", ANY),)
    assert spans == [(1, 3), (3, 5), (5, 6)]
