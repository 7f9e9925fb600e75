"""Scrapes of a real target: which series, samples, dead letters and coverage a page gives."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.readings import Readings
from meterbook.wire.sections import STALE
from tests.collector.conftest import WINDOW, Reader, series_of
from tests.fakes.http_target import OPENMETRICS, TEXT, FakeTarget, page

PAGES = Path(__file__).parents[2] / "data" / "exposition"
SYNTHETIC = {
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
}
STARTED_US = 1_767_222_001_234_500
PROCESS_US = 1_767_222_000_500_000

Scrape = Callable[..., Readings]


@pytest.fixture
def scrape(target: FakeTarget, reader: Callable[..., Reader]) -> Scrape:
    """Scrapes a page once: ``scrape(b"up 1")``; the collector stays the same while the settings do."""
    made: dict[str, Reader] = {}

    def once(body: bytes | str | Path, content_type: str = TEXT, **given: Any) -> Readings:
        raw = body.read_bytes() if isinstance(body, Path) else body.encode() if isinstance(body, str) else body
        target.answer = page(raw, content_type)
        key = repr(given)
        if key not in made:
            made[key] = reader("prometheus", job="shop", targets=[target.address], **given)
        return made[key].read()

    return once


def shown(readings: Readings) -> dict[str, tuple[str, int | None, float]]:
    """Series as ``metric{labels}`` without job and instance -> kind, start, value; synthetic and ended ones left out."""
    found: dict[str, tuple[str, int | None, float]] = {}
    defined = series_of(readings)
    for row in readings.samples.to_pylist():
        series = defined[row["series_id"]]
        if is_stale(row["value"]):
            continue
        labels = {name: text for name, text in json.loads(series.labels).items() if name not in ("job", "instance")}
        if series.metric not in SYNTHETIC:
            written = ",".join(f"{name}={text}" for name, text in sorted(labels.items()))
            found[f"{series.metric}{{{written}}}" if written else series.metric] = (
                series.kind,
                series.start_us,
                row["value"],
            )
    return found


def is_stale(value: float) -> bool:
    return struct.pack("<d", value) == struct.pack("<d", STALE)


def ended(readings: Readings) -> set[str]:
    """The metrics of series that are said to end."""
    rows = readings.samples.to_pylist()
    assert {row["time"].timestamp() for row in rows if is_stale(row["value"])} <= {WINDOW.end_us / 1e6}
    defined = series_of(readings)
    return {defined[row["series_id"]].metric for row in rows if is_stale(row["value"])}


def about(readings: Readings) -> dict[str, float]:
    values = {row["series_id"]: row["value"] for row in readings.samples.to_pylist()}
    return {
        series.metric: values[number] for number, series in series_of(readings).items() if series.metric in SYNTHETIC
    }


SHOP = {
    "http_requests_total{code=200,path=/}": ("counter", STARTED_US, 1027.0),
    'http_requests_total{code=500,path=/api "v1"\n\\}': ("counter", STARTED_US, 3.0),
    "request_duration_seconds_count{path=/}": ("counter", STARTED_US, 4.0),
    "request_duration_seconds_sum{path=/}": ("counter", STARTED_US, 22.55),
    "response_size_bytes_count": ("counter", STARTED_US, 2.0),
    "response_size_bytes_sum": ("counter", STARTED_US, 2048.0),
    "queue_depth{queue=mail}": ("gauge", None, 4.0),
    "queue_depth{queue=dunning}": ("gauge", None, 0.0),
    "build_info{revision=9c1e2d7,version=1.4.2}": ("gauge", None, 1.0),
    "leader{leader=leader}": ("gauge", None, 1.0),
    "leader{leader=follower}": ("gauge", None, 0.0),
    "open_session_age_seconds_gcount": ("gauge", None, 5.0),
    "open_session_age_seconds_gsum": ("gauge", None, 840.5),
    "legacy_reading": ("gauge", None, 17.25),
    "battery_discharge_joules_total{pack=a}": ("counter", 1_767_000_000_500_000, 88.5),
    "process_start_time_seconds": ("gauge", None, 1767222000.5),
}


@pytest.mark.parametrize(("name", "content_type"), [("python_text.txt", TEXT), ("python_openmetrics.txt", OPENMETRICS)])
def test_both_formats_of_one_program_give_the_same(scrape: Scrape, name: str, content_type: str) -> None:
    readings = scrape(PAGES / name, content_type)
    assert shown(readings) == SHOP
    assert readings.dead_letters == ()
    assert readings.coverage[0].status == "complete"
    (timed,) = (number for number, one in series_of(readings).items() if one.metric == "battery_discharge_joules_total")
    times = {row["series_id"]: row["time"].timestamp() for row in readings.samples.to_pylist()}
    assert times.pop(timed) == 1767225600.25
    assert set(times.values()) == {WINDOW.end_us / 1e6}


def test_units_are_the_declared_ones(scrape: Scrape) -> None:
    units = {one.metric: one.unit for one in series_of(scrape(PAGES / "python_openmetrics.txt", OPENMETRICS)).values()}
    assert units["request_duration_seconds_sum"] == "seconds"
    assert units["request_duration_seconds_count"] == ""
    assert units["response_size_bytes_sum"] == "bytes"
    # The text format has no units; those of what ended are what they were.
    text = scrape(PAGES / "python_text.txt")
    defined = series_of(text)
    assert {defined[row["series_id"]].unit for row in text.samples.to_pylist() if not is_stale(row["value"])} == {
        "",
        "seconds",
    }


def test_a_go_program(scrape: Scrape) -> None:
    readings = scrape(PAGES / "go_client.txt", process_start=True)
    found = shown(readings)
    started_us = 1_767_001_283_710_000
    assert found["go_gc_duration_seconds_sum"] == ("counter", started_us, 0.014512745)
    assert found["promhttp_metric_handler_requests_total{code=500}"] == ("counter", started_us, 0.0)
    assert found["http_request_duration_seconds_count{handler=/api/v1/usage}"] == ("counter", started_us, 2390.0)
    assert found["go_goroutines"] == ("gauge", None, 34.0)
    assert not [name for name in found if "quantile" in name or "bucket" in name]
    (letter,) = readings.dead_letters  # and none for the quantiles that are NaN
    assert letter.place.endswith("/metrics process_virtual_memory_max_bytes")
    assert letter.reason == (
        "value 1.8446744073709552e+19 of process_virtual_memory_max_bytes is beyond what the ledger can meter exactly"
    )


def test_a_bad_value_is_told_of_once_until_it_was_good_again(scrape: Scrape) -> None:
    told = [len(scrape(f"broken {value}\n").dead_letters) for value in ("NaN", "NaN", "+Inf", "1", "NaN", "NaN")]
    assert told == [1, 0, 0, 0, 1, 0]


def test_an_exporter_that_counts_for_the_machine(scrape: Scrape) -> None:
    readings = scrape(PAGES / "node_exporter.txt")
    found = shown(readings)
    assert found["node_cpu_seconds_total{cpu=1,mode=user}"] == ("counter", None, 160011.33)
    assert found["node_filesystem_avail_bytes{device=tmpfs,fstype=tmpfs,mountpoint=/run}"][2] == 1651851264.0
    assert found["node_vmstat_pgfault"] == ("gauge", None, 922337200.0)
    assert [letter.reason for letter in readings.dead_letters] == [
        'value nan of node_hwmon_temp_celsius{chip="platform_coretemp_0",sensor="temp9"} is not a number'
    ]
    assert about(readings)["scrape_samples_scraped"] == 17.0


def test_a_restart_begins_new_series(scrape: Scrape) -> None:
    body = "# TYPE jobs_total counter\njobs_total 5\nprocess_start_time_seconds {}\n"
    first, second = scrape(body.format(100.5), process_start=True), scrape(body.format(200), process_start=True)
    assert shown(first)["jobs_total"] == ("counter", 100_500_000, 5.0)
    assert shown(second)["jobs_total"] == ("counter", 200_000_000, 5.0)
    assert ended(second) == {"jobs_total"}
    (begun,) = series_of(second).keys() - series_of(first).keys()
    assert series_of(second)[begun].start_us == 200_000_000
    assert shown(scrape(body.format(100.5), process_start=True)) == shown(first)


def test_a_restart_of_an_exporter_begins_nothing(scrape: Scrape) -> None:
    body = "# TYPE jobs_total counter\njobs_total 5\nprocess_start_time_seconds {}\n"
    first, second = scrape(body.format(100.5)), scrape(body.format(200))
    assert shown(first)["jobs_total"] == ("counter", None, 5.0)
    assert series_of(first) == series_of(second)


@pytest.mark.parametrize("page_start", ["", "process_start_time_seconds 0\n", "process_start_time_seconds NaN\n"])
def test_a_start_that_is_not_known(scrape: Scrape, page_start: str) -> None:
    body = f"# TYPE jobs_total counter\njobs_total 5\njobs_created 0\n{page_start}"
    assert shown(scrape(body))["jobs_total"] == ("counter", None, 5.0)


def test_the_starts_of_several_processes_are_nobodys(scrape: Scrape) -> None:
    starts = 'process_start_time_seconds{pid="1"} 100\nprocess_start_time_seconds{pid="2"} 200\n'
    assert shown(scrape(f"# TYPE jobs_total counter\njobs_total 5\n{starts}"))["jobs_total"] == ("counter", None, 5.0)


def test_types_hold_wherever_the_samples_stand(scrape: Scrape) -> None:
    body = '# TYPE a_total counter\n# TYPE b counter\na_total{x="1"} 1\nb{x="1"} 2\na_total{x="2"} 3\nb{x="2"} 4\n'
    assert {kind for kind, _, _ in shown(scrape(body)).values()} == {"counter"}
    assert {kind for kind, _, _ in shown(scrape(body.replace("counter", "gauge"))).values()} == {"gauge"}


def test_labels(scrape: Scrape, target: FakeTarget) -> None:
    body = 'm{job="theirs",region="us",exported_job="older",zone="z"} 1\n'
    readings = scrape(body, labels={"region": "eu"})
    (series,) = (one for one in series_of(readings).values() if one.metric == "m")
    assert json.loads(series.labels) == {
        "job": "shop",
        "instance": target.address,
        "region": "eu",
        "zone": "z",
        "exported_region": "us",
        "exported_job": "older",
        "exported_exported_job": "theirs",
    }
    assert json.loads(series.attributes) == {"target": f"http://{target.address}/metrics"}


def test_what_cannot_be_metered(scrape: Scrape) -> None:
    readings = scrape(
        "# TYPE c counter\n# TYPE s summary\n"
        'a{n="1"} NaN\na{n="2"} NaN\na{n="3"} 3\nb -Inf\nc -1\nd 9.3e18\ne 1\ne 2\nf 1 999999999999999\n'
        's{quantile="0.5"} NaN\ns_sum NaN\ns_count 0\ng -5\nup 17\n'
    )
    assert shown(readings) == {
        "a{n=3}": ("gauge", None, 3.0),
        "e": ("gauge", None, 1.0),
        "s_count": ("counter", None, 0.0),
        "g": ("gauge", None, -5.0),
    }
    assert about(readings)["up"] == 1.0
    assert readings.coverage[0].status == "complete"
    assert {letter.place.partition("/metrics ")[2]: letter.reason for letter in readings.dead_letters} == {
        'a{n="1"}': 'value nan of a{n="1"} is not a number; so it is with 1 more samples of a',
        "b": "value -inf of b is infinite",
        "c": "value -1.0 of c is negative, but the series is a counter",
        "d": "value 9.3e+18 of d is beyond what the ledger can meter exactly",
        "e": "value 2.0 of e repeats a series of the page: the first one was kept",
        "f": "value 1.0 of f has a time outside the years 1 to 9999",
        "s_sum": "value nan of s_sum is not a number",
        "up": "value 17.0 of up repeats a series of the page: the first one was kept",
    }


def test_dead_letters_are_bounded(scrape: Scrape) -> None:
    letters = scrape("".join(f"m{number} NaN\n" for number in range(103))).dead_letters
    assert len(letters) == 101
    assert letters[-1].reason == "3 more metrics have samples that cannot be metered"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"samples_max": 1}, "exposes more than samples_max 1 samples"),
        ({"label_count_max": 3}, "exposes m with 4 labels, more than label_count_max 3"),
        ({"label_name_length_max": 12}, "name a_long_label_... of 13 characters, more than label_name_length_max 12"),
        ({"label_value_length_max": 29}, "label b of 30 characters, more than label_value_length_max 29"),
        ({"body_bytes_max": 20}, "more than body_bytes_max 20 bytes"),
    ],
)
def test_limits_fail_the_whole_scrape(scrape: Scrape, settings: dict[str, int], reason: str) -> None:
    body = 'fine 1\nm{a_long_label_="1",b="' + "v" * 30 + '"} 1\n'
    assert shown(scrape(body))["fine"] == ("gauge", None, 1.0)
    readings = scrape(body, **settings)
    assert readings.coverage[0].status == "failed"
    assert reason in readings.coverage[0].reason
    assert shown(readings) == {}
    assert about(readings)["up"] == 0.0


def test_every_scrape_tells_of_itself(scrape: Scrape, target: FakeTarget) -> None:
    good, bad = scrape("a 1\nb_bucket 2\n"), scrape("a 1\nb")
    assert about(good).keys() == about(bad).keys() == SYNTHETIC
    assert (about(good)["up"], about(good)["scrape_samples_scraped"]) == (1.0, 2.0)
    assert (about(bad)["up"], about(bad)["scrape_samples_scraped"]) == (0.0, 0.0)
    for series in (series for series in series_of(bad).values() if series.metric in SYNTHETIC):
        assert json.loads(series.labels) == {"job": "shop", "instance": target.address}


def test_a_throttled_scrape_says_so(scrape: Scrape, target: FakeTarget, reader: Callable[..., Reader]) -> None:
    target.answer = page(b"", status=429)
    (coverage,) = reader("prometheus", job="shop", targets=[target.address]).read().coverage
    assert (coverage.status, coverage.start_us, coverage.end_us) == ("throttled", WINDOW.start_us, WINDOW.end_us)


def test_a_series_that_is_gone_has_ended(scrape: Scrape) -> None:
    scrape('a{x="1"} 1\nb 2\ntimed 3 5000\n')
    assert ended(scrape('a{x="1"} 1\nb 2\n')) == set()  # one with a time of its own may come late
    gone = scrape("b 2\n")
    assert ended(gone) == {"a"}
    assert [letter.reason for letter in gone.dead_letters] == []
    assert ended(scrape("b 2\n")) == set()
    back = scrape('a{x="1"} 7\nb 2\n')
    assert shown(back) == {"a{x=1}": ("gauge", None, 7.0), "b": ("gauge", None, 2.0)}
    assert ended(back) == set()


def test_the_series_of_a_target_that_is_down_have_ended(scrape: Scrape) -> None:
    scrape("a 1\nb 2\n")
    down = scrape("no page")
    assert (about(down)["up"], ended(down)) == (0.0, {"a", "b"})
    assert ended(scrape("no page")) == set()
    assert ended(scrape("a 1\n")) == set()


def test_what_is_added_and_what_rules_leave(scrape: Scrape) -> None:
    rules = [{"source_labels": ["__name__"], "regex": "a.*", "action": "drop"}, {"regex": "x", "action": "labeldrop"}]
    first = scrape('a 1\na_b 2\nb{x="1",y="2"} 3\n', metric_relabelings=rules)
    assert shown(first) == {"b{y=2}": ("gauge", None, 3.0)}
    counts = ("scrape_samples_scraped", "scrape_samples_post_metric_relabeling", "scrape_series_added")
    assert [about(first)[name] for name in counts] == [3, 1, 3]
    again = scrape('a 1\na_b 2\nb{x="1",y="2"} 4\n', metric_relabelings=rules)
    assert [about(again)[name] for name in counts] == [3, 1, 0]
    more = scrape('a 1\na_b 2\nb{x="1",y="2"} 4\nc 1\n', metric_relabelings=rules)
    assert [about(more)[name] for name in counts] == [4, 2, 1]


def test_rules_may_rename_a_metric_but_not_unname_it(scrape: Scrape) -> None:
    renamed = {"source_labels": ["__name__"], "regex": "old_(.*)", "target_label": "__name__", "replacement": "new_$1"}
    body = "# TYPE old_total counter\nold_total 4\n"
    assert shown(scrape(body, metric_relabelings=[renamed])) == {"new_total": ("counter", None, 4.0)}
    bad = scrape(body, metric_relabelings=[{**renamed, "replacement": "9"}])
    assert bad.coverage[0].reason.endswith("metric_relabelings leave '9' as a metric's name")


def test_exposed_labels_can_be_honoured(scrape: Scrape) -> None:
    readings = scrape('m{job="theirs",zone="z"} 1\n', honor_labels=True, labels={"region": "eu"})
    (series,) = (one for one in series_of(readings).values() if one.metric == "m")
    labels = json.loads(series.labels)
    assert (labels["job"], labels["zone"], labels["region"]) == ("theirs", "z", "eu")


@pytest.mark.parametrize(("honoured", "time"), [(True, 5.0), (False, WINDOW.end_us / 1e6)])
def test_exposed_times_can_be_ignored(scrape: Scrape, honoured: bool, time: float) -> None:
    readings = scrape("m 1 5000\n", honor_timestamps=honoured)
    (row,) = (row for row in readings.samples.to_pylist() if series_of(readings)[row["series_id"]].metric == "m")
    assert row["time"].timestamp() == time
    assert ended(scrape("n 1\n", honor_timestamps=honoured)) == (set() if honoured else {"m"})


def test_one_series_may_have_several_times(scrape: Scrape) -> None:
    readings = scrape("m 3 3000\nm 1 1000\nm 9 3000\nm 2 2000\n")
    rows = [row for row in readings.samples.to_pylist() if series_of(readings)[row["series_id"]].metric == "m"]
    assert [(row["time"].timestamp(), row["value"]) for row in rows] == [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]
    assert len(readings.dead_letters) == 1


def test_the_usual_page_hands_on_the_same_series(scrape: Scrape) -> None:
    first, second = (scrape(f'a{{x="1"}} {value}\nb 2\n') for value in (1, 5))
    ids = [readings.samples["series_id"].chunk(0).buffers()[1].address for readings in (first, second)]
    assert ids[0] == ids[1]


@given(body=st.binary(max_size=200), content_type=st.sampled_from([TEXT, OPENMETRICS]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_an_answer(scrape: Scrape, body: bytes, content_type: str) -> None:
    for text in (body, body + b"\n", body + b"\n# EOF\n"):
        readings = scrape(text, content_type)
        assert readings.coverage[0].status in ("complete", "failed")
        assert about(readings)["up"] == float(readings.coverage[0].status == "complete")


def test_of_a_page_that_failed_nothing_is_remembered(scrape: Scrape) -> None:
    scrape("a 1\n")
    bad = "# TYPE a counter\na 2\nb{x=" + '"' + "v" * 5_000 + '"} 1\n'
    assert scrape(bad).coverage[0].status == "failed"
    assert shown(scrape("# TYPE a counter\na 3\n")) == {"a": ("counter", None, 3.0)}


def test_a_counter_may_be_called_created(scrape: Scrape) -> None:
    found = shown(scrape("# TYPE jobs_created counter\njobs_created 990\n# TYPE jobs_total counter\njobs_total 5\n"))
    assert found == {"jobs_created": ("counter", None, 990.0), "jobs_total": ("counter", None, 5.0)}


def test_rules_may_drop_every_label(scrape: Scrape) -> None:
    rules = [{"regex": "job|instance", "action": "labeldrop"}]
    assert shown(scrape("a 1\n", metric_relabelings=rules)) == {"a": ("gauge", None, 1.0)}
