"""What ``ledger.journal.log`` promises, whoever keeps it."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.journal.errors import LogUnavailable, Overtaken, StoreDamaged
from ledger.journal.log import Known, Log
from ledger.journal.record import NO_HEAD, Draft, Head, Kind, Record, follow
from tests.ledger.journal.harnesses import HARNESSES, Harness
from tests.ledger.journal.logs import WAIT_S, append, check_whole, drafts, leaf, records_of, root_of
from tests.proof.trees import tree_hash


@pytest.fixture(params=HARNESSES)
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    made = HARNESSES[request.param](tmp_path)
    yield made
    made.stop()


@pytest.fixture
def log(harness: Harness) -> Log:
    """An opened log; the harness closes it."""
    return harness.open()


def outcome(future: Future[int]) -> int | BaseException:
    return future.exception(WAIT_S) or future.result()


def test_an_empty_log(log: Log) -> None:
    assert (log.end, log.refresh(), log.head("acts")) == (0, 0, NO_HEAD)
    assert log.frontier.root() == tree_hash([])
    assert records_of(log) == records_of(log, stored=True) == []
    assert log.wait_past(0, timeout_s=0.01) == 0


def test_what_is_appended_is_read_over_restarts(harness: Harness) -> None:
    chains = ["acts", "runs/m", "agent/a/b/1"]
    expected: list[tuple[str, bytes]] = []
    for life in range(4):
        log = harness.open()
        assert log.end == log.refresh() == len(expected)
        for number in range(life * 2):
            expected.append((chains[(life + number) % 3], bytes([number]) * (number * 99)))
            assert append(log, expected[-1][1], chain=expected[-1][0]) == len(expected)
        log.close()
    log = harness.open()
    found = check_whole(log)
    assert [(record.draft.chain, record.payload) for record in found] == expected
    for after in (0, 1, 5, len(expected) - 1, len(expected)):
        assert records_of(log, after) == records_of(log, after, stored=True) == found[after:]


def test_a_draft_that_was_committed_gets_the_position_of_then(log: Log) -> None:
    one, two = drafts(b"one", b"two")
    other = drafts(b"other", chain="runs/m")[0]
    assert [outcome(log.append(draft)) for draft in (one, other, two)] == [1, 2, 3]
    assert [outcome(log.append(draft)) for draft in (two, other, two)] == [3, 2, 3]
    assert len(check_whole(log)) == 3


def test_a_draft_that_does_not_follow_is_overtaken_and_leaves_nothing(log: Log) -> None:
    one, two, three = drafts(b"one", b"two", b"three")
    assert outcome(log.append(one)) == 1
    assert outcome(log.append(two)) == 2
    rival = drafts(b"rival", head=Head(1, one.hash, 1))[0]
    elsewhere = replace(three, previous=bytes(32))
    ahead = drafts(b"ahead", head=Head(3, three.hash, 3))[0]
    nothing = replace(one, sequence=0, hash=bytes(32))
    for draft in (one, rival, elsewhere, ahead, nothing, replace(ahead, chain="new"), replace(nothing, chain="new")):
        assert isinstance(outcome(log.append(draft)), Overtaken), draft
    assert log.end == 2
    assert outcome(log.append(three)) == 3
    check_whole(log)


def test_the_error_says_what_does_not_follow(log: Log) -> None:
    one, two, three = drafts(b"one", b"two", b"three", chain="agent/shop/1")
    log.append(one).result(WAIT_S)
    with pytest.raises(Overtaken, match="agent/shop/1: record 3 does not follow 1, the last one held"):
        log.append(three).result(WAIT_S)
    with pytest.raises(Overtaken, match=f"record 2 follows hash {'0' * 16}, not {one.hash.hex()[:16]}"):
        log.append(replace(two, previous=bytes(32))).result(WAIT_S)


def test_the_fence_remembers_over_restarts(harness: Harness) -> None:
    one, two = drafts(b"one", b"two")
    log = harness.open()
    log.append(one).result(WAIT_S)
    log.close()
    log = harness.open()
    assert outcome(log.append(one)) == 1
    assert isinstance(outcome(log.append(drafts(b"rival")[0])), Overtaken)
    assert outcome(log.append(two)) == 2


def test_what_is_sent_without_waiting_is_kept_in_order(log: Log) -> None:
    sent = drafts(*(b"%d" % number for number in range(200)))
    futures = [log.append(draft) for draft in sent]
    assert [future.result(WAIT_S) for future in futures] == list(range(1, 201))
    assert [record.draft for record in check_whole(log)] == sent


def test_many_threads_append_at_once(log: Log) -> None:
    def send(name: int) -> dict[bytes, int]:
        futures = {
            draft.payload: log.append(draft)
            for draft in drafts(*(b"%d/%d" % (name, number) for number in range(50)), chain=f"runs/{name}")
        }
        return {payload: future.result(WAIT_S) for payload, future in futures.items()}

    with ThreadPoolExecutor(8) as pool:
        told = {payload: position for each in pool.map(send, range(8)) for payload, position in each.items()}
    found = check_whole(log)
    assert {record.payload: record.position for record in found} == told
    assert len(found) == 400


def test_many_threads_want_the_same_place(log: Log) -> None:
    """Of what every thread wants to append at once one wins, each time."""

    def race(name: int) -> list[int | BaseException]:
        found = []
        for _ in range(20):
            head = log.head("acts")
            found.append(outcome(log.append(follow(Kind.ACT, "acts", head, b"%d" % name))))
        return found

    with ThreadPoolExecutor(6) as pool:
        outcomes = [each for found in pool.map(race, range(6)) for each in found]
    won = sorted(each for each in outcomes if isinstance(each, int))
    assert won == list(range(1, len(won) + 1))
    assert len(check_whole(log)) == len(won) >= 20
    assert all(isinstance(each, int | Overtaken) for each in outcomes)


def test_the_tree_is_over_every_record(log: Log) -> None:
    for number in range(1, 40):
        append(log, b"%d" % number)
        found = records_of(log)
        assert log.frontier.size == number
        assert log.frontier.root() == root_of(found) == tree_hash([leaf(record) for record in found])


def test_a_reader_knows_the_tree_at_its_place(log: Log) -> None:
    futures = [log.append(draft) for draft in drafts(*(b"%d" % number for number in range(30)))]
    for future in futures:
        future.result(WAIT_S)
    found = records_of(log)
    for after in range(31):
        for stored in (False, True):
            reader = log.reader(after, stored=stored)
            assert (reader.frontier.size, reader.frontier.root()) == (after, root_of(found[:after]))
            there = after
            while records := reader.read(1):
                assert records == found[there : there + len(records)]
                there += len(records)
                assert (reader.frontier.size, reader.frontier.root()) == (there, root_of(found[:there]))
            assert there == 30
            reader.close()
            reader.close()


def test_a_reader_reads_until_it_has_the_bytes(log: Log) -> None:
    append(log, *[bytes(1_000)] * 10)
    reader = log.reader()
    assert [len(reader.read(2_500)) for _ in range(5)] == [3, 3, 3, 1, 0]
    append(log, b"more")
    assert [record.payload for record in reader.read(1)] == [b"more"]
    reader.close()


def test_what_the_tables_have_can_still_be_read(log: Log) -> None:
    append(log, *(b"%d" % number for number in range(20)))
    found = records_of(log)
    for position in (1, 7, 20):
        log.applied(position)
        assert records_of(log) == found
        assert records_of(log, position) == found[position:]


@pytest.mark.slow
def test_reading_while_writing(log: Log) -> None:
    seen: list[Record] = []
    reader = log.reader()
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(append, log, *(b"%d" % number * 20 for number in range(150)))
        while len(seen) < 150:
            assert log.wait_past(len(seen), WAIT_S) > len(seen)
            seen += reader.read(1 << 20)
            log.applied(random.randint(0, len(seen)))
        assert writing.result() == 150
    reader.close()
    assert seen == check_whole(log)


def test_waiting_ends_when_something_was_appended(log: Log) -> None:
    append(log, b"one")
    assert log.wait_past(0, WAIT_S) == 1
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(log.wait_past, 1, WAIT_S)
        append(log, b"two")
        assert waiting.result() == 2


def test_whoever_stops_waiting_does_not_stop_the_log(log: Log) -> None:
    one, two = drafts(b"one", b"two")
    assert not log.append(one).cancel()
    assert outcome(log.append(two)) == 2


def test_closing_writes_what_waits(harness: Harness) -> None:
    log = harness.open()
    sent = drafts(*(b"%d" % number for number in range(200)))
    futures = [log.append(draft) for draft in sent]
    log.close()
    log.close()
    assert [future.result(0) for future in futures] == list(range(1, 201))
    late = drafts(b"late", head=Head(200, sent[-1].hash, 200))[0]
    with pytest.raises(LogUnavailable, match="closed"):
        log.append(late).result(WAIT_S)
    assert len(check_whole(harness.open())) == 200


def test_appending_while_closing_leaves_nobody_waiting(harness: Harness) -> None:
    told = 0
    for life in range(5):
        log = harness.open()
        futures: list[Future[int]] = []

        def send(log: Log = log, life: int = life, futures: list[Future[int]] = futures) -> None:
            futures += [log.append(draft) for draft in drafts(*[b"x"] * 300, chain=f"runs/{life}")]

        threads = [threading.Thread(target=each) for each in (send, log.close, log.close)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        outcomes = [outcome(future) for future in futures]
        # What comes after one that was too late does not follow any more, or is too late itself.
        positions = [each for each in outcomes if isinstance(each, int)]
        assert outcomes[: len(positions)] == positions
        assert all(isinstance(each, LogUnavailable | Overtaken) for each in outcomes[len(positions) :])
        told += len(positions)
    assert len(check_whole(harness.open())) == told


def test_what_was_acknowledged_survives_the_process(harness: Harness) -> None:
    told: list[Draft] = []
    for _ in range(4):
        log = harness.open()
        assert [record.draft for record in check_whole(log)] == told
        head = log.head("acts")
        more = drafts(*(b"%d" % number * 100 for number in range(10)), head=head)
        for future in [log.append(draft) for draft in more]:
            future.result(WAIT_S)
        told += more
        harness.kill(log)
    assert [record.draft for record in check_whole(harness.open())] == told


def test_heads_come_from_the_tables_where_these_are_further(harness: Harness) -> None:
    log = harness.open()
    append(log, *(b"%d" % number for number in range(30)))
    append(log, b"one", chain="runs/m")
    heads = {chain: log.head(chain) for chain in ("acts", "runs/m")}
    tenth = records_of(log)[9]
    early = Head(10, tenth.draft.hash, 10)
    log.close()
    for known in (Known(31, heads), Known(10, {"acts": early}), Known()):
        log = harness.open(known)
        assert {chain: log.head(chain) for chain in heads} == heads
        check_whole(log)
        log.close()


def test_a_log_that_ends_before_the_tables_is_refused(harness: Harness) -> None:
    with pytest.raises(StoreDamaged, match="ends at position 0, but the tables have seen 3"):
        harness.open(Known(3))
    log = harness.open()
    append(log, b"one", b"two")
    log.close()
    with pytest.raises(StoreDamaged, match="ends at position 2, but the tables have seen 3"):
        harness.open(Known(3))
    assert len(check_whole(harness.open())) == 2


@pytest.mark.parametrize("position", [1, 9, 29])
def test_a_damaged_record_is_refused(harness: Harness, position: int) -> None:
    log = harness.open()
    append(log, *(b"payload %d" % number * 20 for number in range(30)))
    known = Known(30, {"acts": log.head("acts")})
    log.close()
    harness.damage(position)
    # Whether at once or where it is read: the tables may have what the log need not read again.
    with pytest.raises(StoreDamaged):
        records_of(harness.open(known), stored=True)


def test_a_reader_that_met_damage_does_not_step_over_it(harness: Harness) -> None:
    log = harness.open()
    append(log, *(b"payload %d" % number * 20 for number in range(30)))
    known = Known(30, {"acts": log.head("acts")})
    log.close()
    harness.damage(5)
    try:
        log = harness.open(known)
    except StoreDamaged:
        return
    reader = log.reader(stored=True)
    for _ in range(3):
        with pytest.raises(StoreDamaged):
            reader.read(1 << 20)
    assert reader.frontier.size == 0
    before = [record.position for record in reader.read(1)]
    assert before == list(range(1, len(before) + 1))
    assert 0 < len(before) < 5
    reader.close()
