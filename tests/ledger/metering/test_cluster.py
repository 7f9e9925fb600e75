"""On a real cluster that speaks Spark Connect every meter measures what it measures here, to the last digit."""

from __future__ import annotations

import sys
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.directory.meter import Meter
from ledger.directory.standing import catalog_of
from ledger.journal.derive import TABLES
from ledger.journal.errors import StoreRefused
from ledger.journal.journal import Journal
from ledger.journal.place import FilePlace, Place
from ledger.journal.reading import reading
from ledger.journal.store import VERSION_LINE
from ledger.journal.tables import Tables
from ledger.journal.view import View
from ledger.metering import cluster
from ledger.metering.booking import Booker, meter_versions
from ledger.metering.cluster import Cluster, ClusterFailed, knots, pieces, rows_before
from ledger.metering.grid import ceil_us, floor_us
from ledger.metering.measure import measure
from ledger.metering.windows import Windows
from ledger.query.applying import Applier
from meterbook.ledger.v1 import admin_pb2
from meterbook.wire import instants
from tests.fakes.journal import MemoryJournal
from tests.ledger.batches import Sender, append
from tests.ledger.books import DEFINITIONS, HOUR, TEN, filled, first, late
from tests.ledger.journal.shared.places import address, credentials, place_of
from tests.ledger.metering.corpus import Delivery, History
from tests.ledger.metering.test_corpus import HISTORIES, play
from tests.ledger.running import Running, serving
from tests.servers.fixtures import Bucket, Database
from tests.servers.sail import SailServer

#: What is there of a history lies within a year of its first batch.
AROUND_US = 400 * instants.DAY_US
FEW = [name for number, name in enumerate(HISTORIES) if number % 40 == 0]


def placed(journal: MemoryJournal, root: Path) -> Place:
    """The tables of a journal in memory, where others can read them."""
    root.mkdir()
    (root / "FORMAT").write_text(VERSION_LINE)
    with closing(Tables(root / "tables")) as tables:
        rows = {name: journal.tables.query(f"SELECT * FROM {name}") for name in TABLES}
        tables.apply(rows, 0, len(journal.records))
    return FilePlace(root)


def check_same(place: Place, view: View, remote: str, around_us: int) -> int:
    """How many amounts there are, the same here and there."""
    there = Cluster(place, remote, tasks=5, rows_min=0)
    catalog = catalog_of(view)
    found = 0
    for name in catalog.names("meter"):
        for version in meter_versions(catalog, name):
            start_us = max(floor_us(version.windows, around_us - AROUND_US), version.start_us)
            end_us = min(ceil_us(version.windows, around_us + AROUND_US), version.end_us)
            if start_us < end_us:
                here = measure(view, version.meter, start_us, end_us)
                assert there.measure(view, version.meter, start_us, end_us) == here, name
                found += len(here)
    return found


def check_history(history: History, root: Path, remote: str) -> None:
    """Whether the book of a history, after its last batch, measures the same."""

    def compare(journal: MemoryJournal, _: Booker, batch: Delivery) -> None:
        if batch is history.batches[-1]:
            place = placed(journal, root)
            with reading(place, len(journal.records)) as view:
                check_same(place, view, remote, history.batches[0].now_us)

    play(history, compare)


@pytest.mark.parametrize("name", FEW)
def test_a_history_measures_the_same(name: str, tmp_path: Path, sail_server: SailServer) -> None:
    check_history(HISTORIES[name], tmp_path / "store", sail_server.remote)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in HISTORIES if name not in FEW])
def test_every_history_measures_the_same(name: str, tmp_path: Path, sail_server: SailServer) -> None:
    check_history(HISTORIES[name], tmp_path / "store", sail_server.remote)


def asked(ledger: Running) -> Any:
    return ledger.json("usage", "--from", instants.text(TEN), "--to", instants.text(TEN + 3 * HOUR))["rows"]


@pytest.mark.slow
def test_a_ledger_books_what_its_cluster_measures(tmp_path: Path, sail_server: SailServer) -> None:
    cluster = {"address": sail_server.remote, "tasks": 3, "samples_min": 0}
    with serving(tmp_path / "alone") as alone, serving(tmp_path / "helped", metering={"cluster": cluster}) as helped:
        for each in (alone, helped):
            filled(each, tmp_path)
            each.cli("book")
        assert asked(helped) == asked(alone)
        helped.cli("verify")


def sent(journal: Journal) -> int:
    """A book with a little of everything; gives its position."""
    manifest = admin_pb2.Manifest(name="all.yaml", text=DEFINITIONS)
    Applier(journal).apply(admin_pb2.ApplyRequest(author="ada", manifests=[manifest]))
    append(journal, first())
    return append(journal, late(), sender=Sender("late-agent"))


@pytest.mark.slow
def test_the_book_of_replicas_measures_the_same(
    database: Database, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A cluster that is started now has these: its workers have credentials of their own.
    for name, value in (dict(credentials(bucket.server)) | {"PGPASSWORD": database.server.password}).items():
        monkeypatch.setenv(name, value)
    with closing(Journal(place_of(address(database, bucket)))) as journal, SailServer() as server:
        sent(journal)
        assert check_same(journal.place, journal.view(), server.remote, TEN) > 10


REQUESTS = Meter.model_validate(
    {"source": {"metric": "requests_total"}, "aggregation": "increase", "unit": "requests", "group_by": ["code"]}
)


def test_what_is_little_is_measured_here(journal: Journal) -> None:
    sent(journal)
    view = journal.view()
    nowhere = Cluster(journal.place, "sc://127.0.0.1:1", tasks=5, rows_min=1_000)
    assert nowhere.measure(view, REQUESTS, TEN, TEN + 3 * HOUR) == measure(view, REQUESTS, TEN, TEN + 3 * HOUR) != {}


@pytest.mark.parametrize("options", ["", "/;use_ssl=true;token=secret"])
def test_a_cluster_that_does_not_answer_is_told_of_without_its_token(journal: Journal, options: str) -> None:
    sent(journal)
    nowhere = Cluster(journal.place, f"sc://127.0.0.1:1{options}", tasks=5, rows_min=0)
    with pytest.raises(ClusterFailed, match=r"^the cluster at sc://127.0.0.1:1 did not measure: .*Connection refused"):
        nowhere.measure(journal.view(), REQUESTS, TEN, TEN + 3 * HOUR)


def test_what_a_worker_lacks_is_told_of(journal: Journal, tmp_path: Path, sail_server: SailServer) -> None:
    sent(journal)
    elsewhere = Cluster(FilePlace(tmp_path / "elsewhere"), sail_server.remote, tasks=5, rows_min=0)
    with pytest.raises(ClusterFailed, match="elsewhere: is not a store"):
        elsewhere.measure(journal.view(), REQUESTS, TEN, TEN + 3 * HOUR)


def test_a_worker_with_other_software_is_told_of(
    journal: Journal, sail_server: SailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent(journal)
    monkeypatch.setattr(cluster, "version", lambda _: "99.0")
    with pytest.raises(ClusterFailed, match=r"the cluster has Meterbook .* and the ledger 99.0: install the same"):
        Cluster(journal.place, sail_server.remote, 5, 0).measure(journal.view(), REQUESTS, TEN, TEN + 3 * HOUR)


def test_a_client_that_is_not_installed_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(StoreRefused, match=r"^sc://127.0.0.1:1: .* install meterbook\[ledger,spark\]"):
        Cluster(FilePlace(Path("a")), "sc://127.0.0.1:1/;token=secret", 5, 0)


def extents_of(*files: tuple[int, int, int]) -> pa.Table:
    columns = zip(*files, strict=True) if files else ([], [], [])
    schema = pa.schema([(name, pa.int64()) for name in ("start_us", "end_us", "rows")])
    return pa.table([pa.array(column, pa.int64()) for column in columns], schema=schema)


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 60), st.integers(1, 10**9)), max_size=6),
    st.integers(0, 90),
    st.integers(1, 50),
    st.integers(1, 60),
    st.sampled_from([Windows("hour"), Windows("minute", minutes=5), Windows("day", "Asia/Kolkata")]),
)
def test_pieces_tile_the_range_at_edges(
    files: list[tuple[int, int, int]], first: int, length: int, count: int, windows: Windows
) -> None:
    extents = extents_of(*((start * HOUR + 7, (start + hours) * HOUR + 7, rows) for start, hours, rows in files))
    start_us, end_us = ceil_us(windows, first * HOUR), ceil_us(windows, (first + 24 + length) * HOUR)
    times = knots(extents, start_us, end_us)
    before = rows_before(extents, times)
    assert (np.diff(before) >= 0).all() and before[-1] <= sum(rows for _, _, rows in files)
    found = list(pieces(windows, times, before, count))
    assert found[0][0] == start_us and found[-1][1] == end_us
    assert all(one[1] == other[0] for one, other in pairwise(found))
    assert all(low < high and {low, high} <= set(windows.edges(start_us, end_us).tolist()) for low, high in found)
    assert len(found) <= count


def test_pieces_have_about_as_many_rows() -> None:
    extents = extents_of((0, 100 * HOUR - 1, 1_000), (90 * HOUR, 100 * HOUR - 1, 9_000))
    times = knots(extents, 0, 100 * HOUR)
    found = list(pieces(Windows("hour"), times, rows_before(extents, times), 10))
    rows = [(high - low) // HOUR * 10 + 900 * max(0, high // HOUR - max(90, low // HOUR)) for low, high in found]
    assert len(found) == 10 and max(rows) <= 2_000


def test_windows_are_not_listed_where_one_time_is_far_from_all_others() -> None:
    end_us = instants.parse("9998-01-01")
    extents = extents_of((0, 0, 1), (TEN, TEN + HOUR - 1, 1_000), (end_us - HOUR, end_us - 1, 1_000))
    times = knots(extents, 0, end_us)
    found = list(pieces(Windows("minute"), times, rows_before(extents, times), 4))
    assert len(times) == 6 and len(found) == 4
    assert [TEN < low < TEN + HOUR for low, _ in found] == [False, True, False, False]
    assert [end_us - HOUR < low < end_us for low, _ in found] == [False, False, False, True]
