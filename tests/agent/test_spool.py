"""The spool, one promise at a time."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from agent.errors import ChainBroken, SpoolFull, SpoolUnusable
from agent.rules import TagsConfig, ready
from agent.spool import SealedBatch, Spool, sealing
from agent.spool.sealing import unsealed
from agent.tagged import TaggedSeries
from agent.tagger import Tagger
from collector.readings import Window
from meterbook.wire import instants
from meterbook.wire.seal import GENESIS
from meterbook.wire.sections import SERIES, Sections, sections
from meterbook.wire.series import Series
from tests.fakes.source import counter, readings

START_US = 1_767_225_600_000_000
ONE, TWO = counter("calls_total", team="blue"), counter("calls_total", team="red")


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_us = START_US

    def __call__(self) -> int:
        return self.now_us


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agent.spool"


@pytest.fixture
def opened(path: Path, clock: Clock) -> Iterator[Callable[..., Spool]]:
    """Opens the spool, closing the one opened before."""
    open_now: list[Spool] = []

    def open_it(*, agent: str = "edge-1", bytes_max: int = 1 << 30) -> Spool:
        while open_now:
            open_now.pop().close()
        open_now.append(Spool(path, agent=agent, bytes_max=bytes_max, clock=clock))
        return open_now[0]

    yield open_it
    while open_now:
        open_now.pop().close()


def content(*shown: Series, at_us: int = START_US, tenant: str = "t") -> Sections:
    """A sample of each series, all of one tenant."""
    window = Window(at_us - 1_000_000, at_us)
    found = readings(window, dict.fromkeys(shown, 1.0))
    rules = ready(TagsConfig.model_validate({"rules": [{"tenant": tenant}]}))
    defined = Tagger(rules).tag(found, window).series
    table = defined.defined(np.ones(len(defined.ids), np.bool_))
    return sections(series=table, samples=found.samples)


def store(spool: Spool, what: Sections, end_us: int = START_US) -> int:
    series, rest = TaggedSeries.given(what.series), replace(what, series=SERIES.empty_table())
    return spool.append(rest, series, source="fake/one", checkpoint={"end": end_us}, window_end_us=end_us)


def tenants(batches: list[SealedBatch]) -> list[list[str]]:
    return [unsealed(batch).series["tenant"].to_pylist() for batch in batches]


def test_a_batch_and_its_checkpoint_survive_reopening(opened: Callable[..., Spool]) -> None:
    spool = opened()
    assert spool.begin("fake/one", START_US - 5).window_end_us == START_US - 5
    assert store(spool, content(ONE)) == 1
    kept = spool.after(0, 10)
    spool = opened()
    assert spool.after(0, 10) == kept
    progress = spool.begin("fake/one", START_US + 99)
    assert (progress.checkpoint, progress.window_end_us, progress.gap) == ({"end": START_US}, START_US, "")


def test_the_file_is_nobody_elses(opened: Callable[..., Spool], path: Path) -> None:
    opened()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_rows_make_no_batch_but_a_checkpoint(opened: Callable[..., Spool]) -> None:
    spool = opened()
    assert store(spool, sections()) == 0
    assert spool.after(0, 10) == []
    assert opened().begin("fake/one", 0).checkpoint == {"end": START_US}


def test_a_series_is_defined_once_and_again_when_it_changes_hands(opened: Callable[..., Spool]) -> None:
    spool = opened()
    store(spool, content(ONE))
    store(spool, content(ONE, TWO, at_us=START_US + 1_000_000))
    spool = opened()
    store(spool, content(ONE, TWO, at_us=START_US + 2_000_000))
    store(spool, content(ONE, at_us=START_US + 3_000_000, tenant="u"))
    store(spool, content(ONE, at_us=START_US + 4_000_000, tenant="u"))
    store(spool, content(ONE, at_us=START_US + 5_000_000, tenant="t"))
    batches = spool.after(0, 10)
    assert tenants(batches) == [["t"], ["t"], [], ["u"], [], ["t"]]
    since = [row["since"] for batch in batches for row in unsealed(batch).series.to_pylist()]
    assert [instants.from_datetime(moment) - START_US for moment in since] == [-1_000_000, 0, 3_000_000, 5_000_000]


def test_acknowledged_batches_go(opened: Callable[..., Spool]) -> None:
    spool = opened()
    for _ in range(3):
        store(spool, content(ONE))
    first, second, third = spool.after(0, 10)
    spool.acknowledge(2, second.hash)
    spool.acknowledge(1, first.hash)  # late, and without effect
    assert spool.after(0, 10) == [third]
    assert spool.sizes().batches == 1
    assert spool.sizes().bytes == third.bytes
    assert opened().sizes().bytes == third.bytes
    assert opened().sizes().acked_sequence == 2


def test_an_acknowledgement_of_something_else_lets_nothing_go(opened: Callable[..., Spool]) -> None:
    spool = opened()
    store(spool, content(ONE))
    for sequence, batch_hash in ((1, bytes(31) + b"x"), (2, GENESIS)):
        with pytest.raises(ChainBroken):
            spool.acknowledge(sequence, batch_hash)
    assert spool.sizes().batches == 1


def test_a_full_spool_keeps_what_it_has_and_takes_nothing(opened: Callable[..., Spool]) -> None:
    spool = opened()
    store(spool, content(ONE))
    size = spool.sizes().bytes
    spool = opened(bytes_max=size + 10)
    with pytest.raises(SpoolFull, match=rf"is full: {size} bytes wait for the ledger"):
        store(spool, content(TWO), START_US + 7)
    assert spool.begin("fake/one", 0).window_end_us == START_US
    spool.note_gap("fake/one", "spool full")
    assert spool.begin("fake/one", 0).gap == "spool full"
    (kept,) = spool.after(0, 10)
    spool.acknowledge(1, kept.hash)
    store(spool, content(TWO), START_US + 7)
    assert tenants(spool.after(0, 10)) == [["t"]]  # not taken for defined when it was refused
    assert spool.begin("fake/one", 0).gap == ""


def test_a_full_disk_is_a_full_spool(opened: Callable[..., Spool]) -> None:
    spool = opened()
    store(spool, content(ONE))
    pages = spool._file.rows("PRAGMA page_count")[0]["page_count"]
    spool._file.rows(f"PRAGMA max_page_count={pages}")
    many = content(*(counter(f"m{number}") for number in range(100)))
    with pytest.raises(SpoolFull, match="the disk has no room"):
        store(spool, many)
    spool._file.rows("PRAGMA max_page_count=1000000")
    store(spool, content(TWO))
    sequences = [batch.sequence for batch in spool.after(0, 1000)]
    assert sequences == list(range(1, len(sequences) + 1))


def test_large_content_is_cut(opened: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "BATCH_BYTES_MAX", 2_000)
    spool = opened()
    shown = [counter("calls_total", number=str(number)) for number in range(100)]
    made = store(spool, content(*shown))
    batches = spool.after(0, 1000)
    assert made == len(batches) > 5
    held = [unsealed(batch) for batch in batches]
    assert all(sum(table.nbytes for table in one.tables().values()) <= 2_100 for one in held)
    whole = content(*shown)
    assert pa.concat_tables([one.samples for one in held]).equals(whole.samples)
    assert pa.concat_tables([one.series for one in held]).equals(whole.series)


def test_a_few_large_rows_among_many_small_ones_are_divided(
    opened: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "BATCH_BYTES_MAX", 2_000)
    spool = opened()
    shown = [counter("calls_total", number="x" * 900 if number < 6 else str(number)) for number in range(100)]
    store(spool, content(*shown))
    held = [unsealed(batch) for batch in spool.after(0, 1000)]
    assert all(sum(table.nbytes for table in one.tables().values()) <= 2_100 for one in held)
    assert pa.concat_tables([one.series for one in held]).equals(content(*shown).series)


def test_where_the_ledger_agrees_the_chain_goes_on(opened: Callable[..., Spool]) -> None:
    spool = opened()
    assert spool.resume(0, b"") is None
    assert spool.resume(0, GENESIS) is None
    store(spool, content(ONE))
    store(spool, content(ONE))
    first, second = spool.after(0, 10)
    assert spool.resume(1, first.hash) is None
    assert spool.after(0, 10) == [second]
    assert spool.resume(1, first.hash) is None
    assert spool.resume(2, second.hash) is None
    assert spool.sizes().batches == 0


def test_a_ledger_that_forgot_gets_a_new_epoch_and_an_account(opened: Callable[..., Spool], clock: Clock) -> None:
    spool = opened()
    for number in range(4):
        clock.now_us = START_US + number * 10_000_000
        store(spool, content(ONE, TWO))
    third = spool.after(0, 10)[2]
    spool.acknowledge(3, third.hash)
    epoch = spool.epoch
    reason = spool.resume(1, b"x" * 32)
    assert reason is not None
    assert spool.epoch > epoch
    first, second = spool.after(0, 10)
    assert (first.sequence, second.sequence, first.previous_hash) == (1, 2, GENESIS)
    led = unsealed(first)
    assert set(led.series["series_id"].to_pylist()) == {ONE.series_id, TWO.series_id}
    (lost,) = led.coverage.to_pylist()
    assert (lost["source"], lost["status"]) == ("agent/edge-1", "lost")
    assert lost["reason"].startswith(f"sequences 2 to 3 of epoch {epoch}: ")
    assert instants.from_datetime(lost["start"]) == START_US
    assert instants.from_datetime(lost["end"]) == START_US + 20_000_000
    assert unsealed(second).samples.num_rows == 2
    assert opened().after(0, 10) == [first, second]


def test_a_wiped_ledger_is_told_the_series_again_when_they_come(opened: Callable[..., Spool]) -> None:
    spool = opened()
    store(spool, content(ONE))
    (only,) = spool.after(0, 10)
    spool.acknowledge(1, only.hash)
    assert spool.resume(0, GENESIS) is not None
    (lost,) = spool.after(0, 10)
    assert unsealed(lost).coverage.num_rows == 1
    store(spool, content(ONE, at_us=START_US + 60_000_000))
    (again,) = spool.after(1, 10)
    (row,) = unsealed(again).series.to_pylist()
    assert instants.from_datetime(row["since"]) == START_US - 1_000_000  # as it was first seen


@pytest.mark.parametrize("held", [(9, b"x" * 32), (1, b"x" * 32), (0, b"x" * 32)])
def test_a_ledger_that_holds_something_else_gets_a_new_epoch(
    opened: Callable[..., Spool], held: tuple[int, bytes]
) -> None:
    spool = opened()
    store(spool, content(ONE))
    assert spool.resume(*held) is not None
    led, moved = spool.after(0, 10)
    assert unsealed(led).coverage.num_rows == 0
    assert unsealed(moved).samples.num_rows == 1


def test_an_epoch_never_comes_twice(opened: Callable[..., Spool], clock: Clock) -> None:
    spool = opened()
    clock.now_us -= 1_000_000
    epochs = [spool.epoch]
    for _ in range(3):
        spool.new_epoch("again")
        epochs.append(spool.epoch)
    assert epochs == sorted(set(epochs))
    assert opened().epoch == epochs[-1]


def test_series_long_gone_are_forgotten(opened: Callable[..., Spool], clock: Clock) -> None:
    spool = opened()
    store(spool, content(ONE, TWO))
    (first,) = spool.after(0, 10)
    spool.acknowledge(1, first.hash)
    for day in range(1, 40):
        clock.now_us = START_US + day * instants.DAY_US
        store(spool, content(ONE, at_us=clock.now_us))
        (batch,) = spool.after(day, 10)
        spool.acknowledge(day + 1, batch.hash)
    names = [row["series_id"] for row in spool._file.rows("SELECT series_id FROM series")]
    assert names == [ONE.series_id]
    store(spool, content(TWO, at_us=clock.now_us))
    assert tenants(spool.after(40, 10)) == [["t"]]


def test_a_second_process_is_kept_out(opened: Callable[..., Spool], path: Path) -> None:
    opened()
    with pytest.raises(SpoolUnusable, match="is in use by another process"):
        Spool(path, agent="edge-1", bytes_max=1 << 30)


def test_another_agents_spool_is_refused(opened: Callable[..., Spool]) -> None:
    opened()
    with pytest.raises(SpoolUnusable, match="belongs to agent 'edge-1', not 'edge-2'"):
        opened(agent="edge-2")
    opened()  # and it was let go of again


def test_another_format_is_refused(opened: Callable[..., Spool]) -> None:
    spool = opened()
    with spool._file.transaction():
        spool._file.write("UPDATE spool SET format = 99")
    with pytest.raises(SpoolUnusable, match="has format 99 and this agent writes 1"):
        opened()


def test_what_is_no_spool_is_refused(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(SpoolUnusable, match=rf"spool {path} is damaged"):
        Spool(path, agent="edge-1", bytes_max=1 << 30)
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    with pytest.raises(SpoolUnusable, match="is a database but no spool"):
        Spool(path, agent="edge-1", bytes_max=1 << 30)


def test_a_damaged_spool_is_said_to_be_so(opened: Callable[..., Spool], path: Path) -> None:
    spool = opened()
    for number in range(50):
        store(spool, content(counter(f"m{number}")))
    spool.close()
    data = bytearray(path.read_bytes())
    data[4096 * 3 : 4096 * 6] = b"\xff" * 4096 * 3
    path.write_bytes(data)
    with pytest.raises(SpoolUnusable, match=rf"spool {path} is damaged"):
        opened()


def test_a_place_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolUnusable, match="cannot be opened"):
        Spool(tmp_path / "file" / "agent.spool", agent="edge-1", bytes_max=1 << 30)
