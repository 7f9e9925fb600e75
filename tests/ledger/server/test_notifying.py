"""Who notifies, where several ledgers could, and what the next one does where one is killed."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.billing.notices import DELIVERED, REACHED, notices
from ledger.journal.journal import Journal
from ledger.journal.leases import LEASE_S, OwnLeases
from ledger.journal.record import DEFINITIONS_CHAIN, Kind
from ledger.query.allowances import Allowances
from ledger.query.noticing import Noticer
from ledger.server.config import Webhook
from ledger.server.delivering import Deliverer
from ledger.server.leadership import Leadership
from tests.fakes.journal import memory_journal
from tests.fakes.webhook import Receiver, receiving, secret_file
from tests.ledger.batches import Sender, append, extend, opened
from tests.ledger.entitled import DEFINITIONS, used
from tests.ledger.journal.shared.places import address, credentials, place_of
from tests.servers.fixtures import Bucket, Database

Step = Callable[[Deliverer], int]

ROOT = Path(__file__).parents[3]
#: Delivers what is due, and is killed when it would write down, for the first time, what came of an attempt.
KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from ledger.journal.journal import Journal
from ledger.journal.leases import OwnLeases
from ledger.server import delivering
from ledger.server.config import Webhook
from ledger.server.leadership import Leadership

write = delivering.write

def killed(journal, act):
    if act.kind != "webhook.opened":
        os.kill(os.getpid(), signal.SIGKILL)
    return write(journal, act)

delivering.write = killed
journal = Journal(Path(sys.argv[1]))
webhook = Webhook(url=sys.argv[2], name="hook", secret_file=Path(sys.argv[3]))
asyncio.run(delivering.Deliverer(journal, webhook, Leadership(OwnLeases())).step())
"""


def define(journal: Journal) -> None:
    with memory_journal() as book:
        book.define(DEFINITIONS)
        extend(journal, Kind.DEFINITIONS, DEFINITIONS_CHAIN, book.records[0].payload)


def deliverer(journal: Journal, receiver: Receiver, folder: Path, leadership: Leadership) -> Deliverer:
    webhook = Webhook(url=receiver.url, name="hook", secret_file=secret_file(folder, *receiver.secrets))
    return Deliverer(journal, webhook, leadership)


@pytest.fixture
def step() -> Iterator[Step]:
    """Connections that are kept belong to one event loop."""
    with asyncio.Runner() as runner:
        yield lambda each: runner.run(each.step())


def use(journal: Journal, number: int, quantity: int, tenant: str = "acme") -> None:
    append(journal, used(number, quantity, tenant), sender=Sender(f"agent-{number}"))


def reached(journal: Journal) -> list[str]:
    return [each.id for each in notices(journal.view().acts(0, (REACHED,)).to_pylist())]


def delivered(journal: Journal) -> int:
    return journal.view().acts(0, (DELIVERED,)).num_rows


def test_two_notifiers_of_one_journal_notify_once(tmp_path: Path, step: Step) -> None:
    leases, clock = OwnLeases(lambda: now[0]), lambda: now[0]
    now = [1_000.0]
    with opened(tmp_path) as journal, receiving() as receiver:
        define(journal)
        leaders = [Leadership(leases, clock) for _ in range(2)]
        one, two = (deliverer(journal, receiver, tmp_path, each) for each in leaders)
        assert (step(one), step(two)) == (0, 0)
        use(journal, 1, 100)
        for noticer in (Noticer(journal), Noticer(journal)):
            noticer.look(Allowances(journal).look())
        assert (step(two), step(one), step(one)) == (0, 2, 0)
        assert sorted(receiver.taken()) == sorted(reached(journal)) and len(reached(journal)) == 2
        # The other one follows when the first has not asked for long enough, and finds that all is done.
        now[0] += LEASE_S + 1
        assert step(two) == 0 and not leaders[0].holds()
        use(journal, 2, 900, "bcorp")
        Noticer(journal).look(Allowances(journal).look())
        assert (step(one), step(two)) == (0, 1)
        leaders[1].resign()
        assert leaders[0].holds()
        assert len(receiver.received) == 3 == delivered(journal)


def test_two_that_both_think_they_are_the_one_write_one_notice(tmp_path: Path, step: Step) -> None:
    with opened(tmp_path) as journal, receiving() as receiver:
        define(journal)
        one, two = (deliverer(journal, receiver, tmp_path, Leadership(OwnLeases())) for _ in range(2))
        step(one)
        step(two)
        use(journal, 1, 85)
        snapshots = [Allowances(journal).look() for _ in range(2)]
        for snapshot in snapshots:
            Noticer(journal).look(snapshot)
        step(one)
        step(two)
        assert receiver.taken() == reached(journal) and len(reached(journal)) == 1


@pytest.mark.slow
def test_one_that_is_killed_before_it_wrote_down_what_came_of_it(tmp_path: Path, step: Step) -> None:
    store = tmp_path / "store"
    with receiving() as receiver:
        file = secret_file(tmp_path, *receiver.secrets)

        def killed() -> int:
            ended = subprocess.run(
                [sys.executable, "-c", KILLED, str(store), receiver.url, str(file)],
                cwd=ROOT,
                env={"PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}"},
                capture_output=True,
                text=True,
                check=False,
            )
            return ended.returncode

        with opened(store) as journal:
            define(journal)
        assert killed() == 0
        with opened(store) as journal:
            use(journal, 1, 85)
            Noticer(journal).look(Allowances(journal).look())
        assert killed() == -signal.SIGKILL
        assert len(receiver.received) == 1
        with opened(store) as journal:
            assert step(deliverer(journal, receiver, tmp_path, Leadership(OwnLeases()))) == 1
            assert delivered(journal) == 1
        # What arrived twice says so by its id, and by nothing else.
        one, two = receiver.received
        assert (one.id, one.body) == (two.id, two.body)


@contextmanager
def replicas(database: Database, bucket: Bucket) -> Iterator[tuple[Journal, Journal]]:
    place = place_of(address(database, bucket))
    one, two = Journal(place), Journal(place)
    try:
        yield one, two
    finally:
        one.close()
        two.close()


@pytest.mark.slow
def test_two_replicas_of_one_store_notify_once(
    database: Database, bucket: Bucket, tmp_path: Path, step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in credentials(bucket.server).items():
        monkeypatch.setenv(name, value)
    with replicas(database, bucket) as journals, receiving() as receiver:
        define(journals[0])
        leaders = [Leadership(each.leases) for each in journals]
        both = [deliverer(*each) for each in zip(journals, [receiver] * 2, [tmp_path] * 2, leaders, strict=True)]
        assert [step(each) for each in both] == [0, 0]
        use(journals[1], 1, 100)
        for journal in journals:
            Noticer(journal).look(Allowances(journal).look())
        assert [step(each) for each in both] == [2, 0]
        assert sorted(receiver.taken()) == sorted(reached(journals[1])) and len(receiver.received) == 2
        leaders[0].resign()
        assert step(both[1]) == 0
        use(journals[0], 2, 900, "bcorp")
        Noticer(journals[1]).look(Allowances(journals[1]).look())
        assert [step(each) for each in both] == [0, 1]
        assert delivered(journals[0]) == len(receiver.received) == 3
