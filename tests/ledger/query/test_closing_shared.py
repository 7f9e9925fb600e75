"""Two replicas over one store close a period: one of them does, and both say the same."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ledger.journal.journal import Journal
from ledger.journal.record import DEFINITIONS_CHAIN, Kind
from ledger.metering.booking import Booker
from ledger.query.closing import PeriodCloser
from ledger.query.periods import answer_period, answer_periods
from meterbook.ledger.v1 import period_pb2
from meterbook.wire import instants
from tests.fakes.journal import memory_journal
from tests.ledger.batches import append, content, coverage, extend, series
from tests.ledger.journal.shared.places import address, credentials, place_of
from tests.servers.fixtures import Bucket, Database

DAY = instants.parse("2026-03-10")
METER = "kind: meter\nname: requests\nspec: {source: {metric: requests_total}, aggregation: increase, unit: requests, max_gap_s: 86400}\n"


def test_two_replicas_close_a_period_once(database: Database, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in credentials(bucket.server).items():
        monkeypatch.setenv(name, value)
    place = place_of(address(database, bucket))
    one, two = Journal(place), Journal(place)
    try:
        with memory_journal() as book:
            book.define(METER)
            extend(one, Kind.DEFINITIONS, DEFINITIONS_CHAIN, book.records[0].payload)
        samples = [(1, DAY + hour * instants.HOUR_US, float(hour)) for hour in range(25)]
        whole = coverage(0, start=DAY, end=DAY + 25 * instants.HOUR_US)
        append(one, content(series=[series(1, since=DAY)], samples=samples, coverage=[whole]))
        ready = threading.Barrier(2)

        def close(journal: Journal) -> period_pb2.ClosePeriodResponse:
            closer = PeriodCloser(journal, Booker(journal), 0)
            ready.wait()
            return closer.close(period_pb2.ClosePeriodRequest(period="2026-03-10", author=f"{id(journal)}"), "")

        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(close, (one, two)))
        assert sorted(each.outcome for each in found) == ["already closed", "closed"]
        assert list(found[0].closes) == list(found[1].closes)
        asked = period_pb2.PeriodRequest(period="2026-03-10", as_of=one.view().position)
        shown = [answer_period(journal, asked) for journal in (one, two)]
        assert shown[0] == shown[1]
        assert [(row.quantity, row.corrected) for row in shown[0].rows] == [("24", "0")]
        assert len(answer_periods(two, period_pb2.PeriodsRequest()).closes) == 1
        assert two.view().count("entries") == 24
    finally:
        one.close()
        two.close()
