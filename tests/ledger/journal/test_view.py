"""A view answers from the rows of its position and before, and gives the same answer for ever."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ledger.journal.derive import TABLES
from ledger.journal.errors import TablesUnavailable
from ledger.journal.journal import Journal
from ledger.journal.record import ACTS_CHAIN, DEFINITIONS_CHAIN, NO_HEAD, Head, Kind, runs_chain
from ledger.journal.remembered import Remembered
from ledger.journal.samples import fresh, near
from ledger.journal.tables import Tables
from ledger.journal.view import View
from meterbook.ledger.v1 import journal_pb2
from meterbook.wire.instants import HOUR_US
from tests.ledger.batches import DAY, EPOCH, MINUTE, Sender, append, content, coverage, event, extend, opened, series
from tests.ledger.journal.logs import records_of

HOUR = DAY // HOUR_US * HOUR_US
FOREVER = DAY + 1_000 * MINUTE


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    """Two agents' batches (positions 1 to 4), definitions (5 and 6), runs (7 and 8) and an act (9)."""
    shop, depot = Sender("shop-agent"), Sender("depot-agent")
    with opened(tmp_path_factory.mktemp("store")) as found:
        append(
            found,
            content(
                series=[series(1), series(2, "gauge", metric="bytes", start=DAY)],
                samples=[(1, DAY, 10.0), (1, DAY + MINUTE, 20.0), (1, DAY + MINUTE, 19.0), (2, DAY, -1.0)],
                events=[event(1), event(2)],
                coverage=[coverage(0), coverage(1, "partial", reason="slow")],
            ),
            sender=shop,
        )
        append(
            found,
            content(
                series=[series(1, tenant="globex", since=DAY + 2 * MINUTE)],
                samples=[(1, DAY - MINUTE, 5.0), (1, DAY + MINUTE, 21.0), (1, DAY + 2 * MINUTE, 30.0)],
                # The same ids again, of another value, time and type; and a new one before all others.
                events=[event(1, value=Decimal(7)), event(2, type="other"), event(3, time=DAY - HOUR_US), event(3)],
                coverage=[coverage(2), coverage(0, "failed", source="kubelet/a", reason="gone")],
            ),
            sender=shop,
        )
        append(
            found,
            content(
                samples=[(9, DAY, 1.0)],
                events=[event(1, source="till", origin="till", tenant="@shared"), event(2, type="other", source="log")],
                coverage=[coverage(2), coverage(3, start=DAY, end=DAY + 4 * MINUTE)],
            ),
            sender=depot,
        )
        append(found, content(samples=[(1, DAY + 9 * MINUTE, 40.0)]), sender=shop)
        for version in (1, 2):
            version_ = journal_pb2.DefinitionVersion(kind="meter", name="m", version=version, spec="{}")
            record = journal_pb2.DefinitionsRecord(author="ada", versions=[version_])
            extend(found, Kind.DEFINITIONS, DEFINITIONS_CHAIN, record.SerializeToString())
        extend(found, Kind.RUN, runs_chain("m"), run(at=6, quantities=[3 * 10**9, 5]).SerializeToString())
        extend(found, Kind.RUN, runs_chain("m"), run(at=7, quantities=[-(10**9)]).SerializeToString())
        act = journal_pb2.ActRecord(kind="credential", name="shop", document="{}", author="ada")
        extend(found, Kind.ACT, ACTS_CHAIN, act.SerializeToString())
        found.view()
        yield found


def run(at: int, quantities: list[int]) -> journal_pb2.RunRecord:
    entries = [
        journal_pb2.Entry(
            tenant="acme",
            dimensions="{}",
            hour_us=HOUR + number * HOUR_US,
            quantity_nano=str(quantity),
            estimated_nano="0",
            observed_us=1,
            expected_us=2,
        )
        for number, quantity in enumerate(quantities)
    ]
    return journal_pb2.RunRecord(
        meter="m", version=1, start_us=HOUR, end_us=HOUR + 2 * HOUR_US, at_position=at, entries=entries
    )


def ids(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def cells(table: pa.Table, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in columns or table.column_names) for row in table.to_pylist()]


def test_a_view_of_no_position_is_empty(journal: Journal, tmp_path_factory: pytest.TempPathFactory) -> None:
    with opened(tmp_path_factory.mktemp("empty")) as empty:
        for view in (empty.view(), View.at(journal.tables, 0)):
            assert (view.position, view.time_us) == (0, 0)
            assert all(view.count(name) == 0 for name in TABLES)
            assert view.beginning() is view.first_booked("m", 0, FOREVER) is None
            assert near(view, ids(1), 0, FOREVER).num_rows == view.events("sale", [], 0, FOREVER).num_rows == 0


def test_positions_that_are_not_in_the_book(journal: Journal) -> None:
    for position in (-1, 10, 10**30):
        with pytest.raises(LookupError, match=f"position {position} is not in the book, which ends at 9"):
            journal.view(position)
    with pytest.raises(LookupError, match="position 99 is not in the tables"):
        View.at(journal.tables, 99)


def test_a_view_has_the_time_of_its_position(journal: Journal) -> None:
    times = [journal.view(position).time_us for position in range(1, 10)]
    assert times == sorted(times)
    assert times == [record.time_us for record in records_of(journal.log)]


@pytest.mark.slow
def test_no_view_shows_a_later_row(journal: Journal) -> None:
    for position in range(1, 10):
        view = journal.view(position)
        for name in TABLES:
            there = journal.view().rows(name, 1, position)
            assert view.count(name) == there.num_rows
            assert set(there["position"].to_pylist()) <= set(range(1, position + 1))
    assert [journal.view(position).count("samples") for position in range(1, 10)] == [4, 7, 7, 8, 8, 8, 8, 8, 8]


def test_series(journal: Journal) -> None:
    columns = ("series_id", "kind", "tenant", "since_us", "start_us")
    assert cells(journal.view().series("requests_total"), *columns) == [
        (1, "counter", "acme", DAY, None),
        (1, "counter", "globex", DAY + 2 * MINUTE, None),
    ]
    assert cells(journal.view(1).series("requests_total"), "tenant") == [("acme",)]
    assert cells(journal.view().series("bytes"), *columns) == [(2, "gauge", "acme", DAY, DAY)]
    assert journal.view().series("nothing").num_rows == 0


def test_samples_with_the_one_before_and_the_one_after(journal: Journal) -> None:
    view = journal.view()
    assert cells(near(view, ids(1), DAY + MINUTE, DAY + 2 * MINUTE)) == [
        (1, DAY, 10.0),
        # Of one instant, the first accepted first; of one batch, the lesser.
        (1, DAY + MINUTE, 19.0),
        (1, DAY + MINUTE, 20.0),
        (1, DAY + MINUTE, 21.0),
        (1, DAY + 2 * MINUTE, 30.0),
    ]
    assert cells(near(view, ids(1), DAY + 2 * MINUTE, DAY + 3 * MINUTE)) == [
        (1, DAY + MINUTE, 19.0),
        (1, DAY + 2 * MINUTE, 30.0),
        (1, DAY + 9 * MINUTE, 40.0),
    ]
    assert cells(near(view, ids(1), DAY - 5, DAY)) == [(1, DAY - MINUTE, 5.0), (1, DAY, 10.0)]
    assert cells(near(view, ids(1), 0, 1)) == [(1, DAY - MINUTE, 5.0)]
    assert cells(near(journal.view(1), ids(1), DAY + 2 * MINUTE, FOREVER)) == [(1, DAY + MINUTE, 19.0)]


def test_samples_of_several_series(journal: Journal) -> None:
    found = near(journal.view(), ids(2, 1, 9, -5), DAY, FOREVER)
    assert cells(found, "series_id") == [(1,)] * 7 + [(2,)]
    assert near(journal.view(), ids(), 0, FOREVER).num_rows == 0


def test_fresh_samples(journal: Journal) -> None:
    view = journal.view()
    assert cells(fresh(view, ids(1, 2), 0)) == [(1, DAY - MINUTE, None), (2, DAY, None)]
    assert cells(fresh(view, ids(1, 2), 1)) == [(1, DAY - MINUTE, None)]
    assert cells(fresh(view, ids(1, 2), 3)) == [(1, DAY + 9 * MINUTE, DAY + 2 * MINUTE)]
    assert fresh(view, ids(1, 2), 4).num_rows == 0
    assert fresh(journal.view(3), ids(1, 2), 3).num_rows == 0


def test_events_count_once_by_source_and_id(journal: Journal) -> None:
    def sales(position: int | None = None, since_us: int = 0, until_us: int = FOREVER) -> list[tuple[Any, ...]]:
        view = journal.view() if position is None else journal.view(position)
        found = view.events("sale", [], since_us, until_us)
        return cells(found, "origin", "tenant", "step_us", "value", "events")

    hour_us = DAY // HOUR_US * HOUR_US
    assert sales() == [
        ("logfile", "acme", hour_us - HOUR_US, Decimal("1.5"), 1),
        ("logfile", "acme", hour_us, Decimal("3"), 2),
        ("till", "@shared", hour_us, Decimal("1.5"), 1),
    ]
    # The first of an id stands for ever, whatever type or time a later one of the same id has.
    assert journal.view().events("other", [], 0, FOREVER).num_rows == 0
    assert sales(since_us=DAY + 3 * MINUTE) == []
    assert sales(1, DAY, DAY + 2 * MINUTE) == [("logfile", "acme", hour_us, Decimal("1.5"), 1)]


def test_first_fresh_event(journal: Journal) -> None:
    assert journal.view().first_fresh_event("sale", 0) == DAY - HOUR_US
    assert journal.view().first_fresh_event("sale", 2) == DAY + MINUTE
    assert journal.view().first_fresh_event("sale", 3) is None
    assert journal.view(1).first_fresh_event("sale", 0) == DAY + MINUTE


def test_coverage(journal: Journal) -> None:
    found = journal.view().coverage(DAY, DAY + MINUTE)
    assert cells(found, "source", "agent", "start_us", "end_us", "status", "reason") == [
        ("kubelet/a", "shop-agent", DAY, DAY + MINUTE, "failed", "gone"),
        ("prometheus/shop", "shop-agent", DAY, DAY + MINUTE, "complete", ""),
        ("prometheus/shop", "depot-agent", DAY, DAY + 4 * MINUTE, "complete", ""),
    ]
    assert journal.view(1).coverage(DAY, FOREVER).num_rows == 2
    assert journal.view().coverage(DAY + 4 * MINUTE, FOREVER).num_rows == 0


def test_observation_and_polls(journal: Journal) -> None:
    columns = ("source", "agent", "first_us", "last_us", "last_interval_us")
    assert cells(journal.view().observation(), *columns) == [
        ("kubelet/a", "shop-agent", DAY, DAY + MINUTE, MINUTE),
        ("prometheus/shop", "depot-agent", DAY, DAY + 4 * MINUTE, 4 * MINUTE),
    ]
    assert cells(journal.view(1).observation(), *columns) == [
        ("prometheus/shop", "shop-agent", DAY, DAY + 2 * MINUTE, MINUTE)
    ]
    assert cells(journal.view().polls()) == [
        ("prometheus/shop", DAY + MINUTE),
        ("prometheus/shop", DAY + 3 * MINUTE),
        ("prometheus/shop", DAY + 4 * MINUTE),
    ]


def test_definitions_and_runs(journal: Journal) -> None:
    assert cells(journal.view().definitions(), "name", "version", "author", "position") == [
        ("m", 1, "ada", 5),
        ("m", 2, "ada", 6),
    ]
    assert journal.view(5).definitions().num_rows == 1
    assert cells(journal.view().runs("m"), "at_position", "position") == [(6, 7), (7, 8)]
    assert journal.view(7).runs("m").num_rows == 1
    assert journal.view().runs("other").num_rows == 0
    # Whatever of the book is remembered.
    rising = View.at(journal.tables.snapshot(), 6, Remembered())
    found = [cells(rising.then(position).runs("m"), "position") for position in (6, 7, 8, 7)]
    assert found == [[], [(7,)], [(7,), (8,)], [(7,)]]


def test_booked(journal: Journal) -> None:
    columns = ("tenant", "hour_us", "quantity", "observed_us", "expected_us")
    both = [
        ("acme", HOUR, Decimal("2.000000000"), 2, 4),
        ("acme", HOUR + HOUR_US, Decimal("0.000000005"), 1, 2),
    ]
    assert cells(journal.view().booked("m", HOUR, 1 << 62), *columns) == both
    assert cells(journal.view().booked("m", HOUR + HOUR_US, 1 << 62), *columns) == both[1:]
    assert cells(journal.view(7).booked("m", HOUR, HOUR + 1), *columns) == [
        ("acme", HOUR, Decimal("3.000000000"), 1, 2)
    ]
    assert journal.view(6).booked("m", 0, 1 << 62).num_rows == 0
    assert journal.view().first_booked("m", HOUR + 1, 1 << 62) == HOUR + HOUR_US
    assert journal.view().first_booked("m", HOUR + 2 * HOUR_US, 1 << 62) is None


def test_chains_and_batches(journal: Journal) -> None:
    assert cells(journal.view().chains(), "agent", "epoch", "sequence", "samples", "events") == [
        ("depot-agent", EPOCH, 1, 0, 2),
        ("shop-agent", EPOCH, 3, 8, 6),
    ]
    assert cells(journal.view(1).chains(), "agent", "sequence") == [("shop-agent", 1)]
    (depot, shop) = journal.view().chains().to_pylist()
    assert journal.view().batch("shop-agent", EPOCH, 3) == (shop["hash"], 4)
    assert journal.view().batch("depot-agent", EPOCH, 1) == (depot["hash"], 3)
    assert journal.view(3).batch("shop-agent", EPOCH, 3) is None
    assert journal.view().batch("shop-agent", EPOCH + 1, 1) is None


def test_heads_are_those_of_the_log(journal: Journal) -> None:
    found = records_of(journal.log)
    for position in range(10):
        heads: dict[str, Head] = {}
        for record in found[:position]:
            heads[record.draft.chain] = Head(record.draft.sequence, record.draft.hash, record.position)
        view = View.at(journal.tables, position)
        assert view.heads() == heads
        assert {chain: journal.head(chain, journal.view()) for chain in heads} == {
            chain: journal.log.head(chain) for chain in heads
        }
    assert journal.log.head("nobody") == journal.head("nobody", journal.view(1)) == NO_HEAD


def test_acts(journal: Journal) -> None:
    assert cells(journal.view().acts()) == [("credential", "shop", "{}", "ada", 9)]
    assert journal.view(8).acts().num_rows == journal.view().acts(after=9).num_rows == 0
    assert journal.view().acts(kinds=["credential", "other"]).equals(journal.view().acts())
    assert journal.view().acts(kinds=["other"]).num_rows == journal.view().acts(9, {"credential"}).num_rows == 0


def test_tenants_and_strays(journal: Journal) -> None:
    assert journal.view().tenants() == ["@shared", "acme", "globex"]
    assert journal.view(1).tenants() == ["acme"]
    assert all(journal.view().stray(name) == 0 for name in TABLES)


def test_dead_letters_come_with_their_agent(journal: Journal) -> None:
    assert cells(journal.view().dead_letters(10), "position", "agent", "source", "reason") == [
        (3, "depot-agent", "series 9", "series_id 9 was never defined")
    ]
    assert journal.view().dead_letters(0).num_rows == journal.view(2).dead_letters(10).num_rows == 0


def test_beginning(journal: Journal) -> None:
    assert journal.view(1).beginning() == DAY
    assert journal.view().beginning() == DAY - HOUR_US


def test_asking_again_gives_the_same(journal: Journal) -> None:
    for position in range(1, 10):
        view, again = journal.view(position), journal.view(position)
        assert view == again
        assert near(view, ids(1, 2), 0, FOREVER).equals(near(again, ids(2, 1), 0, FOREVER))
        assert view.events("sale", [], 0, FOREVER).equals(again.events("sale", [], 0, FOREVER))
        assert view.observation().equals(again.observation())


def test_a_question_that_the_tables_cannot_answer(journal: Journal) -> None:
    with pytest.raises(TablesUnavailable, match="the tables cannot be read"):
        near(journal.view(), ids(1), 0, 2**63)


def test_a_view_of_a_closed_journal(tmp_path_factory: pytest.TempPathFactory) -> None:
    with opened(tmp_path_factory.mktemp("store")) as journal:
        append(journal, content(events=[event(1)]))
        view = journal.view()
    with pytest.raises(TablesUnavailable):
        view.count("events")
    with pytest.raises(TablesUnavailable):
        journal.view()


def test_reading_from_many_threads_at_once(journal: Journal) -> None:
    def ask(position: int) -> int:
        return near(journal.view(position), ids(1, 2), 0, FOREVER).num_rows

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, [1, 2, 3, 4] * 10)) == [4, 7, 7, 8] * 10


def test_asking_while_the_tables_are_filled(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whoever was told a position can ask for it at once, and sees all of it."""
    sender = Sender()
    with opened(tmp_path_factory.mktemp("store")) as journal:
        assert isinstance(journal.tables, Tables)
        for number in range(1, 15):
            position = append(journal, content(events=[event(2 * number), event(2 * number + 1)]), sender=sender)
            view = journal.view()
            assert view.position == position == number
            assert view.count("events") == 2 * number


def test_a_marker_yields_to_a_sample_of_the_same_instant(tmp_path: Path) -> None:
    with opened(tmp_path / "store") as found:
        gone, read = [(1, DAY, math.nan)], [(1, DAY, 5.0)]
        append(found, content(series=[series(1, "gauge")], samples=gone), sender=Sender("one"))
        append(found, content(series=[series(1, "gauge")], samples=read), sender=Sender("two"))
        for start_us, end_us in ((DAY, DAY + 1), (DAY + 1, DAY + 2), (DAY - 1, DAY)):
            values = near(found.view(), ids(1), start_us, end_us, ends=True)["value"].to_pylist()
            assert values[0] == 5.0, (start_us, end_us)
