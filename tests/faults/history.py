"""One history: what clients, crashes and faults do to a log, all of it drawn from one seed."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Protocol

from ledger.journal.errors import StoreDamaged
from ledger.journal.log import Log, Reader
from tests.fakes.disk import PowerLoss
from tests.faults.book import Book, Broken, everything, expect, named
from tests.faults.clients import Clients
from tests.faults.world import EmbeddedWorld, World

STEPS = 25
RATES = (0.0, 0.02, 0.1, 0.3)


class Playable(Protocol):
    """A kind of history."""

    def play(self) -> None:
        """Raises whatever is wrong."""
        ...


class Failed(Exception):
    """A history that went wrong: what happened, a line each, and then what was broken."""


def run(seed: int, kind: Callable[[Random, list[str]], Playable] | None = None) -> None:
    """Play the history of a seed, of the embedded log where no other kind is named. Raises Failed."""
    lines: list[str] = []
    try:
        (kind or History)(Random(seed), lines).play()
    except Exception as error:
        what = error if isinstance(error, Broken) else repr(error)
        raise Failed("\n".join([f"seed {seed}", *lines, f"BROKEN: {what}"])) from error


class History:
    """The clients' side of a log with one writer: what they send, and what they were told."""

    def __init__(self, random: Random, lines: list[str]) -> None:
        self._random, self._lines = random, lines
        self._world: World = EmbeddedWorld(random, lines)
        self._book = Book()
        self._log: Log | None = None
        self._reader: Reader | None = None
        self._known = 0
        self._clients = Clients(random, self._book)
        self._rate = random.choice(RATES)

    def play(self) -> None:
        """Some steps in trouble; then everything must be well."""
        steps = [self._send] * 12 + [self._read_on] * 3 + [self._close, self._crash, self._damage, self._tables_fill]
        for _ in range(STEPS):
            self._world.faults.rate = self._rate
            step = self._random.choice(steps)
            try:
                if self._log is None:
                    self._open()
                else:
                    step()
            except PowerLoss:
                self._down()
        self._settle()

    def _settle(self) -> None:
        self._world.faults.rate = 0
        if self._log is not None:
            self._random.choice([self._close, self._down])()
        self._open()
        self._send()
        self._close()
        self._open()

    def _say(self, line: str) -> None:
        self._lines.append(line)

    def _open(self) -> None:
        self._say(f"open, the tables at {self._known}")
        self._world.faults.happened = False
        try:
            log = self._world.open(self._book.known(self._known))
        except OSError as error:
            expect(self._world.faults.happened, f"cannot be opened though nothing failed: {error!r}")
            self._say(f"    {error}")
            self._world.check_closed()
            return
        except StoreDamaged as error:
            raise Broken(f"refused though nothing was damaged: {error}") from error
        self._log = log
        self._book.check(log)
        self._reader = log.reader(self._random.randint(0, log.end))
        self._say(f"    {log.end} records")

    def _down(self) -> None:
        power = self._random.random() < 0.7
        self._say("power loss" if power else "killed")
        self._world.crash(power=power)
        self._log = self._reader = None

    def _crash(self) -> None:
        self._down()

    def _close(self) -> None:
        assert self._log is not None
        self._say("close")
        if self._reader is not None:
            self._reader.close()
        self._log.close()
        self._log = self._reader = None
        self._world.check_closed()

    def _send(self) -> None:
        assert self._log is not None
        offered = self._clients.offer()
        self._say("commit " + ", ".join(map(named, offered)))
        written, _ = self._book.admitted(offered)
        try:
            outcomes = self._world.commit(offered)
        except PowerLoss:
            self._book.doubtful.append(written)
            raise
        if self._book.check_outcomes(offered, outcomes, may_fail=self._world.faults.happened):
            if written:
                self._book.doubtful = []
            self._say(f"    written from {len(self._book.records) + 1} on: {len(written)}")
            self._see()
        else:
            self._say(f"    {outcomes[0]}")
        self._book.check_standing(self._log)

    def _see(self) -> None:
        """What was acknowledged can be read at once."""
        assert self._log is not None
        reader = self._log.reader(len(self._book.records), stored=self._random.random() < 0.3)
        self._book.learn(reader.read(1 << 30))
        reader.close()

    def _read_on(self) -> None:
        assert self._log is not None
        assert self._reader is not None
        begun = self._reader.frontier.size
        found = self._reader.read(self._random.choice([1, 500, 1 << 30]))
        expect(found == self._book.records[begun : begun + len(found)], f"a reader from {begun} on sees other records")
        expect(bool(found) or begun == self._log.end, f"a reader sees nothing after {begun}")
        expect(self._reader.frontier.size == begun + len(found), "a reader stands elsewhere than it read to")

    def _tables_fill(self) -> None:
        assert self._log is not None
        self._known = self._random.randint(self._known, len(self._book.records))
        self._log.applied(self._known)

    def _damage(self) -> None:
        """Bytes that were acknowledged change: the log is refused and left as it is, or whoever reads is told."""
        self._world.faults.rate = 0
        self._close()
        known = self._book.known(self._known)
        mend = self._world.damage(known)
        if mend is None:
            return
        log: Log | None = None
        try:
            log = self._world.open(known)
            everything(log)
        except StoreDamaged as error:
            self._say(f"    {error}")
        else:
            raise Broken("damage was not noticed")
        finally:
            if log is not None:
                log.close()
        self._world.check_closed()
        mend()
