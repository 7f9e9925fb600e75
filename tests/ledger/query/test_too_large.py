"""A quantity that has more digits than there are for one is told of by name, and keeps no other meter from being asked for."""

from __future__ import annotations

import pytest

from ledger.query.questions import BadQuestion
from ledger.query.trying import answer_try_meter
from ledger.query.usage import answer_usage
from meterbook.ledger.v1 import query_pb2
from meterbook.wire import instants
from tests.fakes.journal import memory_journal
from tests.ledger.batches import content, series

HOUR, MINUTE = instants.HOUR_US, 60 * instants.SECOND_US
TEN = instants.parse("2026-03-01T10:00:00Z")
METER = "kind: meter\nname: {}\nspec: {{source: {{metric: requests_total}}, aggregation: increase, measured_in: GBy, unit: {}}}\n"


def test_it_is_told_by_name() -> None:
    with memory_journal(TEN + HOUR) as journal:
        journal.define(METER.format("huge", "By") + "---\n" + METER.format("large", "GBy"))
        values = [(1, TEN + number * MINUTE, 0.0 if number % 2 else 2.0**62 - 512) for number in range(45)]
        journal.send("one", content(series=[series(1, since=TEN - HOUR)], samples=values))
        asked = r"meters: meter huge: of acme the quantity .* has more than 29 digits .* ask for other meters"
        with pytest.raises(BadQuestion, match=asked):
            answer_usage(journal, query_pb2.UsageRequest())  # type: ignore[arg-type]
        (row,) = answer_usage(journal, query_pb2.UsageRequest(meters=["large"])).rows  # type: ignore[arg-type]
        assert row.tenant == "acme" and row.quantity.startswith("1014")
        with pytest.raises(BadQuestion, match=r"definition: meter huge: of acme the quantity .* choose a larger unit"):
            answer_try_meter(journal, query_pb2.TryMeterRequest(definition=METER.format("huge", "By")))  # type: ignore[arg-type]
