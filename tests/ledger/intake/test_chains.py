"""A chain takes each batch once and in order, says why it refuses, and never has a hole."""

from __future__ import annotations

import gc
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from ledger.intake.chains import Chains
from ledger.intake.refusals import Refused
from ledger.journal import journal as journal_module
from ledger.journal.errors import LogUnavailable, TablesUnavailable
from ledger.journal.journal import Journal
from ledger.journal.tables import Tables
from meterbook.intake.v1 import intake_pb2
from meterbook.wire.seal import GENESIS, ChainPlace
from tests.ledger.batches import AGENT, EPOCH, Sender, chains, content, event, minute, opened, sealed
from tests.ledger.intake.failing import WAIT_S, Disk

MALFORMED = intake_pb2.REFUSAL_CODE_MALFORMED
BROKEN = intake_pb2.REFUSAL_CODE_BROKEN_CHAIN
CONFLICT = intake_pb2.REFUSAL_CODE_CONFLICT
OUT_OF_ORDER = intake_pb2.REFUSAL_CODE_OUT_OF_ORDER
UNAVAILABLE = intake_pb2.REFUSAL_CODE_UNAVAILABLE


@pytest.fixture
def book(journal: Journal) -> Chains:
    return chains(journal)


@pytest.fixture
def disk(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def accepted(book: Chains, sender: Sender, *batches: intake_pb2.Batch) -> list[int]:
    chain = book.hello(sender.hello())
    return [future.result(WAIT_S) for future in [book.accept(chain, batch) for batch in batches]]


def refusal(book: Chains, sender: Sender, batch: intake_pb2.Batch) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        book.accept(book.hello(sender.hello()), batch).result(WAIT_S)
    return caught.value.code, str(caught.value)


def resume(book: Chains, sender: Sender) -> tuple[int, bytes]:
    return book.durable(book.hello(sender.hello()))


def sequences(journal: Journal) -> dict[tuple[str, int], list[int]]:
    view = journal.view()
    found: dict[tuple[str, int], list[int]] = {}
    for row in view.rows("batches", 1, view.position).sort_by("position").to_pylist():
        found.setdefault((row["agent"], row["epoch"]), []).append(row["sequence"])
    return found


def test_batches_in_order(book: Chains, journal: Journal) -> None:
    sender = Sender()
    assert resume(book, sender) == (0, GENESIS)
    assert accepted(book, sender, *(sender.next() for _ in range(5))) == [1, 2, 3, 4, 5]
    assert resume(book, sender) == (5, sender.hash)
    assert sequences(journal) == {(AGENT, EPOCH): [1, 2, 3, 4, 5]}


def test_a_replay_gets_the_same_position(book: Chains, journal: Journal, disk: Disk) -> None:
    sender = Sender()
    batches = [sender.next() for _ in range(3)]
    chain = book.hello(sender.hello())
    disk.hold()
    first = [book.accept(chain, batch) for batch in batches]
    again = [book.accept(chain, batch) for batch in batches]
    assert not any(future.done() for future in [*first, *again])
    disk.may_sync.set()
    assert [future.result(WAIT_S) for future in first] == [future.result(WAIT_S) for future in again] == [1, 2, 3]
    assert accepted(book, sender, *batches, batches[0]) == [1, 2, 3, 1]
    assert sequences(journal) == {(AGENT, EPOCH): [1, 2, 3]}


def test_the_same_sequence_with_other_content(book: Chains, disk: Disk) -> None:
    sender = Sender()
    batch = sender.next()
    other = sealed(ChainPlace(AGENT, EPOCH, 1, GENESIS), content(events=[event(99)]))
    message = (
        f"batch 1 of {AGENT}/{EPOCH} was accepted before with hash {batch.hash.hex()[:16]}, "
        f"and now comes with {other.hash.hex()[:16]}"
    )
    disk.hold()
    chain = book.hello(sender.hello())
    future = book.accept(chain, batch)
    with pytest.raises(Refused, match=re.escape(message)):
        book.accept(chain, other)
    disk.may_sync.set()
    future.result(WAIT_S)
    assert refusal(book, sender, other) == (CONFLICT, message)
    assert chain.sequence == 1


@pytest.mark.parametrize("digest", [b"", bytes(31), bytes(1 << 20)])
def test_a_replay_with_a_hash_that_is_none(digest: bytes, book: Chains) -> None:
    sender = Sender()
    batch = sender.next()
    accepted(book, sender, batch)
    batch.hash = digest
    assert refusal(book, sender, batch) == (MALFORMED, f"batch 1: hash has {len(digest)} bytes, not 32")


def test_a_gap(book: Chains) -> None:
    sender = Sender()
    first, _, third = (sender.next() for _ in range(3))
    accepted(book, sender, first)
    assert refusal(book, sender, third) == (
        OUT_OF_ORDER,
        f"batch 3 of {AGENT}/{EPOCH} does not follow 1, the last one held",
    )
    assert refusal(book, sender, intake_pb2.Batch(sequence=2**63 - 1))[0] == OUT_OF_ORDER


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"previous_hash": bytes(31)}, f"batch 2: previous_hash {'00' * 8} is not "),
        ({"previous_hash": b""}, "batch 2: previous_hash (empty) is not "),
        ({"hash": bytes(32)}, f"batch 2: hash {'00' * 8} does not match the content"),
        ({"hash": b""}, "batch 2: hash (empty) does not match the content"),
        ({"events": b""}, "does not match the content"),
    ],
)
def test_a_broken_chain(changes: dict[str, Any], message: str, book: Chains, journal: Journal) -> None:
    sender = Sender()
    accepted(book, sender, sender.next())
    code, found = refusal(book, sender, sealed(sender.place(), minute(2), **changes))
    assert code == BROKEN
    assert message in found
    assert accepted(book, sender, sender.next()) == [2]
    assert sequences(journal) == {(AGENT, EPOCH): [1, 2]}


@pytest.mark.parametrize("place", [ChainPlace("other", EPOCH, 1, GENESIS), ChainPlace(AGENT, EPOCH + 1, 1, GENESIS)])
def test_a_batch_sealed_for_another_chain(place: ChainPlace, book: Chains) -> None:
    assert refusal(book, Sender(), sealed(place, minute(1)))[0] == BROKEN


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sequence": 0}, MALFORMED),
        ({"sequence": -1}, MALFORMED),
        ({"samples": b"no Arrow"}, MALFORMED),
        ({"dead_letters": bytes(9_000)}, intake_pb2.REFUSAL_CODE_TOO_LARGE),
    ],
)
def test_a_batch_that_cannot_be_read(changes: dict[str, Any], code: int, journal: Journal) -> None:
    book, sender = chains(journal, batch_bytes_max=9_000), Sender()
    assert refusal(book, sender, sealed(sender.place(), minute(1), **changes))[0] == code
    assert accepted(book, sender, sender.next()) == [1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 0}, "hello: schema 0 is not 1, the one this ledger reads"),
        ({"schema": 2}, "hello: schema 2 is not 1, the one this ledger reads"),
        ({"agent": ""}, "hello: agent '' is not a name of lower-case letters, digits, dots and hyphens"),
        ({"agent": "Shop"}, "hello: agent 'Shop' is not a name"),
        ({"agent": "record/shop"}, "hello: agent 'record/shop' is not a name"),
        ({"agent": "shop\n"}, "hello: agent 'shop\\n' is not a name"),
        ({"agent": "a" * 64}, f"hello: agent '{'a' * 64}' is not a name"),
        ({"epoch": 0}, "hello: epoch 0 is not a positive number of microseconds"),
        ({"epoch": -(2**63)}, f"hello: epoch {-(2**63)} is not a positive number of microseconds"),
        ({"checkpoint_size": -1}, "hello: checkpoint_size -1 is negative"),
    ],
)
def test_a_hello_that_is_refused(changes: dict[str, Any], message: str, book: Chains) -> None:
    hello = Sender().hello()
    for name, value in changes.items():
        setattr(hello, name, value)
    with pytest.raises(Refused) as caught:
        book.hello(hello)
    assert caught.value.code == MALFORMED
    assert str(caught.value).startswith(message)


def test_epochs_and_agents_have_chains_of_their_own(book: Chains, journal: Journal) -> None:
    senders = [Sender(), Sender(epoch=EPOCH + 1), Sender("depot-agent")]
    for _ in range(2):
        for sender in senders:
            accepted(book, sender, sender.next())
    assert sequences(journal) == {(sender.agent, sender.epoch): [1, 2] for sender in senders}


def test_heads_are_kept_over_a_restart(tmp_path: Path) -> None:
    sender = Sender()
    batches = [sender.next() for _ in range(3)]
    for life, batch in enumerate(batches, 1):
        with opened(tmp_path) as journal:
            book = chains(journal)
            assert resume(book, sender)[0] == life - 1
            assert accepted(book, sender, batch) == [life]
    with opened(tmp_path) as journal:
        book = chains(journal)
        assert resume(book, sender) == (3, sender.hash)
        assert accepted(book, sender, *batches) == [1, 2, 3]
        assert sequences(journal) == {(AGENT, EPOCH): [1, 2, 3]}


def test_a_full_disk_leaves_no_hole_and_resuming_goes_on(book: Chains, journal: Journal, disk: Disk) -> None:
    sender = Sender()
    accepted(book, sender, sender.next())
    durable = (1, sender.hash)
    batches = [sender.next() for _ in range(4)]
    chain = book.hello(sender.hello())
    disk.hold()
    futures = [book.accept(chain, batches[0])]
    assert disk.syncing.wait(WAIT_S)
    disk.full = True
    futures += [book.accept(chain, batch) for batch in batches[1:]]
    disk.may_sync.set()
    assert futures[0].result(WAIT_S) == 2
    assert all(isinstance(future.exception(WAIT_S), LogUnavailable) for future in futures[1:])
    with pytest.raises(Refused, match="an earlier batch could not be written; say hello again") as caught:
        book.accept(chain, batches[3])
    assert caught.value.code == UNAVAILABLE
    # Also a replay of what failed is no replay.
    with pytest.raises(Refused, match="say hello again"):
        book.accept(chain, batches[2])
    with pytest.raises(LogUnavailable):
        book.durable(chain)
    assert resume(book, sender) == (2, batches[0].hash) != durable
    disk.full = False
    assert accepted(book, sender, *batches) == [2, 3, 4, 5]
    assert sequences(journal) == {(AGENT, EPOCH): [1, 2, 3, 4, 5]}


def test_whoever_stops_waiting_changes_nothing(book: Chains, journal: Journal, disk: Disk) -> None:
    """A stream that breaks cancels the futures that it awaits, while the batches are on their way to the disk."""
    sender = Sender()
    batch = sender.next()
    disk.hold()
    chain = book.hello(sender.hello())
    assert not book.accept(chain, batch).cancel()
    again = book.accept(chain, batch)
    disk.may_sync.set()
    assert again.result(WAIT_S) == 1
    assert sequences(journal) == {(AGENT, EPOCH): [1]}


def test_a_hello_waits_for_what_is_under_way(book: Chains, disk: Disk) -> None:
    sender = Sender()
    disk.hold()
    future = book.accept(book.hello(sender.hello()), sender.next())
    found: list[tuple[int, bytes]] = []
    thread = threading.Thread(target=lambda: found.append(resume(book, sender)))
    thread.start()
    assert disk.syncing.wait(WAIT_S)
    assert not found
    disk.may_sync.set()
    thread.join(WAIT_S)
    assert found == [(1, sender.hash)]
    assert future.result(WAIT_S) == 1


def test_two_streams_of_one_agent(book: Chains, journal: Journal) -> None:
    """As with an old connection that the network has not given up yet: both send the same, each is kept once."""
    sender = Sender()
    batches = [sender.next() for _ in range(30)]
    positions: list[list[int]] = []

    def stream() -> None:
        chain = book.hello(Sender().hello())
        positions.append([future.result(WAIT_S) for future in [book.accept(chain, batch) for batch in batches]])

    threads = [threading.Thread(target=stream) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert positions == [list(range(1, 31))] * 3
    assert sequences(journal) == {(AGENT, EPOCH): list(range(1, 31))}


def test_many_agents_at_once(book: Chains, journal: Journal) -> None:
    senders = [Sender(f"agent-{number}") for number in range(8)]

    def stream(sender: Sender) -> None:
        chain = book.hello(sender.hello())
        for future in [book.accept(chain, sender.next()) for _ in range(10)]:
            future.result(WAIT_S)

    threads = [threading.Thread(target=stream, args=(sender,)) for sender in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sequences(journal) == {(sender.agent, EPOCH): list(range(1, 11)) for sender in senders}


def test_accepting_does_not_wait_for_the_tables(
    book: Chains, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables that are late, or broken, must not keep usage from being made durable."""
    monkeypatch.setattr(journal_module, "_CATCH_UP_S_MAX", 0.05)
    sender = Sender()
    old = sender.next()
    accepted(book, sender, old)
    journal.materialiser.wait_for(1, WAIT_S)
    with monkeypatch.context() as patched:
        may_go_on = threading.Event()
        apply = Tables.apply

        def waiting(*arguments: Any) -> None:
            assert may_go_on.wait(WAIT_S)
            apply(*arguments)

        patched.setattr(Tables, "apply", waiting)
        late = sender.next()
        assert accepted(book, sender, late) == [2]
        assert resume(book, sender) == (2, late.hash)
        assert accepted(book, Sender("new-agent"), Sender("new-agent").next()) == [3]
        with pytest.raises(TablesUnavailable):
            accepted(book, sender, old)
        may_go_on.set()
    assert journal.materialiser.wait_for(3, WAIT_S)
    assert accepted(book, sender, old, late) == [1, 2]


def test_whoever_only_says_hello_leaves_nothing_behind(book: Chains) -> None:
    for number in range(1_000):
        assert resume(book, Sender(f"stranger-{number}")) == (0, GENESIS)
    gc.collect()
    assert len(book._chains) == 0


def test_sealed_by_the_ledger(book: Chains, journal: Journal) -> None:
    what = content(events=[event(1)])
    encoded = {"events": sealed(ChainPlace("x", 1, 1, GENESIS), what).events}
    for position in (1, 2):
        assert book.seal(book.open("record/till", 1), what, encoded).result(WAIT_S) == position
    assert sequences(journal) == {("record/till", 1): [1, 2]}
    (head,) = [row["hash"] for row in journal.view().chains().to_pylist()]
    assert chains(journal).open("record/till", 1).hash.hex() == head
