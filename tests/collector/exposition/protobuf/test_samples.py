"""What becomes of a metric: the samples that Prometheus makes of it (model/textparse/protobufparse.go)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import PermanentError
from collector.exposition.declarations import Family
from collector.exposition.page import Page
from collector.exposition.protobuf.heads import openmetrics_float
from collector.exposition.reader import PageReader, Rows
from collector.exposition.values import NO_TIME
from tests.fakes import metric_messages as messages
from tests.fakes.cluster.exposition import go_float


def read(*families: Any, samples_max: int = 1_000) -> Rows:
    return PageReader("target", samples_max).read(Page(messages.delimited(families), "protobuf"))


def values(rows: Rows) -> dict[str, float]:
    heads = rows.layout.heads.to_pylist()
    assert len(heads) == len(set(heads)) == len(rows.values)
    return dict(zip(heads, rows.values.tolist(), strict=True))


@pytest.mark.parametrize(
    ("type", "part", "kind"),
    [
        (messages.COUNTER, "counter", "counter"),
        (messages.GAUGE, "gauge", "gauge"),
        (messages.UNTYPED, "untyped", "untyped"),
    ],
)
def test_a_plain_metric_has_the_name_of_its_family(type: int, part: str, kind: str) -> None:
    family = messages.family("requests", type, help="Requests.", unit="requests")
    getattr(messages.metric(family, {"code": "200", "path": "/"}), part).value = 1.5
    getattr(messages.metric(family), part).value = math.inf
    getattr(messages.metric(family, {"code": ""}), part).SetInParent()
    rows = read(family)
    assert values(rows) == {'requests{code="200",path="/"}': 1.5, "requests": math.inf, 'requests{code=""}': 0.0}
    assert rows.layout.families == {"requests": Family(kind, "requests")}
    assert rows.times_us is None
    assert rows.created_s is None


def test_a_summary() -> None:
    family = messages.family("wait_seconds", messages.SUMMARY)
    one = messages.metric(family, {"queue": "mail"}).summary
    one.sample_count, one.sample_sum = 300, 12.5
    for quantile, value in ((0.0, 0.1), (0.5, math.nan), (1.0, 2.0)):
        one.quantile.add(quantile=quantile, value=value)
    messages.metric(family).summary.sample_sum = 7.0
    found = values(read(family))
    assert math.isnan(found.pop('wait_seconds{queue="mail",quantile="0.5"}'))
    assert found == {
        'wait_seconds_count{queue="mail"}': 300.0,
        'wait_seconds_sum{queue="mail"}': 12.5,
        'wait_seconds{queue="mail",quantile="0.0"}': 0.1,
        'wait_seconds{queue="mail",quantile="1.0"}': 2.0,
        "wait_seconds_count": 0.0,
        "wait_seconds_sum": 7.0,
    }


@pytest.mark.parametrize(
    ("type", "kind"), [(messages.HISTOGRAM, "histogram"), (messages.GAUGE_HISTOGRAM, "gaugehistogram")]
)
def test_a_classic_histogram_has_a_bucket_of_inf(type: int, kind: str) -> None:
    family = messages.family("size_bytes", type)
    one = messages.metric(family, {"path": "/"}).histogram
    one.sample_count, one.sample_sum = 130, 99.5
    for bound, count in ((0.25, 3), (1.0, 5), (1e6, 129)):
        one.bucket.add(upper_bound=bound, cumulative_count=count)
    given = messages.metric(family, {"path": "/b"}).histogram
    given.sample_count = 9
    given.bucket.add(upper_bound=math.inf, cumulative_count=8)
    given.bucket.add(upper_bound=7, cumulative_count=4)
    messages.metric(family).histogram.SetInParent()
    rows = read(family)
    assert values(rows) == {
        'size_bytes_count{path="/"}': 130.0,
        'size_bytes_sum{path="/"}': 99.5,
        'size_bytes_bucket{path="/",le="0.25"}': 3.0,
        'size_bytes_bucket{path="/",le="1.0"}': 5.0,
        'size_bytes_bucket{path="/",le="1e+06"}': 129.0,
        'size_bytes_bucket{path="/",le="+Inf"}': 130.0,
        'size_bytes_count{path="/b"}': 9.0,
        'size_bytes_sum{path="/b"}': 0.0,
        'size_bytes_bucket{path="/b",le="+Inf"}': 8.0,
        "size_bytes_count": 0.0,
        "size_bytes_sum": 0.0,
        'size_bytes_bucket{le="+Inf"}': 0.0,
    }
    assert rows.layout.families == {"size_bytes": Family(kind)}


@pytest.mark.parametrize(
    "native",
    [
        lambda one: one.positive_span.add(offset=0, length=0),
        lambda one: one.negative_span.add(offset=-3, length=2),
        lambda one: setattr(one, "zero_threshold", 1e-128),
        lambda one: setattr(one, "zero_count", 1),
    ],
    ids=["span", "negative span", "threshold", "zeros"],
)
def test_a_native_histogram_is_its_count_and_sum(native: Callable[[Any], Any]) -> None:
    family = messages.family("lat_seconds", messages.HISTOGRAM)
    alone = messages.metric(family, {"path": "/"}).histogram
    alone.sample_count, alone.sample_sum, alone.schema = 5, 2.5, 3
    alone.positive_delta.extend((1, -1, 4))
    native(alone)
    both = messages.metric(family).histogram
    both.sample_count, both.sample_sum = 6, 3.5
    both.bucket.add(upper_bound=0.5, cumulative_count=4)
    native(both)
    assert values(read(family)) == {
        'lat_seconds_count{path="/"}': 5.0,
        'lat_seconds_sum{path="/"}': 2.5,
        "lat_seconds_count": 6.0,
        "lat_seconds_sum": 3.5,
        'lat_seconds_bucket{le="0.5"}': 4.0,
        'lat_seconds_bucket{le="+Inf"}': 6.0,
    }


def test_counts_of_a_float_histogram_override_the_others() -> None:
    family = messages.family("share", messages.HISTOGRAM)
    one = messages.metric(family).histogram
    one.sample_count, one.sample_count_float, one.sample_sum = 7, 2.5, 1.0
    one.bucket.add(upper_bound=1, cumulative_count=9, cumulative_count_float=1.25)
    one.bucket.add(upper_bound=2, cumulative_count=4, cumulative_count_float=0.0)
    assert values(read(family)) == {
        "share_count": 2.5,
        "share_sum": 1.0,
        'share_bucket{le="1.0"}': 1.25,
        'share_bucket{le="2.0"}': 4.0,
        'share_bucket{le="+Inf"}': 2.5,
    }


def test_counts_have_64_bits() -> None:
    family = messages.family("a", messages.SUMMARY)
    for number, count in enumerate((127, 128, 2**53 + 1, 2**64 - 1)):
        messages.metric(family, {"n": str(number)}).summary.sample_count = count
    found = values(read(family))
    assert [found[f'a_count{{n="{number}"}}'] for number in range(4)] == [127.0, 128.0, 2.0**53, 2.0**64]


def test_times_and_created_times() -> None:
    counter = messages.family("jobs_total", messages.COUNTER)
    timed = messages.metric(counter, {"n": "1"}, time_ms=1_767_225_600_123)
    timed.counter.value = 1
    timed.counter.created_timestamp.FromNanoseconds(1_767_000_000_123_456_789)
    messages.metric(counter, {"n": "2"}, time_ms=0).counter.value = 2
    messages.metric(counter, {"n": "3"}, time_ms=-5).counter.value = 3
    histogram = messages.family("lat", messages.HISTOGRAM)
    messages.metric(histogram).histogram.created_timestamp.seconds = 17
    rows = read(counter, histogram)
    assert rows.times_us is not None
    assert rows.times_us.tolist() == [1_767_225_600_123_000, NO_TIME, -5_000, *[NO_TIME] * 3]
    assert rows.created_s is not None
    # As OpenMetrics gives it: a double, made of nanoseconds.
    assert repr(rows.created_s.tolist()) == repr(
        [1_767_000_000_123_456_789 / 1e9, math.nan, math.nan, 17.0, 17.0, 17.0]
    )


def test_created_times_beyond_nanoseconds() -> None:
    counter = messages.family("jobs_total", messages.COUNTER)
    messages.metric(counter).counter.created_timestamp.seconds = 250_000_000_000
    (created_s,) = read(counter).created_s  # type: ignore[misc]  # that there are some is what is tested
    assert created_s == 250_000_000_000.0


def test_names_that_are_no_identifiers_are_quoted() -> None:
    gauge = messages.family('shop.queue "a"', messages.GAUGE)
    messages.metric(gauge, {"queue.name": 'mail\\ "1"\n', "plain": "é"}).gauge.value = 1
    messages.metric(gauge).gauge.value = 2
    summary = messages.family("shop.wait", messages.SUMMARY)
    messages.metric(summary).summary.quantile.add(quantile=0.5, value=3)
    assert values(read(gauge, summary)) == {
        r'{"shop.queue \"a\"","queue.name"="mail\\ \"1\"\n",plain="é"}': 1.0,
        r'{"shop.queue \"a\""}': 2.0,
        '{"shop.wait_count"}': 0.0,
        '{"shop.wait_sum"}': 0.0,
        '{"shop.wait",quantile="0.5"}': 3.0,
    }


def test_a_family_without_metrics_is_none() -> None:
    gauge = messages.family("up", messages.GAUGE)
    messages.metric(gauge).gauge.value = 1
    rows = read(messages.family("", messages.COUNTER), b"", gauge, messages.family("late", messages.COUNTER))
    assert values(rows) == {"up": 1.0}
    assert rows.layout.families == {"up": Family("gauge")}
    assert values(read(b"")) == {}


def test_fields_may_come_in_any_order_and_more_may_come() -> None:
    labels = messages.field(1, messages.field(2, b"b") + messages.field(1, b"a"))
    counter = messages.field(3, messages.field(9, b"new") + messages.field(1, 4.0) + messages.field(1, 5.0))
    metric = counter + messages.field(6, 1_000) + messages.field(77, 3) + labels + b"\x7d\0\0\0\0"
    family = messages.field(4, metric) + messages.field(3, 0) + messages.field(99, b"x") + messages.field(1, b"jobs")
    rows = read(family)
    assert values(rows) == {'jobs{a="b"}': 5.0}
    assert rows.times_us is not None
    assert rows.times_us.tolist() == [1_000_000]


def test_a_value_of_another_type_is_none() -> None:
    family = messages.family("jobs", messages.COUNTER)
    one = messages.metric(family)
    one.counter.value, one.gauge.value = 1, 2
    assert values(read(family)) == {"jobs": 1.0}
    messages.metric(family).gauge.value = 2
    with pytest.raises(PermanentError, match=r"begins a metric without the value of its type, which is counter$"):
        read(family)


def test_all_samples_count_towards_the_limit() -> None:
    family = messages.family("lat", messages.HISTOGRAM)
    for number in range(3):
        messages.metric(family, {"n": str(number)}).histogram.bucket.add(upper_bound=1)
    assert len(read(family, samples_max=12).values) == 12
    for limit in (11, 2):
        with pytest.raises(PermanentError, match=f"^target exposes more than samples_max {limit} samples$"):
            read(family, samples_max=limit)


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_bounds_are_written_as_prometheus_does(value: float) -> None:
    written = openmetrics_float(value)
    assert float(written) == value
    assert "." in written or "e" in written
    assert written.removeprefix("-").removesuffix(".0") == go_float(abs(value))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1.0"),
        (-0.0, "0.0"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (999999, "999999.0"),
        (-1e6, "-1e+06"),
        (1234567, "1.234567e+06"),
        (1e21, "1e+21"),
        (5e-324, "5e-324"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_bounds(value: float, text: str) -> None:
    assert openmetrics_float(value) == text
