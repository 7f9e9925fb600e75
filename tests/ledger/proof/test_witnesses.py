"""Real agents' ends of a stream at a real ledger: shown checkpoints, without delay of an ack, and never fooled by an old backup.

What an agent does with what it is shown is decided by ``agent.witness``; these tests use it as agents do.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent import uplink as uplink_module
from agent.config import LedgerConfig
from agent.selfmetrics import SelfMetrics
from agent.spool import Spool
from agent.uplink import Uplink
from ledger.journal.record import Draft
from ledger.proof.witnessing import Shown, Witnessing
from tests.ledger.batches import Sender, append, content, coverage
from tests.ledger.forgery import Drafts, rechained, rewrite
from tests.ledger.running import Running, serving


def eventually(holds: Callable[[], object]) -> None:
    ends_s = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < ends_s, "it never came true"
        time.sleep(0.01)


def others(ledger: Running, agent: str, batches: int) -> None:
    """Batches of somebody else."""
    contents = [content(coverage=[coverage(number)]) for number in range(batches)]
    append(ledger.process._journal, *contents, sender=Sender(agent))


class Edge:
    """An agent: its spool, and its uplink while it runs."""

    def __init__(self, folder: Path, name: str = "edge") -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.spool = Spool(folder / "agent.spool", agent=name, bytes_max=1 << 26)
        self.appended = 0
        self.uplink: Uplink | None = None

    def append(self, batches: int = 1) -> None:
        for _ in range(batches):
            self.appended += 1
            what = content(coverage=[coverage(self.appended, source="fake/one")])
            self.spool.append(what, source="fake/one", checkpoint={}, window_end_us=self.appended)

    @contextmanager
    def running(self, ledger: Running, **settings: object) -> Iterator[Uplink]:
        config = LedgerConfig.model_validate({"endpoint": ledger.address, **settings})
        self.uplink = Uplink(config, self.spool, SelfMetrics())
        self.uplink.start()
        try:
            yield self.uplink
        finally:
            self.uplink.stop(0)

    def is_empty(self) -> bool:
        return self.spool.sizes().batches == 0

    def deliver(self, batches: int = 1) -> None:
        """Append, and wait until the ledger has it."""
        assert self.uplink is not None
        self.append(batches)
        eventually(self.is_empty)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink_module, "STUCK_S", 0.2)


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    made = Edge(tmp_path / "edge")
    yield made
    made.spool.close()


@contextmanager
def ledger(store: Path, every_s: float = 0.0, **proof: object) -> Iterator[Running]:
    with serving(store, proof={"witness_every_s": every_s, **proof}) as running:
        yield running


def test_an_agent_is_shown_its_own_batches_while_it_sends(tmp_path: Path, edge: Edge) -> None:
    with ledger(tmp_path / "store") as running, edge.running(running) as uplink:
        for _ in range(3):
            edge.deliver(2)
            position = running.process._journal.log.end
            eventually(lambda position=position: edge.append() or uplink._witness.size >= position)
        assert uplink.problem is None
        assert not list(edge.folder.glob("evidence-*"))
        size = uplink._witness.size
    with ledger(tmp_path / "store") as running, edge.running(running) as uplink:
        assert uplink._witness.size == size
        eventually(edge.is_empty)
        eventually(lambda: uplink._witness.size > size)
        assert uplink.problem is None


def test_a_ledger_restored_from_an_old_backup_is_refused_until_it_is_accepted(tmp_path: Path, edge: Edge) -> None:
    store, backup = tmp_path / "store", tmp_path / "backup"
    with ledger(store) as running, edge.running(running):
        edge.deliver(2)
    shutil.copytree(store, backup)
    with ledger(store) as running, edge.running(running) as uplink:
        edge.deliver(3)
        eventually(lambda: edge.append() or uplink._witness.size >= 6)
        eventually(edge.is_empty)
    with ledger(backup) as running, edge.running(running) as uplink:
        edge.append()
        eventually(lambda: uplink.problem)
        assert "the ledger went back from" in str(uplink.problem)
        eventually(lambda: uplink._witness.failures >= 2)
        assert edge.spool.sizes().batches == 1
        assert running.json("agents")["rows"][0]["sequence"] == 2
    (evidence,) = edge.folder.glob("evidence-*")
    assert evidence.read_text().count("checkpoint") >= 2
    with ledger(backup) as running, edge.running(running) as uplink:
        assert uplink.problem is not None, "it is remembered"
    edge.spool.keep_trust("")
    with ledger(backup) as running, edge.running(running) as uplink:
        eventually(edge.is_empty)
        assert uplink.problem is None


def test_nothing_is_made_of_a_loss_before_the_ledger_has_shown_its_book(
    tmp_path: Path, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, backup = tmp_path / "store", tmp_path / "backup"
    with ledger(store) as running, edge.running(running):
        edge.deliver(2)
    shutil.copytree(store, backup)
    with ledger(store) as running, edge.running(running) as uplink:
        edge.deliver(3)
        eventually(lambda: edge.append() or uplink._witness.size >= 6)
        eventually(edge.is_empty)
    epoch = edge.spool.epoch
    look, may_look, asked = Witnessing.first, threading.Event(), threading.Event()

    def late(self: Witnessing, held_size: int, chain: str) -> Shown | None:
        """As of a ledger that has just been restored, and makes its tables."""
        asked.set()
        return look(self, held_size, chain) if may_look.is_set() else None

    monkeypatch.setattr(Witnessing, "first", late)
    with ledger(backup) as running, edge.running(running) as uplink:
        edge.append()
        eventually(asked.is_set)
        eventually(lambda: uplink._resume is not None)
        may_look.set()
        eventually(lambda: uplink.problem)
        assert running.json("agents")["rows"][0]["sequence"] == 2
    assert edge.spool.epoch == epoch
    with ledger(store) as running, edge.running(running) as uplink:
        eventually(edge.is_empty)
        assert uplink.problem is None, "the right one is there again, and nothing is amiss"
    assert edge.spool.epoch == epoch


def test_a_ledger_that_was_rewritten_by_somebody_who_knows_how_is_refused(tmp_path: Path, edge: Edge) -> None:
    store = tmp_path / "store"
    with ledger(store) as running:
        others(running, "victim", 3)
        with edge.running(running) as uplink:
            edge.deliver(2)
            eventually(lambda: edge.append() or uplink._witness.size >= 5)
            eventually(edge.is_empty)

    def without_the_victim(found: list[Drafts]) -> list[Drafts]:
        def stays(draft: Draft) -> bool:
            return "victim" not in draft.chain or draft.sequence != 2

        kept = [(time_us, [draft for draft in drafts if stays(draft)]) for time_us, drafts in found]
        return rechained([each for each in kept if each[1]])

    rewrite(store / "log", without_the_victim)
    shutil.rmtree(store / "tables")
    with ledger(store) as running:
        # So many records that it is no shorter than it was.
        others(running, "filler", 20)
        assert running.json("verify")["holds"], "by itself the book is without fault"
        edge.append()
        with edge.running(running) as uplink:
            eventually(lambda: uplink.problem)
            assert "the ledger cannot be believed" in str(uplink.problem)
            assert edge.spool.sizes().batches == 1


def test_two_agents_that_are_shown_two_books_find_out_when_they_meet_one(tmp_path: Path, edge: Edge) -> None:
    store, fork = tmp_path / "store", tmp_path / "fork"
    with ledger(store) as running, edge.running(running):
        edge.deliver(1)
    shutil.copytree(store, fork)
    with ledger(store) as running, edge.running(running) as uplink:
        others(running, "one", 1)
        edge.deliver()
        eventually(lambda: edge.append() or uplink._witness.size >= 4)
        eventually(edge.is_empty)
    with ledger(fork) as running, edge.running(running) as uplink:
        others(running, "two", 30)
        eventually(lambda: uplink.problem)
        assert "the ledger cannot be believed" in str(uplink.problem)


def test_rotations_while_an_agent_was_away(tmp_path: Path, edge: Edge) -> None:
    store = tmp_path / "store"
    with ledger(store) as running:
        first = running.json("keys", "list")["keys"][0]["verifier_key"]
        with edge.running(running, verifier_key=first):
            edge.deliver(1)
        for _ in range(2):
            running.json("keys", "rotate", "--overlap", "1s")
        keys = running.json("keys", "list")
        assert len(keys["rotations"]) == 2
        eventually(lambda: sum(key["is_signing"] for key in running.json("keys", "list")["keys"]) == 1)
        with edge.running(running, verifier_key=first) as uplink:
            before = uplink._witness.size
            eventually(lambda: edge.append() or uplink._witness.size > before)
            assert uplink.problem is None
            assert [str(key) for key in uplink._witness._trust.keys] == [key["verifier_key"] for key in keys["keys"]]


def test_acks_do_not_wait_for_tables_that_lag(tmp_path: Path, edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    with ledger(tmp_path / "store") as running:
        tables = running.process._journal.tables
        held, real = [], tables.apply

        def stuck(*arguments: object) -> None:
            if not held:
                raise OSError("not now")
            real(*arguments)

        monkeypatch.setattr(tables, "apply", stuck)
        with edge.running(running) as uplink:
            edge.deliver(5)
            size = uplink._witness.size
            edge.deliver(5)
            assert uplink._witness.size == size and uplink.problem is None
            held.append(True)
            eventually(lambda: uplink._witness.size > size)
