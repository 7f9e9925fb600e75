"""The spool: what was collected and is not yet the ledger's. It survives being killed at any point.

One transaction is the whole promise. It writes the sealed batches of a collection, the definitions of their series,
the end of the chain and the source's checkpoint, and it is durable when :meth:`Spool.append` returns. Killed before,
the source is asked again from the old checkpoint; killed after, the batch is there. Nothing in memory changes before
the commit, so a failed one leaves both sides as they were.

The chain and the ledger can part company: a ledger restored from a backup, a spool restored from one, a disk image
started twice. Sequences and hashes then no longer fit, and no batch can be sent on that chain again. The spool begins
a new *epoch*: what is still here is sealed anew from sequence 1, led by the definitions it needs, and where the
ledger has forgotten batches that it had acknowledged, ``lost`` coverage records say for which interval of which source.
(Batches that the ledger may already hold come twice then. That is safe: samples and events have identities.)
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from agent.coverage import coverage_table
from agent.errors import ChainBroken, SpoolFull
from agent.spool.file import SpoolFile
from agent.spool.sealing import Chain, SealedBatch, reseal, seal, unsealed
from agent.spool.series import KEPT_DAYS, StoredSeries
from agent.tagged import NO_SERIES, TaggedSeries
from collector.readings import Checkpoint, Coverage
from meterbook import tracing
from meterbook.wire import instants
from meterbook.wire.seal import GENESIS
from meterbook.wire.sections import Sections, sections

#: How many acknowledged batches are remembered by their time, to say what a ledger has lost.
_HISTORY_ROWS_MAX = 100_000
_BATCH_COLUMNS = ", ".join(field.name for field in fields(SealedBatch))


@dataclass(frozen=True)
class Progress:
    """How far a source was read: its checkpoint, the end of its last window, and why nothing was stored since."""

    checkpoint: Checkpoint
    window_end_us: int
    gap: str = ""


@dataclass(frozen=True)
class Sizes:
    """What waits in the spool, for metrics. ``oldest_us`` is when the oldest batch was made."""

    batches: int
    bytes: int
    bytes_max: int
    oldest_us: int | None
    sequence: int
    acked_sequence: int


class Spool:
    """The spool of one agent. Safe to use from several threads. Every method may raise SpoolUnusable."""

    def __init__(
        self,
        path: Path,
        *,
        agent: str,
        bytes_max: int,
        age_max_s: float = math.inf,
        clock: Callable[[], int] = instants.now_us,
    ) -> None:
        """Opens the file, or makes it. Raises SpoolUnusable naming the file."""
        self._bytes_max, self._age_max_s = bytes_max, age_max_s
        self._clock = clock
        self._mutex = threading.RLock()
        self._listeners: list[Callable[[], None]] = []
        self._file = SpoolFile(path, agent, clock())
        self._series = StoredSeries(self._file)
        #: Of each source the series of which nothing is due, until the day or the epoch ends.
        self._settled: dict[str, TaggedSeries] = {}
        try:
            self._load()
        except BaseException:
            self._file.close()
            raise

    def _load(self) -> None:
        """Everything kept in memory, as the file has it."""
        day = self._today()
        with self._file.transaction():
            state = self._file.rows("SELECT * FROM spool")[0]
            kept = self._file.rows("SELECT count(*) AS batches, sum(bytes) AS bytes FROM batches")[0]
            self._chain = Chain(state["agent"], state["epoch"], state["sequence"], state["hash"])
            self._acked = replace(self._chain, sequence=state["acked_sequence"], hash=state["acked_hash"])
            self._batches, self._bytes, self._oldest_us = kept["batches"], kept["bytes"] or 0, self._oldest()
            if self._oldest_us is None or self._oldest_us // instants.DAY_US > day - KEPT_DAYS:
                # Otherwise batches wait that may need old definitions in a new epoch.
                self._series.forget(day)
            self._series.load(self._chain.epoch, day)
        self._settled.clear()

    @property
    def agent(self) -> str:
        """Name of the agent that the chain belongs to."""
        return self._chain.agent

    @property
    def epoch(self) -> int:
        """The present epoch, in microseconds since the Unix epoch."""
        return self._chain.epoch

    @property
    def folder(self) -> Path:
        """Where the spool's file is."""
        return self._file.path.parent

    @property
    def problem(self) -> str | None:
        """What is wrong with the file while it is open, and what is to be done; None where nothing is known."""
        if not self._file.is_displaced:
            return None
        return (
            f"spool {self._file.path} was deleted or replaced while the agent has it open, and what it still holds is gone when the agent ends: "
            "see that the ledger can be reached, wait until meterbook_agent_spool_batches is 0, and restart the agent"
        )

    @property
    def trust(self) -> str:
        """What :meth:`keep_trust` was given last; "" where it never was."""
        with self._mutex, self._file.translated():
            rows = self._file.rows("SELECT document FROM trust")
        return rows[0]["document"] if rows else ""

    def keep_trust(self, document: str) -> None:
        """Keeps what is known of the ledger, whatever it says."""
        with self._mutex, self._file.transaction():
            self._file.write("INSERT OR REPLACE INTO trust VALUES (0, ?)", document)

    def listen(self, listener: Callable[[], None]) -> None:
        """``listener`` is called, from the thread that appends, after every append that stored a batch."""
        self._listeners.append(listener)

    def begin(self, source: str, now_us: int) -> Progress:
        """How far ``source`` was read. A source that is new counts as watched from ``now_us`` on."""
        with self._mutex, self._file.transaction():
            self._file.write("INSERT OR IGNORE INTO checkpoints VALUES (?, '{}', ?, '')", source, now_us)
            row = self._file.rows("SELECT * FROM checkpoints WHERE source = ?", source)[0]
        return Progress(json.loads(row["checkpoint"]), row["window_end_us"], row["gap"])

    def note_gap(self, source: str, gap: str) -> None:
        """Remembers over restarts why the windows of ``source`` are not stored just now."""
        with self._mutex, self._file.transaction():
            self._file.write("UPDATE checkpoints SET gap = ? WHERE source = ?", gap, source)

    def forget(self, source: str) -> None:
        """Forgets how far a source was read: when it comes back, it is new."""
        with self._mutex, self._file.transaction():
            self._file.write("DELETE FROM checkpoints WHERE source = ?", source)
            self._settled.pop(source, None)

    def append(
        self,
        content: Sections,
        series: TaggedSeries = NO_SERIES,
        *,
        source: str,
        checkpoint: Checkpoint,
        window_end_us: int,
    ) -> int:
        """Stores a collection and the checkpoint that goes with it, both or neither; gives how many batches it made.

        ``series`` are those that the samples use; definitions of which the ledger was not told yet are stored in front of
        ``content``, which has none itself. Raises SpoolFull where there is no room.
        """
        document, began_ns = json.dumps(dict(checkpoint)), tracing.now_ns()
        with self._mutex, self._settled_if_full():
            day = self._today()
            if day > self._series.loaded_day:
                self._load()
            settled = self._settled.get(source) is series
            with self._file.transaction():
                nobody = np.zeros(len(series.ids), np.bool_)
                due = nobody if settled else self._series.due(series)
                defined = self._series.definitions(series, due, content.samples)
                chain, batches = seal(self._chain, replace(content, series=defined), self._clock())
                added = sum(batch.bytes for batch in batches)
                self._demand_room(added)
                self._store(batches, chain)
                self._series.store(defined, chain.epoch, day)
                stale = nobody if settled else self._series.stale(series, day)
                self._series.note(series.ids[stale].tolist(), day)
                self._file.write(
                    "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, '')", source, document, window_end_us
                )
            self._chain = chain
            self._batches, self._bytes = self._batches + len(batches), self._bytes + added
            if batches and self._oldest_us is None:
                self._oldest_us = batches[0].created_us
            self._series.learn(series, due | stale, day)
            self._settled[source] = series
        if batches:
            for listener in self._listeners:
                listener()
            made = [(batch.sequence, batch.hash) for batch in batches]
            tracing.sealed(made, began_ns, agent=self.agent, epoch=chain.epoch)
        return len(batches)

    def after(self, sequence: int, limit: int) -> list[SealedBatch]:
        """At most ``limit`` batches of the present epoch that follow ``sequence``, in order."""
        with self._mutex, self._file.translated():
            rows = self._file.rows(
                f"SELECT {_BATCH_COLUMNS} FROM batches WHERE epoch = ? AND sequence > ? ORDER BY sequence LIMIT ?",  # noqa: S608 - names of fields
                self._chain.epoch,
                sequence,
                limit,
            )
        return [SealedBatch(**row) for row in rows]

    def acknowledge(self, sequence: int, batch_hash: bytes) -> None:
        """The ledger holds everything up to ``sequence``: those batches go. An older acknowledgement changes nothing.

        Raises ChainBroken, and lets nothing go, where the hash is not that of the batch sealed at ``sequence``.
        """
        with self._mutex:
            if sequence < self._acked.sequence:
                return
            if self._hash_at(sequence) != batch_hash:
                raise ChainBroken(f"the ledger acknowledged sequence {sequence} with a hash that was never sent")
            if sequence == self._acked.sequence:
                return
            with self._file.transaction():
                done = "FROM batches WHERE epoch = ? AND sequence <= ?"
                up_to = (self._chain.epoch, sequence)
                gone = self._file.rows(f"SELECT count(*) AS batches, sum(bytes) AS bytes {done}", *up_to)[0]
                self._file.write(f"INSERT INTO acknowledged SELECT sequence, created_us, accounts {done}", *up_to)
                self._file.write("DELETE FROM acknowledged WHERE sequence <= ?", sequence - _HISTORY_ROWS_MAX)
                self._file.write(f"DELETE {done}", *up_to)
                self._file.write("UPDATE spool SET acked_sequence = ?, acked_hash = ?", sequence, batch_hash)
                oldest_us = self._oldest()
            self._acked = replace(self._chain, sequence=sequence, hash=batch_hash)
            self._batches, self._bytes = self._batches - gone["batches"], self._bytes - gone["bytes"]
            self._oldest_us = oldest_us

    def hash_of(self, sequence: int) -> bytes | None:
        """Hash of a batch of the present epoch that waits, or was acknowledged last; None for others."""
        with self._mutex:
            return self._hash_at(sequence)

    def parting(self, sequence: int, batch_hash: bytes) -> str | None:
        """Why the chain cannot go on after what the ledger says it holds; None where it can. Changes nothing."""
        with self._mutex:
            return self._parting(sequence, batch_hash or GENESIS)

    def resume(self, sequence: int, batch_hash: bytes) -> str | None:
        """Reconciles with what the ledger says it holds of this chain.

        Gives None where the chain goes on after ``sequence``; else a new epoch has begun, and the reason is given.
        """
        with self._mutex:
            reason = self.parting(sequence, batch_hash)
            if reason is None:
                self.acknowledge(sequence, batch_hash or GENESIS)
            else:
                self.new_epoch(reason, held_sequence=min(sequence, self._acked.sequence))
            return reason

    def new_epoch(self, reason: str, *, held_sequence: int | None = None) -> None:
        """Seals what is kept on a new chain. Acknowledged batches after ``held_sequence`` are recorded as lost."""
        with self._mutex:
            now_us = self._clock()
            with self._file.transaction():
                chain = Chain(self._chain.agent, max(now_us, self._chain.epoch + 1))
                lost = self._lost(self._acked.sequence if held_sequence is None else held_sequence, reason)
                used: set[int] = set()
                for batch in self._kept():
                    used.update(np.unique(unsealed(batch).samples["series_id"].to_numpy()).tolist())
                needed = self._series.move(sorted(used), chain.epoch)
                prefix = sections(series=needed, coverage=coverage_table(lost))
                # No younger than what follows: the age of the oldest batch is told by the first.
                chain, first = seal(chain, prefix, self._oldest_us or now_us)
                for batch in self._kept():
                    chain, resealed = reseal(chain, batch)
                    self._file.write(
                        "DELETE FROM batches WHERE epoch = ? AND sequence = ?", batch.epoch, batch.sequence
                    )
                    self._store([] if resealed is None else [resealed], chain)
                # Also where nothing is kept: the old chain must not go on.
                self._store(first, chain)
                self._file.write("DELETE FROM acknowledged")
                self._file.write("UPDATE spool SET acked_sequence = 0, acked_hash = ?", GENESIS)
            self._load()

    def sizes(self) -> Sizes:
        """What waits just now."""
        with self._mutex:
            ends = (self._chain.sequence, self._acked.sequence)
            return Sizes(self._batches, self._bytes, self._bytes_max, self._oldest_us, *ends)

    def close(self) -> None:
        """Lets go of the file. Safe to call twice; nothing is lost by not calling it."""
        with self._mutex:
            self._file.close()

    def _kept(self) -> Iterator[SealedBatch]:
        """The batches of the present epoch, one at a time: together they may be larger than memory."""
        sequence = self._acked.sequence
        while found := self.after(sequence, 1):
            sequence = found[0].sequence
            yield found[0]

    def _parting(self, sequence: int, batch_hash: bytes) -> str | None:
        if sequence > self._chain.sequence:
            return (
                f"the ledger holds sequence {sequence} of this epoch and the spool ends at {self._chain.sequence}: "
                "the spool was restored from an older copy"
            )
        if sequence < self._acked.sequence:
            return (
                f"the ledger had acknowledged sequence {self._acked.sequence} and now holds {sequence}: "
                "it was restored from an older copy"
            )
        if self._hash_at(sequence) != batch_hash:
            return f"the ledger holds another batch at sequence {sequence}: two agents share a name or a copied spool"
        return None

    def _hash_at(self, sequence: int) -> bytes | None:
        if sequence == self._acked.sequence:
            return self._acked.hash
        with self._file.translated():
            rows = self._file.rows(
                "SELECT hash FROM batches WHERE epoch = ? AND sequence = ?", self._chain.epoch, sequence
            )
        return rows[0]["hash"] if rows else None

    def _lost(self, held_sequence: int, reason: str) -> list[Coverage]:
        """A record for each source over what the acknowledged batches told of it that the ledger no longer holds."""
        if held_sequence >= self._acked.sequence:
            return []
        rows = {row["sequence"]: row for row in self._file.rows("SELECT * FROM acknowledged")}
        text = f"sequences {held_sequence + 1} to {self._acked.sequence} of epoch {self._chain.epoch}: {reason}"
        spans: dict[str, tuple[int, int]] = {}
        for sequence, row in rows.items():
            for source, start_us, end_us in json.loads(row["accounts"]) if sequence > held_sequence else ():
                first_us, last_us = spans.get(source, (start_us, end_us))
                spans[source] = min(first_us, start_us), max(last_us, end_us)
        lost = [Coverage(source, *span, "lost", text) for source, span in sorted(spans.items())]
        if not spans or held_sequence + 1 not in rows:
            # More was lost than is remembered, or nothing of it had coverage. A batch covers the time before it was made, so
            # the interval starts when the last one still held was made; if that is not known, when the chain began.
            start_us = rows[held_sequence]["created_us"] if held_sequence in rows else self._chain.epoch
            last = rows.get(self._acked.sequence)
            end_us = max(self._clock() if last is None else last["created_us"], start_us)
            lost.append(Coverage(f"agent/{self._chain.agent}", start_us, end_us, "lost", text))
        return lost

    def _demand_room(self, added: int) -> None:
        if self._bytes + added > self._bytes_max:
            raise SpoolFull(
                f"spool {self._file.path} is full: {self._bytes} bytes wait for the ledger, "
                f"{added} more would exceed bytes_max {self._bytes_max}"
            )
        age_s = 0.0 if self._oldest_us is None else (self._clock() - self._oldest_us) / instants.SECOND_US
        if age_s > self._age_max_s:
            raise SpoolFull(
                f"spool {self._file.path} is full: its oldest batch has waited {age_s:.0f} s for the ledger, "
                f"more than age_max_s {self._age_max_s:g}"
            )
        self._file.demand_room(added)

    @contextmanager
    def _settled_if_full(self) -> Iterator[None]:
        """What is acknowledged later must be able to go, whatever else fills the disk meanwhile."""
        try:
            yield
        except SpoolFull:
            self._file.settle()
            raise

    def _store(self, batches: list[SealedBatch], chain: Chain) -> None:
        for batch in batches:
            self._file.database.table("batches").insert(asdict(batch) | {"bytes": batch.bytes})
        self._file.write("UPDATE spool SET epoch = ?, sequence = ?, hash = ?", chain.epoch, chain.sequence, chain.hash)

    def _oldest(self) -> int | None:
        rows = self._file.rows("SELECT created_us FROM batches ORDER BY epoch, sequence LIMIT 1")
        return rows[0]["created_us"] if rows else None

    def _today(self) -> int:
        return self._clock() // instants.DAY_US
