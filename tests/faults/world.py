"""A log and the world that it lives in, where anything may fail at any call. One kind of log is one ``World``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from random import Random
from typing import Protocol, cast

from ledger.journal import segment
from ledger.journal.disk import Disk, DiskFile
from ledger.journal.embedded import EmbeddedLog, Gather
from ledger.journal.errors import JournalError, LogUnavailable
from ledger.journal.frames import BadFrame
from ledger.journal.grouping import Outcomes
from ledger.journal.log import Known, Log
from ledger.journal.record import Draft
from tests.fakes.disk import FakeDisk
from tests.faults.book import Outcome

TROUBLE = ("fail", "late", "crash", "torn", "done")


class World(Protocol):
    """What a history needs to drive a log. Any call may raise PowerLoss while ``faults`` are on."""

    faults: Faults

    def open(self, known: Known) -> Log:
        """Open the log, as a new process does. Raises what opening a log raises, and OSError."""
        ...

    def commit(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """Offer drafts to the opened log as one group, and see what becomes of each."""
        ...

    def crash(self, *, power: bool) -> None:
        """End the process that has the log open, if any; with ``power`` that of the machine too."""
        ...

    def damage(self, known: Known) -> Callable[[], None] | None:
        """While nobody has the log open: change bytes that were acknowledged and of which that can be told.

        Gives what changes them back; None where there are none.
        """
        ...

    def check_closed(self) -> None:
        """Nothing is held open after the log was closed or refused."""
        ...


class Faults:
    """Lets calls fail at random while it is on, in one of some ways, and writes down what it did."""

    def __init__(self, random: Random, history: list[str], trouble: Sequence[str] = TROUBLE) -> None:
        self.random, self._history, self.trouble = random, history, trouble
        self.rate = 0.0
        self.happened = False

    def fate(self, call: str, what: str) -> str:
        if self.random.random() >= self.rate:
            return "well"
        self.happened = True
        chosen = self.random.choice(self.trouble)
        self._history.append(f"    {call} {what}: {chosen}".replace(" :", ":"))
        return chosen


class OneByOne:
    """Stands for GroupCommit without its thread: a group is committed when the history says so."""

    def __init__(self, commit: Callable[[Sequence[Draft]], Outcomes], place: str) -> None:
        self.commit, self._place = commit, place

    def append(self, draft: Draft) -> Future[int]:
        raise NotImplementedError

    def close(self) -> None:
        pass

    def outcomes(self, drafts: Sequence[Draft]) -> list[Outcome]:
        try:
            return list(self.commit(drafts))
        except JournalError as error:
            return [error] * len(drafts)
        except AssertionError:
            raise
        except Exception as error:  # noqa: BLE001
            return [LogUnavailable(f"{self._place}: {error!r}")] * len(drafts)


class EmbeddedWorld:
    """The embedded log over a disk in memory."""

    def __init__(self, random: Random, history: list[str]) -> None:
        self.faults = Faults(random, history)
        self._random, self._history = random, history
        self._now_us = 1_000
        self._segment_bytes = random.choice([200, 600, 1_500, 4_000])
        self._disk = FakeDisk(self.faults, random.choice([1, 64, 512, 4_096]))

    def open(self, known: Known) -> Log:
        return EmbeddedLog(
            cast("Disk", self._disk),
            known,
            self._segment_bytes,
            cast("Gather", self._gather),
            self._clock,
        )

    def commit(self, drafts: Sequence[Draft]) -> list[Outcome]:
        return self._groups.outcomes(drafts)

    def crash(self, *, power: bool) -> None:
        if power:
            self._disk.lose_power()
        else:
            self._disk.kill()

    def damage(self, known: Known) -> Callable[[], None] | None:
        names = self._disk.names()
        # Where a crash left a half made segment, all of the one before it is known to have been durable.
        last = "" if names and self._is_unfinished(names[-1]) and names.pop() else names[-1]
        places = [(name, place) for name in names for place in self._acknowledged(name, known, is_last=name == last)]
        if not places:
            return None
        name, (begin, end) = self._random.choice(places)
        inode = self._disk.files[name]
        kept = bytes(inode.cache[begin:end])
        at = self._random.randrange(begin, end)
        if self._random.random() < 0.5:
            inode.cache[at] ^= 1 << self._random.randrange(8)
        else:
            length = self._random.randrange(1, end - at + 1)
            inode.cache[at : at + length] = bytes(each ^ 0xFF for each in inode.cache[at : at + length])
        self._history.append(f"    damage: {name} at byte {at}")

        def mend() -> None:
            inode.cache[begin:end] = kept

        return mend

    def check_closed(self) -> None:
        assert self._disk.open_files == 0, f"{self._disk.open_files} files are still open"

    def _is_unfinished(self, name: str) -> bool:
        file = cast("DiskFile", self._disk.open(name))
        try:
            return segment.is_unfinished(file)
        finally:
            file.close()

    def _acknowledged(self, name: str, known: Known, *, is_last: bool) -> list[tuple[int, int]]:
        """Where groups and the header stand whose damage cannot be taken for what a crash leaves."""
        file = cast("DiskFile", self._disk.open(name))
        header, offset = segment.read_header(file)
        places, firsts, frontier = [(0, offset)], [header.position], header.frontier
        # A group that could not be taken back may stand behind the others, cut off.
        with suppress(BadFrame):
            while offset < file.size:
                group = segment.read_group(file, offset, header.seed, frontier)
                places.append((offset, group.end))
                firsts.append(group.records[0].position)
                offset, frontier = group.end, group.frontier
        file.close()
        if is_last and (len(places) == 1 or firsts[-1] > known.position):
            places.pop()
        return places

    def _gather(self, commit: Callable[[Sequence[Draft]], Outcomes], place: str) -> OneByOne:
        self._groups = OneByOne(commit, place)
        return self._groups

    def _clock(self) -> int:
        self._now_us += self._random.randrange(-50, 100)
        return self._now_us
