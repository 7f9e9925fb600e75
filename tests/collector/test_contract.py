"""The contract of collector/base.py, held by every kind in the registry."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pydantic import ValidationError

from collector import registry
from collector.base import Collector
from collector.definitions import DEFINED
from collector.errors import WriteRefused
from collector.readings import Readings, Window
from collector.readonly import http_client, open_file
from meterbook.wire.sections import BILLS, CHARGES, EVENTS, SAMPLES, STATUSES
from tests.collector.conftest import WINDOW, series_of
from tests.collector.harnesses import HARNESSES, Source
from tests.fakes.http_target import FakeTarget


@pytest.fixture(params=registry.kinds())
def kind(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if name not in HARNESSES:
        pytest.fail(f"kind {name!r} is registered but has no harness in tests/collector/harnesses.py")
    return name


@pytest.fixture
def source(kind: str, tmp_path: Path) -> Iterator[Source]:
    with HARNESSES[kind](tmp_path) as made:
        yield made


@pytest.fixture
def collector(kind: str, source: Source) -> Iterator[Collector]:
    plugin = registry.plugin(kind)
    sources = plugin.build(plugin.config.model_validate({"kind": kind, **source.settings}))
    made = source.choose(sources)
    yield made
    made.close()
    sources.close()


def content(readings: Readings, volatile: frozenset[str]) -> tuple[Any, ...]:
    """What must be equal when a collection is repeated."""
    series = series_of(readings)
    samples = [
        (row["series_id"], row["time"], None if series[row["series_id"]].metric in volatile else row["value"].hex())
        for row in readings.samples.to_pylist()
    ]
    told = readings.events.to_pylist(), readings.charges.to_pylist(), readings.bills.to_pylist()
    return samples, told, series, readings.dead_letters, readings.checkpoint


def assert_spans(readings: Readings, collector: Collector, window: Window) -> None:
    at = window.start_us
    for record in sorted(readings.coverage, key=lambda record: record.start_us):
        assert record.source == collector.source
        assert record.status in STATUSES
        assert (record.reason == "") == (record.status == "complete")
        assert record.start_us == at
        assert record.end_us > at
        at = record.end_us
    assert at == window.end_us


def test_shows_something(collector: Collector) -> None:
    readings = collector.collect(WINDOW, {})
    assert readings.samples.num_rows + readings.events.num_rows + readings.charges.num_rows > 0
    assert {record.status for record in readings.coverage} == {"complete"}
    assert {letter.source for letter in readings.dead_letters} <= {collector.source}


def test_the_same_checkpoint_gives_the_same_again(collector: Collector, source: Source) -> None:
    first = collector.collect(WINDOW, {})
    assert content(collector.collect(WINDOW, {}), source.volatile) == content(first, source.volatile)
    second = collector.collect(WINDOW, first.checkpoint)
    again = collector.collect(WINDOW, first.checkpoint)
    assert content(again, source.volatile) == content(second, source.volatile)


def test_the_checkpoint_survives_as_json(collector: Collector, source: Source) -> None:
    first = collector.collect(WINDOW, {})
    carried = json.loads(json.dumps(first.checkpoint))
    from_json = collector.collect(WINDOW, carried)
    assert content(from_json, source.volatile) == content(collector.collect(WINDOW, first.checkpoint), source.volatile)


def test_coverage_spans_the_window(collector: Collector, source: Source) -> None:
    assert_spans(collector.collect(WINDOW, {}), collector, WINDOW)
    source.break_it()
    assert_spans(collector.collect(WINDOW, {}), collector, WINDOW)


def test_a_source_that_fails_is_an_answer_and_keeps_the_checkpoint(collector: Collector, source: Source) -> None:
    before = collector.collect(WINDOW, {}).checkpoint
    source.break_it()
    readings = collector.collect(WINDOW, before)
    assert {record.status for record in readings.coverage} == {"failed"}
    assert readings.checkpoint == before
    assert readings.events.num_rows + readings.charges.num_rows + readings.bills.num_rows == 0


def test_tables_have_the_schemas_of_the_wire(collector: Collector, source: Source) -> None:
    whole = collector.collect(WINDOW, {})
    source.break_it()
    for readings in (whole, collector.collect(WINDOW, {})):
        assert readings.samples.schema.equals(SAMPLES)
        assert readings.events.schema.equals(EVENTS)
        assert readings.charges.schema.equals(CHARGES)
        assert readings.bills.schema.equals(BILLS)
        readings.charges.validate(full=True)
        readings.bills.validate(full=True)
        assert {*readings.charges["source"].to_pylist(), *readings.bills["source"].to_pylist()} <= {collector.source}
        readings.samples.validate(full=True)
        readings.events.validate(full=True)
        assert set(readings.events["tenant"].to_pylist()) <= {""}
        assert set(readings.events["origin"].to_pylist()) <= {collector.source}


def test_samples_are_sorted_and_their_series_defined(collector: Collector) -> None:
    readings = collector.collect(WINDOW, {})
    places = [(row["series_id"], row["time"]) for row in readings.samples.to_pylist()]
    assert places == sorted(set(places))
    assert readings.series.of(np.array([], np.int64)).schema.equals(DEFINED)
    for series in series_of(readings).values():
        assert series.source == collector.source
        assert all(isinstance(text, str) for part in (series.labels, series.attributes) for text in json.loads(part))


def test_unknown_settings_are_refused(kind: str, source: Source) -> None:
    with pytest.raises(ValidationError, match="colour"):
        registry.plugin(kind).config.model_validate({"kind": kind, **source.settings, "colour": "blue"})


def test_every_setting_says_what_it_is(kind: str) -> None:
    fields = registry.plugin(kind).config.model_fields
    assert not [name for name, field in fields.items() if not (field.description or "").endswith(".")]


def test_closing_twice_is_safe(collector: Collector) -> None:
    collector.collect(WINDOW, {})
    collector.close()
    collector.close()


def test_nothing_is_written(collector: Collector, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    flags: list[int] = []
    really_open = os.open

    def watched(path: Any, flag: int, *rest: Any, **named: Any) -> int:
        flags.append(flag)
        return really_open(path, flag, *rest, **named)

    before = source.evidence()
    monkeypatch.setattr(os, "open", watched)
    first = collector.collect(WINDOW, {})
    collector.collect(WINDOW, first.checkpoint)
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    assert not [flag for flag in flags if flag & writing]
    assert source.evidence() == before


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_the_http_door_only_reads(method: str, target: FakeTarget) -> None:
    with http_client(timeout_s=5.0) as client:
        with pytest.raises(WriteRefused, match=method):
            client.request(method, f"http://{target.address}/metrics")
        assert target.requests == []
        assert isinstance(client.get(f"http://{target.address}/metrics"), httpx.Response)


def test_the_file_door_only_reads(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"as it was")
    with open_file(str(tmp_path / "file")) as file, pytest.raises(OSError, match="not open for writing"):
        file.write(b"x")
    with pytest.raises(FileNotFoundError):
        open_file(str(tmp_path / "absent"))
