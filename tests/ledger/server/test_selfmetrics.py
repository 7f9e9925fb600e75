"""What the ledger tells of itself: how long acks and bookings take, what is behind, and what nobody observed, within bounds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ledger.metering.gaps import Gaps
from ledger.server import gapwatching
from ledger.server.gapwatching import GapWatching
from ledger.server.selfmetrics import METERS_MAX, SOURCES_MAX, SelfMetrics
from meterbook.wire.instants import HOUR_US, SECOND_US, now_us
from tests.ledger.batches import content, coverage, event
from tests.ledger.running import Running, serving
from tests.ledger.server.test_process import METER, get

JOURNAL: Any = SimpleNamespace(
    warnings=(), log=SimpleNamespace(end=0), materialiser=SimpleNamespace(watermark=0, lag_s=2.5)
)


def shown(metrics: SelfMetrics, name: str) -> dict[tuple[str, ...], float]:
    """The values of a metric, by its labels."""
    return {
        tuple(sample.labels.values()): sample.value
        for metric in metrics.registry.collect()
        for sample in metric.samples
        if sample.name == f"meterbook_ledger_{name}"
    }


def gaps_of(sources: Mapping[str, int], meters: Mapping[str, tuple[int, int]] | None = None) -> Gaps:
    return Gaps(0, HOUR_US, sources, meters or {})


def test_gaps_are_those_of_the_last_hour_and_no_others() -> None:
    metrics = SelfMetrics(JOURNAL)
    metrics.show_gaps(gaps_of({"a": 60 * SECOND_US, "b": SECOND_US}, {"m": (61 * SECOND_US, 2 * HOUR_US)}))
    assert shown(metrics, "source_gap_seconds") == {("a",): 60, ("b",): 1}
    assert shown(metrics, "coverage_gap_seconds") == {("m",): 61}
    assert shown(metrics, "coverage_expected_seconds") == {("m",): 7_200}
    assert shown(metrics, "sources_with_gaps") == {(): 2} and shown(metrics, "coverage_until_seconds") == {(): 3_600}
    metrics.show_gaps(gaps_of({"b": 2 * SECOND_US}))
    assert shown(metrics, "source_gap_seconds") == {("b",): 2}
    assert shown(metrics, "coverage_gap_seconds") == {}
    metrics.show_gaps(None)
    assert shown(metrics, "source_gap_seconds") == {} and shown(metrics, "coverage_until_seconds") == {(): 0}


def test_however_many_lack_something_so_many_are_named() -> None:
    metrics = SelfMetrics(JOURNAL)
    many = {f"source-{number}": number * SECOND_US for number in range(1, 1_001)}
    metrics.show_gaps(gaps_of(many, {name: (missing_us, HOUR_US) for name, missing_us in many.items()}))
    named = shown(metrics, "source_gap_seconds")
    assert len(named) == SOURCES_MAX and min(named.values()) == 1_001 - SOURCES_MAX
    assert len(shown(metrics, "coverage_gap_seconds")) == len(shown(metrics, "coverage_expected_seconds")) == METERS_MAX
    assert shown(metrics, "sources_with_gaps") == {(): 1_000}


def test_tables_tell_how_late_they_are() -> None:
    assert shown(SelfMetrics(JOURNAL), "tables_lag_seconds") == {(): 2.5}


def page(running: Running) -> dict[str, float]:
    """What /metrics shows, of series without labels."""
    _, text = get(f"127.0.0.1:{running.process.http_port}/metrics")
    families = text_string_to_metric_families(text)
    return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}


def test_every_ack_and_every_booking_is_timed(tmp_path: Path) -> None:
    began_s = time.monotonic()
    with serving(tmp_path / "store", metering={"every_s": 1}) as running:
        running.apply(tmp_path, METER)
        running.send(*(content(events=[event(number)]) for number in range(20)))
        while not (told := page(running))["meterbook_ledger_booking_seconds_count"]:
            time.sleep(0.05)
        assert told["meterbook_ledger_ack_seconds_count"] == told["meterbook_ledger_batches_total"] == 20
        assert 0 < told["meterbook_ledger_ack_seconds_sum"] < 20 * (time.monotonic() - began_s)
        assert 0 < told["meterbook_ledger_booking_seconds_sum"] < time.monotonic() - began_s


def test_a_running_ledger_tells_of_gaps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gapwatching, "FIRST_S", 0.1)
    monkeypatch.setattr(gapwatching, "EVERY_S", 0.1)
    hour_us = (now_us() - 300 * SECOND_US) // HOUR_US * HOUR_US
    half = [
        coverage(
            0,
            status,
            source="till",
            start=hour_us - HOUR_US + place * HOUR_US // 2,
            end=hour_us - HOUR_US // 2 + place * HOUR_US // 2,
        )
        for place, status in enumerate(("complete", "failed"))
    ]
    with serving(tmp_path / "store") as running:
        running.send(content(coverage=half))
        while page(running)["meterbook_ledger_sources_with_gaps"] != 1:
            time.sleep(0.05)
        _, text = get(f"127.0.0.1:{running.process.http_port}/metrics")
        assert 'meterbook_ledger_source_gap_seconds{source="till"} 1800.0' in text


class Follows:
    """Another replica has the lease."""

    def holds(self) -> bool:
        return False


def test_who_follows_tells_nothing(tmp_path: Path) -> None:
    metrics, journal = SelfMetrics(JOURNAL), SimpleNamespace()
    metrics.show_gaps(gaps_of({"a": SECOND_US}))
    leadership: Any = Follows()
    watching = GapWatching(journal, leadership, metrics, 0)  # type: ignore[arg-type]
    watching.look()
    assert shown(metrics, "source_gap_seconds") == {}
    watching.close()
    watching.look()
