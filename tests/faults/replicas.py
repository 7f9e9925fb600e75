"""One history of several replicas: what clients, crashes, operators and faults do to the shared log, all drawn from one seed.

Each step is one thing that one replica does, and while a call of it is on its way others may do theirs. After every step
somebody without faults reads what is new, and holds it against what was offered and answered (``tests.faults.offers``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from random import Random

from ledger.journal.errors import LogUnavailable, StoreDamaged
from ledger.journal.log import Known
from ledger.journal.record import Draft
from ledger.journal.shared.orphans import orphans
from meterbook.wire.instants import to_datetime
from tests.fakes.disk import PowerLoss
from tests.fakes.process import Process
from tests.faults.book import Book, Broken, Outcome, everything, expect, named
from tests.faults.clients import Clients
from tests.faults.damage import damaged
from tests.faults.offers import Offered, Offers
from tests.faults.shared import BUCKET, Replica, SharedWorld

STEPS = 40
RATES = (0.0, 0.02, 0.1, 0.3)
#: How probable it is, at each call, that another replica does something meanwhile.
MEANWHILE = (0.0, 0.03, 0.15)
UNDER_WAY_MAX = 4
#: The youngest orphans that an operator may have deleted, and for how long a machine may stand still.
ORPHAN_AGE, STALL_S = timedelta(hours=24), 25 * 3_600.0

Step = Callable[[Replica], None]


class Replicas:
    """Two or three replicas of one book."""

    def __init__(self, random: Random, lines: list[str]) -> None:
        self._random, self._lines = random, lines
        self._world = SharedWorld(random, lines)
        self._book = Book()
        self._offers = Offers(self._book)
        self._clients = Clients(random, self._book)
        self._replicas: dict[str, Replica | None] = dict.fromkeys(["one", "two", "three"][: random.randint(2, 3)])
        self._busy: list[str] = []
        self._groups = self._known = 0
        self._sent: list[list[Draft]] = []
        self._rate, self._meanwhile = random.choice(RATES), random.choice(MEANWHILE)
        often: list[tuple[Step, int]] = [(self._send, 6), (self._begin, 4), (self._commit_next, 4), (self._read_on, 3)]
        self._steps: list[Step] = [step for step, times in often for _ in range(times)]
        self._steps += [self._look, self._tables_fill, self._close, self._kill, self._damage]
        self._witness = self._world.open("witness", Known())
        self._seen = self._witness.log.reader(stored=True)

    def play(self) -> None:
        """Some steps in trouble; then everything must be well."""
        self._world.faults.rate, self._world.faults.meanwhile = self._rate, self._let_others
        for _ in range(STEPS):
            self._step()
        self._world.faults.rate, self._world.faults.meanwhile = 0.0, lambda: None
        self._settle()

    def _settle(self) -> None:
        for replica in filter(None, self._replicas.values()):
            self._random.choice([self._close, self._kill])(replica)
        self._say("everything under way arrives or is lost")
        self._world.settle()
        self._observe()
        self._check_anew("four")
        self._world.stall(STALL_S)
        self._collect()
        kept = {BUCKET.key(row.object) for row in self._world.postgres.groups}
        expect(set(self._world.s3.objects) == kept, "orphans are left, or more than orphans was deleted")
        self._check_anew("five")

    def _check_anew(self, name: str) -> None:
        """Who opens the log now finds all of the book in it, and can go on."""
        self._say(f"{name} opens the log, and all must be well")
        replica = self._world.open(name, Known(len(self._book.records)))
        expect(everything(replica.log) == self._book.records, "the log holds other records")
        self._book.check_standing(replica.log)
        self._send(replica)
        self._book.check_standing(replica.log)
        self._close(replica)

    def _step(self) -> None:
        self._world.pass_time(self._random.random() * 0.3)
        idle = [name for name in self._replicas if name not in self._busy]
        if not idle or self._random.random() < 0.1:
            self._random.choice([self._restart, self._collect, self._collect, self._stall])()
        else:
            self._step_of(self._random.choice(idle))
        self._observe()

    def _step_of(self, name: str) -> None:
        self._busy.append(name)
        try:
            replica = self._replicas[name]
            if replica is None:
                self._open(name)
            else:
                self._random.choice(self._steps)(replica)
        except PowerLoss:
            self._say(f"{name} is gone")
            self._replicas[name] = None
        finally:
            self._busy.remove(name)

    def _let_others(self) -> None:
        """While a call is on its way."""
        if len(self._busy) < len(self._replicas) and self._random.random() < self._meanwhile:
            self._say("  meanwhile")
            self._step()
            self._say("  so much for that")

    def _say(self, line: str) -> None:
        self._lines.append(line)

    def _observe(self) -> None:
        """Read what is new, and find each group's offer."""
        with self._world.calm():
            self._witness.log.refresh()
            try:
                found = self._seen.read(1 << 30)
            except StoreDamaged as error:
                raise Broken(f"what is new cannot be read: {error}") from error
            rows = self._world.postgres.groups[self._groups :]
            before = len(self._book.records)
            for row in rows:
                self._offers.see(row.object, found[row.first - before - 1 : row.last - before])
            self._groups += len(rows)
            expect(len(self._book.records) == before + len(found), f"{len(found)} records in {len(rows)} groups")
        for row in self._world.postgres.groups:
            expect(BUCKET.key(row.object) in self._world.s3.objects, f"the object {row.object} is gone")

    @contextmanager
    def _may_fail(self) -> Iterator[None]:
        """What is done here fails only where something went wrong meanwhile, and never says that a store is damaged."""
        trouble = self._trouble()
        try:
            yield
        except LogUnavailable as error:
            expect(self._trouble() != trouble, f"unavailable though nothing failed: {error}")
            self._say(f"    {error}")
        except StoreDamaged as error:
            raise Broken(f"damaged though nothing was: {error}") from error

    def _trouble(self) -> tuple[int, int]:
        """Changes whenever something goes wrong."""
        return self._world.faults.count, self._world.postgres.ended

    # What replicas do.

    def _open(self, name: str) -> None:
        self._say(f"{name} opens the log, the tables at {self._known}")
        with self._may_fail():
            self._replicas[name] = self._world.open(name, Known(self._known))

    def _send(self, replica: Replica) -> None:
        if len(replica.under_way) < UNDER_WAY_MAX:
            self._begin(replica)
        self._commit_all(replica)

    def _begin(self, replica: Replica) -> None:
        """Write a group's object. Sometimes the group is one that was offered before, here or elsewhere."""
        if len(replica.under_way) == UNDER_WAY_MAX:
            return
        if self._sent and self._random.random() < 0.15:
            drafts = self._random.choice(self._sent)
        else:
            follows = self._random.random() < 0.5
            drafts = self._clients.offer(
                [draft for each, _ in replica.under_way for draft in each.drafts] if follows else []
            )
            self._sent.append(drafts)
        self._say(f"{replica.process.name} begins {', '.join(map(named, drafts))}")
        offered, trouble = self._offers.begin(drafts), self._trouble()
        prepared = replica.prepare(drafts)
        if isinstance(prepared, list):
            self._answer(offered, prepared, trouble)
        else:
            self._offers.name(offered, prepared.object)
            replica.under_way.append((offered, prepared))

    def _commit_all(self, replica: Replica) -> None:
        while replica.under_way:
            self._commit_next(replica)

    def _commit_next(self, replica: Replica) -> None:
        if not replica.under_way:
            return
        offered, prepared = replica.under_way.popleft()
        self._say(f"{replica.process.name} commits {', '.join(map(named, offered.drafts))}")
        trouble = self._trouble()
        outcomes = replica.commit(prepared)
        stood_still = self._world.now_us - prepared.begun_us > STALL_S * 1e6
        self._answer(offered, outcomes, trouble, may_fail=stood_still)

    def _answer(
        self, offered: Offered, outcomes: list[Outcome], trouble: tuple[int, int], *, may_fail: bool = False
    ) -> None:
        self._say(f"    {[each if isinstance(each, int) else type(each).__name__ for each in outcomes]}")
        self._observe()
        self._offers.answer(offered, outcomes, may_fail=may_fail or self._trouble() != trouble)

    def _read_on(self, replica: Replica) -> None:
        with self._may_fail():
            if replica.reader is None:
                replica.reader = replica.log.reader(self._random.randint(0, replica.log.end))
            begun = replica.reader.frontier.size
            found = replica.reader.read(self._random.choice([1, 500, 1 << 30]))
            self._observe()
            expected = self._book.records[begun : begun + len(found)]
            expect(found == expected, f"{replica.process.name} reads other records from {begun} on")
            expect(bool(found) or begun >= replica.log.end, f"{replica.process.name} reads nothing after {begun}")
            expect(replica.reader.frontier.size == begun + len(found), "a reader stands elsewhere than it read to")

    def _look(self, replica: Replica) -> None:
        """The end and a head are those of some moment between the question and the answer."""
        with self._may_fail():
            since = len(self._book.records)
            chain = self._random.choice(self._sent)[0].chain if self._sent else "nobody"
            head, end = replica.log.head(chain), replica.log.refresh()
            self._observe()
            moments = range(since, len(self._book.records) + 1)
            expect(end in moments, f"the end is {end}, not in {moments}")
            expect(any(head == self._book.head(chain, each) for each in moments), f"the head of {chain} is {head}")

    def _tables_fill(self, replica: Replica) -> None:
        self._known = self._random.randint(self._known, len(self._book.records))
        replica.log.applied(self._known)

    def _close(self, replica: Replica) -> None:
        self._commit_all(replica)
        self._say(f"{replica.process.name} closes")
        replica.close()
        self._replicas[replica.process.name] = None

    def _kill(self, replica: Replica) -> None:
        self._say(f"{replica.process.name} is killed")
        with suppress(PowerLoss):
            replica.process.die()
        self._replicas[replica.process.name] = None

    def _damage(self, replica: Replica) -> None:
        """Bytes that were acknowledged change or are lost: whoever reads them is told, and gets nothing from there on."""
        if not self._world.postgres.groups:
            return
        row = self._random.choice(self._world.postgres.groups)
        after = self._random.randrange(row.last)
        found = []
        with self._world.calm(), damaged(self._world.s3, row, self._random) as what:
            self._say(f"{what}, and {replica.process.name} reads from {after} on")
            replica.log.refresh()
            try:
                reader = replica.log.reader(after, stored=True)
                while records := reader.read(self._random.choice([1, 1_000, 1 << 30])):
                    found += records
            except StoreDamaged as error:
                self._say(f"    {error}")
            else:
                raise Broken("damage was not noticed")
        expect(found == self._book.records[after : after + len(found)], "other records before what is damaged")
        expect(after + len(found) < row.first or not found, "records of what is damaged")

    # What others do.

    def _restart(self) -> None:
        self._say("PostgreSQL is started again")
        self._world.postgres.restart(self._witness.process)

    def _stall(self) -> None:
        self._say("all machines stand still for a day")
        self._world.stall(STALL_S)
        if self._random.random() < 0.5:
            self._collect()

    def _collect(self) -> None:
        """An operator has orphans deleted."""
        self._say("orphans are deleted")
        database, objects, _ = self._world.services(Process("operator", self._world.faults))
        before = to_datetime(self._world.now_us) - ORPHAN_AGE
        with suppress(PowerLoss), self._may_fail():
            while names := orphans(database, objects, before, self._random.choice([1, 3, 100])):
                self._say(f"    {names}")
                taken = {row.object for row in self._world.postgres.groups}
                expect(not taken & set(names), "what is in the log is called an orphan")
                objects.delete(names)
        with suppress(PowerLoss):
            database.close()
