"""Pages one after the other: what is remembered of one changes nothing of what the next one says."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.exposition.page import Page
from collector.exposition.protobuf import reader as message_reader
from collector.exposition.reader import PageReader, Rows
from tests.fakes import metric_messages as messages

counts = st.one_of(st.integers(0, 300), st.integers(0, 2**64 - 1))
bounds = st.lists(st.sampled_from([0.1, 1.0, 2.0, math.inf]), max_size=4)


def said(rows: Rows) -> list[tuple[str, str, int | None, str]]:
    """Every sample, so that NaN is like NaN."""
    times: list[Any] = [None] * len(rows.values) if rows.times_us is None else rows.times_us.tolist()
    created: list[Any] = [math.nan] * len(rows.values) if rows.created_s is None else rows.created_s.tolist()
    columns = (rows.layout.heads.to_pylist(), map(repr, rows.values.tolist()), times, map(repr, created))
    return list(zip(*columns, strict=True))


@st.composite
def pages(draw: st.DrawFn) -> bytes:
    """Pages that differ from one another in a little."""
    gauge = messages.family("depth", messages.GAUGE)
    for queue in draw(st.lists(st.sampled_from("abc"), max_size=3, unique=True)):
        one = messages.metric(gauge, {"queue": queue}, draw(st.none() | st.sampled_from([0, 5, 10**12, -1])))
        one.gauge.value = draw(st.floats())
    lat = messages.family("lat", draw(st.sampled_from([messages.HISTOGRAM, messages.GAUGE_HISTOGRAM])))
    for path in draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True)):
        one = messages.metric(lat, {"path": path}).histogram
        one.sample_count, one.sample_sum = draw(counts), draw(st.floats())
        if draw(st.booleans()):
            one.sample_count_float = draw(st.sampled_from([0.0, 0.5, math.nan]))
        for bound in draw(bounds):
            one.bucket.add(upper_bound=bound, cumulative_count=draw(counts))
        if draw(st.booleans()):
            one.created_timestamp.seconds = draw(st.sampled_from([17, 18]))
    wait = messages.family("wait", messages.SUMMARY, unit=draw(st.sampled_from(["", "seconds"])))
    messages.metric(wait, {"a": "x" * draw(st.integers(1, 2))}).summary.sample_count = draw(counts)
    return messages.delimited([gauge, lat, wait])


@given(bodies=st.lists(pages(), min_size=2, max_size=6))
@settings(deadline=None)
def test_one_reader_reads_as_new_ones_do(bodies: list[bytes]) -> None:
    reader, before = PageReader("target", 100), None
    for body in bodies:
        found = reader.read(Page(body, "protobuf"))
        fresh = PageReader("target", 100).read(Page(body, "protobuf"))
        assert said(found) == said(fresh)
        assert found.layout.families == fresh.layout.families
        if before is not None:
            heads, known = found.layout.heads.to_pylist(), before.heads.to_pylist()
            assert (found.layout is before) == (heads == known and found.layout.families == before.families)
            expected = [known.index(head) if head in known else -1 for head in heads]
            assert found.layout.places_in(before).tolist() == expected
        before = found.layout


def page_of(count: int, value: float, *, created_s: int = 17, time_ms: int = 5, help: str = "Jobs.") -> Page:
    jobs = messages.family("jobs_total", messages.COUNTER, help=help)
    for queue in ("mail", "print"):
        one = messages.metric(jobs, {"queue": queue}, time_ms)
        one.counter.value = value
        one.counter.created_timestamp.seconds = created_s
    lat = messages.family("lat", messages.HISTOGRAM)
    one = messages.metric(lat).histogram
    one.sample_count, one.sample_sum = count, value
    one.bucket.add(upper_bound=1, cumulative_count=count)
    return Page(messages.delimited([jobs, lat]), "protobuf")


@pytest.mark.parametrize(
    "next_page",
    [
        page_of(100, -2.5),
        page_of(128, 1.0),
        page_of(2**63, math.nan),
        page_of(5, 1.0, created_s=2**33),
        page_of(5, 1.0, time_ms=10**12),
        page_of(5, 1.0, help="Jobs that were done."),
    ],
    ids=["numbers", "longer", "longest", "created", "time", "help"],
)
def test_the_usual_page_keeps_its_layout(next_page: Page) -> None:
    reader = PageReader("target", 100)
    first = reader.read(page_of(5, 1.0))
    second = reader.read(next_page)
    assert second.layout is first.layout
    assert said(second) == said(PageReader("target", 100).read(next_page))
    assert said(reader.read(page_of(5, 1.0))) == said(first)


def test_the_bound_of_a_bucket_is_no_number_of_the_page() -> None:
    def page(bound: float, quantile: float) -> Page:
        lat, wait = messages.family("lat", messages.HISTOGRAM), messages.family("wait", messages.SUMMARY)
        messages.metric(lat).histogram.bucket.add(upper_bound=bound, cumulative_count=1)
        messages.metric(wait).summary.quantile.add(quantile=quantile, value=1)
        return Page(messages.delimited([lat, wait]), "protobuf")

    reader = PageReader("target", 100)
    first = reader.read(page(1.0, 0.5))
    for other in (page(2.0, 0.5), page(1.0, 0.9)):
        second = reader.read(other)
        assert second.layout is not first.layout
        assert said(second) == said(PageReader("target", 100).read(other))
    assert reader.read(page(1.0, 0.9)).layout is second.layout


def test_a_target_may_change_its_format() -> None:
    reader = PageReader("target", 100)
    first = reader.read(page_of(5, 1.0))
    text = reader.read(Page(b'# TYPE jobs_total counter\njobs_total{queue="mail"} 4\nup 1\n', "text"))
    assert text.layout is not first.layout
    assert text.created_s is None
    again = reader.read(page_of(6, 2.0))
    assert said(again) == said(PageReader("target", 100).read(page_of(6, 2.0)))


class _Many:
    """A page of many metrics, of which a few change."""

    def __init__(self) -> None:
        self.jobs = messages.family("jobs_total", messages.COUNTER, help="Jobs.")
        self.lat = messages.family("lat", messages.HISTOGRAM)
        for number in range(20):
            counter = messages.metric(self.jobs, {"n": str(number)}, 5).counter
            counter.value, counter.created_timestamp.seconds = number, 17
            one = messages.metric(self.lat, {"n": f"{number:02}"}).histogram
            one.sample_count, one.sample_sum = 100 + number, number
            for bound in (0.5, 1.0):
                one.bucket.add(upper_bound=bound, cumulative_count=number)

    def page(self) -> Page:
        return Page(messages.delimited([self.jobs, self.lat]), "protobuf")

    def change(self, what: str, number: int, count: int) -> None:
        counter, histogram = self.jobs.metric[number], self.lat.metric[number].histogram
        match what:
            case "value":
                counter.counter.value = count / 3
            case "count":
                histogram.sample_count = count
            case "bucket":
                histogram.bucket[0].cumulative_count = count
            case "float":
                histogram.sample_count_float = count / 3
            case "time":
                counter.timestamp_ms = count % 10**15
            case "no time":
                counter.ClearField("timestamp_ms")
            case "created":
                counter.counter.created_timestamp.nanos = count % 10**9
            case "exemplar":
                counter.counter.exemplar.label.add(name="trace_id", value=str(count))
            case "help":
                self.jobs.help = "Jobs." + "!" * (count % 3)
            case "label":
                self.lat.metric[number].label[0].value = f"{count % 100:02}"
            case "bound":
                histogram.bucket[1].upper_bound = 1.0 + count % 2
            case "more":
                histogram.bucket.add(upper_bound=2.0, cumulative_count=count)
            case "gone" if number:
                del self.lat.metric[number:]
                self.lat.metric.extend(_Many().lat.metric[number + 1 :])
                self.lat.metric.add().CopyFrom(_Many().lat.metric[number])


#: What makes no other series of a page.
HARMLESS = ("value", "count", "bucket", "float", "time", "no time", "created", "exemplar", "help")
changes = st.tuples(
    st.sampled_from([*HARMLESS, "label", "bound", "more", "gone"]), st.integers(0, 19), st.integers(0, 2**64 - 1)
)


@given(steps=st.lists(st.lists(changes, max_size=3), min_size=1, max_size=6))
@settings(deadline=None)
def test_metrics_that_moved_are_found_again(steps: list[list[tuple[str, int, int]]]) -> None:
    many, reader = _Many(), PageReader("target", 1_000)
    before = reader.read(many.page()).layout
    for step in steps:
        for change in step:
            many.change(*change)
        found = reader.read(many.page())
        assert said(found) == said(PageReader("target", 1_000).read(many.page()))
        same = found.layout.heads.to_pylist() == before.heads.to_pylist()
        assert (found.layout is before) == same
        assert same or any(what not in HARMLESS for what, _, _ in step)
        before = found.layout


def test_a_metric_that_moved_is_not_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    many, reader, taken = _Many(), PageReader("target", 1_000), []
    apart = message_reader.samples

    def counted(body: bytes, starts: Any, *rest: Any) -> Any:
        taken.append(len(starts))
        return apart(body, starts, *rest)

    monkeypatch.setattr(message_reader, "samples", counted)
    for what, number, count in (("value", 3, 5), ("count", 3, 2**40), ("help", 0, 1), ("exemplar", 7, 1)):
        reader.read(many.page())
        many.change(what, number, count)
    reader.read(many.page())
    assert taken == [40, 1, 0, 1]


def test_many_metrics_are_read_in_parts() -> None:
    """Together they are larger than what is taken apart at once."""
    lat = messages.family("lat", messages.HISTOGRAM)
    for number in range(3_000):
        one = messages.metric(lat, {"path": f"/api/v1/{'x' * 400}/{number}"}).histogram
        one.sample_count, one.sample_sum = number, number / 2
    body = messages.delimited([lat])
    assert len(body) > 1 << 20
    rows = PageReader("target", 10_000).read(Page(body, "protobuf"))
    assert np.array_equal(rows.values, np.repeat(np.arange(3_000.0), 3) * np.tile([1, 0.5, 1], 3_000))
    heads = rows.layout.heads.to_pylist()
    assert heads[-1].startswith('lat_bucket{path="/api/v1/xxx')
    assert heads[-1].endswith('/2999",le="+Inf"}')
