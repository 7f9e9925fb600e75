"""The spool against a model: whatever happens in whatever order, nothing is lost, and every chain verifies.

Samples are numbered by their value. The model knows which of them must be somewhere (in the ledger's book or in the
spool), and whose each of them is. Killing copies the files as they lie, without closing the spool, and goes on with
the copy; restoring goes back to an older copy, of the spool or of the ledger.
"""

from __future__ import annotations

import copy
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from agent.errors import SpoolFull
from agent.rules import TagsConfig, ready
from agent.spool import Spool
from agent.spool.sealing import unsealed
from agent.tagger import Tagger
from collector.readings import Window
from meterbook.intake.v1 import intake_pb2
from meterbook.wire import instants
from meterbook.wire.sections import SCHEMAS, Sections, sections
from tests.fakes.intake import Book
from tests.fakes.source import counter, readings

SERIES = [counter("calls_total", number=str(number)) for number in range(3)]
AGENT = "edge-1"
BYTES_MAX = 40_000


class SpoolMachine(RuleBasedStateMachine):
    """One agent's spool, one ledger's book, and what people do to them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.now_us = 1_767_225_600_000_000
        self.copies = 0
        self.value = 0.0
        self.book = Book()
        self.old_book = copy.deepcopy(self.book)
        self.tenant = "a"
        self.must: set[float] = set()
        self.owner: dict[float, str] = {}
        self.ends: list[int] = []

    @initialize()
    def begin(self) -> None:
        self.spool = self.open(self.folder / "spool")
        self.progress = self.spool.begin("fake/one", self.now_us)
        self.backup = self.copied()

    def teardown(self) -> None:
        self.spool.close()
        shutil.rmtree(self.folder)

    def open(self, path: Path) -> Spool:
        return Spool(path, agent=AGENT, bytes_max=BYTES_MAX, clock=lambda: self.now_us)

    def copied(self) -> Path:
        """The files as a killed process leaves them."""
        self.copies += 1
        target = self.folder / f"copy-{self.copies}"
        for suffix in ("", "-wal"):
            source = Path(f"{self.spool._file.path}{suffix}")
            if source.exists():
                shutil.copyfile(source, f"{target}{suffix}")
        return target

    def kept(self) -> list[Sections]:
        return [unsealed(batch) for batch in self.spool.after(0, 10_000)]

    def values(self, contents: list[Sections]) -> set[float]:
        return {value for content in contents for value in content.samples["value"].to_pylist()}

    @rule(shown=st.sets(st.integers(0, 2)), seconds=st.integers(1, 100_000))
    def append(self, shown: set[int], seconds: int) -> None:
        self.now_us += seconds * instants.SECOND_US
        window = Window(self.progress.window_end_us, self.now_us)
        samples = {}
        for number in shown:
            self.value += 1
            samples[SERIES[number]] = self.value
        found = readings(window, samples)
        tagger = Tagger(ready(TagsConfig.model_validate({"rules": [{"tenant": self.tenant}]})))
        series = tagger.tag(found, window).series
        before = len(self.spool.after(0, 10_000))
        try:
            self.spool.append(
                sections(samples=found.samples),
                series,
                source="fake/one",
                checkpoint={"n": self.value},
                window_end_us=self.now_us,
            )
        except SpoolFull:
            assert len(self.spool.after(0, 10_000)) == before
            assert self.spool.begin("fake/one", 0) == self.progress
            return
        self.must.update(samples.values())
        self.owner.update(dict.fromkeys(samples.values(), self.tenant))
        self.progress = self.spool.begin("fake/one", 0)
        assert self.progress.window_end_us == self.now_us
        assert self.progress.checkpoint == {"n": self.value}

    @rule(tenant=st.sampled_from("abc"))
    def retag(self, tenant: str) -> None:
        self.tenant = tenant

    @rule(count=st.integers(0, 5))
    def send(self, count: int) -> None:
        """The ledger takes batches; the acknowledgement is another matter."""
        sequence, _ = self.book.end(AGENT, self.spool.epoch)
        for batch in self.spool.after(sequence, count):
            if batch.sequence != self.book.end(AGENT, self.spool.epoch)[0] + 1:
                return  # the ledger is behind: only resuming can help
            parts = {name: getattr(batch, name) for name in SCHEMAS}
            message = intake_pb2.Batch(
                sequence=batch.sequence, previous_hash=batch.previous_hash, hash=batch.hash, **parts
            )
            if batch.previous_hash != self.book.end(AGENT, self.spool.epoch)[1]:
                return  # the chains have parted: the same
            self.book.accept(AGENT, self.spool.epoch, message)

    @rule()
    def acknowledge(self) -> None:
        """As an ack on the stream: for what was just sent."""
        sequence, last = self.book.end(AGENT, self.spool.epoch)
        sent = [batch for batch in self.spool.after(0, 10_000) if batch.sequence == sequence]
        if sent and sent[0].hash == last:
            self.spool.acknowledge(sequence, last)
            assert self.spool.sizes().acked_sequence == sequence

    @rule()
    def resume(self) -> None:
        acked = self.spool.sizes().acked_sequence
        sequence, last = self.book.end(AGENT, self.spool.epoch)
        reason = self.spool.resume(sequence, last)
        if reason is None:
            assert self.spool.sizes().acked_sequence == sequence
            return
        assert self.book.end(AGENT, self.spool.epoch)[0] == 0
        lost = [row for content in self.kept() for row in content.coverage.to_pylist()]
        told = any(row["status"] == "lost" and row["end"] >= row["start"] for row in lost)
        assert told or sequence >= acked

    @rule(restored=st.sampled_from(["ledger", "spool"]))
    def restore_and_resume(self, restored: str) -> None:
        """What parts the chains, and what brings them together again: too rare if left to chance."""
        if restored == "ledger":
            self.restore_ledger()
        else:
            self.restore_spool()
        self.resume()

    @rule()
    def exchange(self) -> None:
        """As one connection without mishap."""
        self.resume()
        self.send(count=5)
        self.acknowledge()

    @rule()
    def kill(self) -> None:
        path = self.copied()
        self.spool.close()
        self.spool = self.open(path)
        assert self.spool.begin("fake/one", 0) == self.progress

    @rule()
    def close_and_open(self) -> None:
        self.spool.close()
        self.spool = self.open(self.spool._file.path)

    @rule()
    def back_up(self) -> None:
        self.old_book = copy.deepcopy(self.book)
        self.backup = self.copied()

    @rule()
    def restore_ledger(self) -> None:
        self.book = copy.deepcopy(self.old_book)
        self.must &= self.values(self.book.contents()) | self.values(self.kept())

    @rule()
    def restore_spool(self) -> None:
        self.spool.close()
        self.copies += 1
        path = self.folder / f"restored-{self.copies}"
        for suffix in ("", "-wal"):
            if Path(f"{self.backup}{suffix}").exists():
                shutil.copyfile(f"{self.backup}{suffix}", f"{path}{suffix}")
        self.spool = self.open(path)
        self.progress = self.spool.begin("fake/one", self.now_us)
        self.must &= self.values(self.book.contents()) | self.values(self.kept())

    @invariant()
    def nothing_is_lost(self) -> None:
        assert self.must <= self.values(self.book.contents()) | self.values(self.kept())

    @invariant()
    def every_sample_is_whose_it_was(self) -> None:
        """Told from the definitions of its own epoch, as a ledger tells it."""
        for epoch in {self.spool.epoch} | {epoch for _, epoch in self.book.chains}:
            contents = [content for _, content in self.book.chains.get((AGENT, epoch), [])]
            if epoch == self.spool.epoch:
                rest = self.spool.after(len(contents), 10_000)
                # Chains that have parted without knowing it yet are told apart at the next Hello.
                if rest and rest[0].previous_hash == self.book.end(AGENT, epoch)[1]:
                    contents += [unsealed(batch) for batch in rest]
            defined = [row for content in contents for row in content.series.to_pylist()]
            for sample in (row for content in contents for row in content.samples.to_pylist()):
                known = [
                    row for row in defined if row["series_id"] == sample["series_id"] and row["since"] <= sample["time"]
                ]
                assert max(known, key=lambda row: row["since"])["tenant"] == self.owner[sample["value"]]

    @invariant()
    def the_sizes_are_true(self) -> None:
        batches = self.spool.after(0, 10_000)
        sizes = self.spool.sizes()
        assert sizes.batches == len(batches)
        assert sizes.bytes == sum(batch.bytes for batch in batches)
        assert [batch.sequence for batch in batches] == list(range(sizes.acked_sequence + 1, sizes.sequence + 1))


SpoolMachine.TestCase.settings = settings(
    max_examples=settings.default.max_examples, stateful_step_count=30, deadline=None
)
TestSpoolMachine = SpoolMachine.TestCase
