"""The batches behind a quantity are those of the samples that it lies between, whatever ends were told of besides."""

from __future__ import annotations

import pytest

from ledger.directory.standing import catalog_of
from ledger.metering.tracing import trace
from meterbook.wire.instants import HOUR_US, SECOND_US, parse
from meterbook.wire.sections import STALE
from tests.fakes.journal import memory_journal
from tests.ledger.batches import content, series

TEN, MINUTE = parse("2026-03-10T10:00:00Z"), 60 * SECOND_US
METER = "kind: meter\nname: usage\nspec: {{source: {{metric: requests_total}}, aggregation: {}, unit: each, max_gap_s: 3600}}\n"


def batches(aggregation: str, kind: str, *told: tuple[float, float]) -> list[int]:
    """Which of the batches, each with one value at a minute after ten, are behind the hour of ten."""
    with memory_journal(TEN + 2 * HOUR_US) as journal:
        journal.define(METER.format(aggregation))
        for number, (minute, value) in enumerate(told):
            samples = [(1, TEN + int(minute * MINUTE), value)]
            journal.send(f"agent-{number}", content(series=[series(1, kind, since=TEN - HOUR_US)], samples=samples))
        view = journal.view()
        found = trace(view, catalog_of(view), "usage", "acme", TEN, {})
    # The meter is the first record.
    return [position - 2 for position in found.batches["position"].to_pylist()]


@pytest.mark.parametrize(
    ("aggregation", "kind", "behind"),
    [("increase", "counter", [0, 2, 4]), ("last_known", "gauge", [0, 2, 4]), ("integral", "gauge", [1, 2, 3])],
)
def test_only_what_is_held_ends_at_a_marker(aggregation: str, kind: str, behind: list[int]) -> None:
    told = ((-10, 5.0), (-5, STALE), (10, 6.0), (65, STALE), (70, 8.0))
    assert batches(aggregation, kind, *told) == behind


def test_a_sample_and_not_the_marker_of_its_instant_is_proved() -> None:
    assert batches("increase", "counter", (-10, 5.0), (10, STALE), (10, 6.0), (10, 6.0)) == [0, 2]
