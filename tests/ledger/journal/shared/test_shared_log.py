"""Several replicas keep one log: every record once, one order, whoever wrote it."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest

from ledger.journal.errors import Overtaken
from ledger.journal.place import SharedPlace
from ledger.journal.record import NO_HEAD, Draft, Head
from meterbook.proof.merkle import Frontier
from tests.ledger.journal.shared.places import WAIT_S, batch, records_of, replica


def chain_of(name: str, count: int, size: int = 100) -> list[Draft]:
    drafts: list[Draft] = []
    for number in range(1, count + 1):
        previous = drafts[-1].hash if drafts else bytes(32)
        drafts.append(batch(name, number, previous, b"%s/%d " % (name.encode(), number) + b"x" * size))
    return drafts


def test_what_one_replica_writes_the_other_reads(place: SharedPlace) -> None:
    with replica(place) as one, replica(place) as two:
        drafts = chain_of("a", 5)
        assert [one.append(draft).result(WAIT_S) for draft in drafts] == [1, 2, 3, 4, 5]
        assert two.end == 0
        assert two.refresh() == 5
        assert two.frontier == one.frontier
        assert [record.draft for record in records_of(two)] == drafts
        assert two.head("a") == Head(5, drafts[-1].hash, 5)
        assert two.head("b") == NO_HEAD
        assert two.append(batch("b", 1)).result(WAIT_S) == 6
        assert one.wait_past(5, WAIT_S) == 6
        records = records_of(one)
        assert records == records_of(one, stored=True) == records_of(two)
        assert [record.position for record in records] == [1, 2, 3, 4, 5, 6]
        assert Frontier().appended(record.leaf for record in records) == one.frontier == two.frontier
        assert all(a.time_us <= b.time_us for a, b in pairwise(records))
        for after in range(7):
            reader = two.reader(after)
            assert reader.frontier == Frontier().appended(record.leaf for record in records[:after])
            assert records_of(two, after) == records[after:]


def test_replicas_that_are_fed_the_same_batches_keep_each_once(place: SharedPlace) -> None:
    chains = {f"agent/{name}/1": chain_of(f"agent/{name}/1", 30) for name in "abcdef"}
    outcomes: dict[tuple[str, int], set[int]] = {}
    lock = threading.Lock()

    def feed(log_number: int, name: str) -> None:
        for draft in chains[name]:
            try:
                position = logs[log_number].append(draft).result(WAIT_S)
            except Overtaken:
                continue
            with lock:
                outcomes.setdefault((name, draft.sequence), set()).add(position)

    with replica(place) as one, replica(place) as two, replica(place) as three:
        logs = [one, two, three]
        threads = [threading.Thread(target=feed, args=(number, name)) for number in range(3) for name in chains]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        three.refresh()
        records = records_of(three, stored=True)
    assert {(r.draft.chain, r.draft.sequence): {r.position} for r in records} == outcomes
    for name, drafts in chains.items():
        assert [record.draft for record in records if record.draft.chain == name] == drafts


def test_a_repeat_of_the_head_gets_its_old_position_and_leaves_no_object(place: SharedPlace) -> None:
    with replica(place) as one, replica(place) as two:
        first, second = chain_of("a", 2)
        one.append(first).result(WAIT_S)
        assert two.append(first).result(WAIT_S) == 1
        with pytest.raises(Overtaken, match="a: record 3 does not follow 1"):
            two.append(batch("a", 3, second.hash)).result(WAIT_S)
        assert two.append(second).result(WAIT_S) == 2
        assert two.end == 2
