"""The shared log over services in memory: processes that have it open, each with what it takes from its machine.

The services (``tests.fakes.s3``, ``tests.fakes.postgres``) outlive the processes. Everything runs in one thread: a group is prepared
and committed when the history says so, and while a call is on its way another replica may do something.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from random import Random
from typing import Any, TypeVar, cast

from ledger.journal.grouping import GroupCommit, Outcomes
from ledger.journal.log import Known
from ledger.journal.place import Bucket, Server
from ledger.journal.record import Draft
from ledger.journal.shared.commit import Offer
from ledger.journal.shared.database import Database
from ledger.journal.shared.log import SharedLog
from ledger.journal.shared.machine import Machine
from ledger.journal.shared.objects import Objects
from ledger.journal.shared.reader import SharedReader
from meterbook.wire.instants import to_datetime
from tests.fakes.postgres import FakeConnection, FakePostgres
from tests.fakes.process import TROUBLE, Process
from tests.fakes.s3 import FakeS3, FakeS3Client
from tests.faults.book import Outcome
from tests.faults.offers import Offered
from tests.faults.world import Faults, OneByOne

Found = TypeVar("Found")

BUCKET, SERVER = Bucket("bucket", "book"), Server("postgresql://user@database/book")
NAME_BITS = 128
#: What becomes of calls while the services are out of order.
OUTAGE, OUTAGE_RATE = ("fail", "late", "delayed", "error"), 0.9
BEGIN_US = 1_767_225_600_000_000


class SharedFaults(Faults):
    """Counts the trouble, and lets others do something while a call is on its way. Trouble may begin an outage."""

    def __init__(self, random: Random, history: list[str]) -> None:
        super().__init__(random, history, TROUBLE)
        self.count = 0
        self.meanwhile: Callable[[], None] = lambda: None
        self._calls_out = 0

    def fate(self, call: str, what: str) -> str:
        self.meanwhile()
        rate = self.rate
        if rate and self._calls_out:
            self._calls_out -= 1
            self.rate, self.trouble = OUTAGE_RATE, OUTAGE
        chosen = super().fate(call, what)
        self.rate, self.trouble = rate, TROUBLE
        if chosen != "well":
            self.count += 1
            # What breaks a commit seldom breaks that alone.
            if self.random.random() < (0.4 if "COMMIT" in call else 0.03):
                self._calls_out = self.random.randint(5, 40)
        return chosen


class OneThread(Executor):
    """Does everything at once and in order."""

    def map(  # type: ignore[override]
        self, work: Callable[[Any], Found], items: Iterable[Any], **_: object
    ) -> Iterator[Found]:
        return iter([work(item) for item in items])


class PreparedOneByOne(OneByOne):
    """Stands for GroupCommit where groups are prepared before they are committed."""

    def __init__(
        self, commit: Callable[[Any], Outcomes], place: str, prepare: Callable[[Sequence[Draft]], Any]
    ) -> None:
        super().__init__(commit, place)
        self.prepare = prepare


class SharedMachine(Machine):
    """A machine whose clock is that of the history."""

    def __init__(self, world: SharedWorld) -> None:
        self._world = world

    def gather(
        self, commit: Callable[[Any], Outcomes], place: str, prepare: Callable[[Sequence[Draft]], Any]
    ) -> GroupCommit:
        self.groups = PreparedOneByOne(commit, place, prepare)
        return cast("GroupCommit", self.groups)

    def fetching(self) -> Executor:
        return OneThread()

    def now_us(self) -> int:
        return self._world.now_us

    def passed_s(self) -> float:
        return self._world.now_us / 1e6

    def sleep(self, duration_s: float) -> None:
        """Sometimes longer: the machine was busy."""
        self._world.pass_time(self._world.random.choice([duration_s, duration_s, 8.0]))
        self._world.faults.meanwhile()

    def bits(self, count: int) -> int:
        """Now and then those that an object in the log is called by, which only a reserved name tells."""
        world = self._world
        if count == NAME_BITS and world.faults.rate and world.random.random() < 0.05:
            today = f"/{to_datetime(world.now_us):%Y-%m-%d}/"
            if taken := [row.object for row in world.postgres.groups if today in row.object]:
                world.faults.count += 1
                return uuid.UUID(world.random.choice(taken).rpartition("/")[2]).int
        return world.random.getrandbits(count)


class Replica:
    """A process with the log open, the groups that it has under way, and a reader that goes forward."""

    def __init__(self, world: SharedWorld, process: Process, known: Known) -> None:
        self.process = process
        self.database, self.objects, self.connections = world.services(process)
        self._machine = SharedMachine(world)
        self.log = SharedLog(self.database, self.objects, known, self._machine)
        self.reader: SharedReader | None = None
        self.under_way: deque[tuple[Offered, Offer]] = deque()
        self.is_busy = False

    def prepare(self, drafts: Sequence[Draft]) -> Offer | list[Outcome]:
        """Write the object of a group, or say what is the fault of all of it."""
        prepared: list[Offer] = []

        def keep(group: Sequence[Draft]) -> Outcomes:
            prepared.append(self._machine.groups.prepare(group))
            return []

        outcomes = OneByOne(keep, str(SERVER)).outcomes(drafts)
        return prepared[0] if prepared else outcomes

    def commit(self, offer: Offer) -> list[Outcome]:
        """Give a prepared group its place, or not."""
        groups = self._machine.groups
        return OneByOne(lambda _: groups.commit(cast("Any", offer)), str(SERVER)).outcomes(offer.drafts)

    def close(self) -> None:
        """End in order; nothing may be under way."""
        self.log.close()
        self.database.close()
        self.objects.close()
        still_open = [each for each in self.connections if not each.closed]
        assert not still_open, f"{len(still_open)} connections are still open"


class SharedWorld:
    """S3, PostgreSQL, and a clock for all."""

    def __init__(self, random: Random, history: list[str]) -> None:
        self.random = random
        self.faults = SharedFaults(random, history)
        self.now_us = BEGIN_US
        self.s3 = FakeS3(lambda: to_datetime(self.now_us))
        self.postgres = FakePostgres(lambda: self.now_us + random.randrange(-50, 50))

    def services(self, process: Process) -> tuple[Database, Objects, list[FakeConnection]]:
        """Both services, as a process sees them, and the connections that it makes."""
        connections: list[FakeConnection] = []
        database = Database(SERVER, FakeConnection.connector(self.postgres, process, connections))
        objects = Objects(BUCKET, cast("Any", FakeS3Client(self.s3, process)))
        return database, objects, connections

    def open(self, name: str, known: Known) -> Replica:
        """A new process. Raises LogUnavailable, StoreDamaged, PowerLoss."""
        return Replica(self, Process(name, self.faults), known)

    def pass_time(self, duration_s: float) -> None:
        self.now_us += int(duration_s * 1e6)

    def stall(self, duration_s: float) -> None:
        """Nobody does anything for hours."""
        self.pass_time(duration_s)
        self.s3.arrive_all()
        self.postgres.pass_hours(Process("nobody", self.faults))

    def settle(self) -> None:
        """Whatever is under way arrives, or is lost."""
        self.s3.arrive_all()
        self.postgres.restart(Process("nobody", self.faults))

    @contextmanager
    def calm(self) -> Iterator[None]:
        """Nothing fails, and nobody else does anything."""
        rate, meanwhile = self.faults.rate, self.faults.meanwhile
        self.faults.rate, self.faults.meanwhile = 0.0, lambda: None
        try:
            yield
        finally:
            self.faults.rate, self.faults.meanwhile = rate, meanwhile
