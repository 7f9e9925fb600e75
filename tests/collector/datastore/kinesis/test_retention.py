"""What expires unread is told as lost, with its time; what did not expire is not, however long nobody looked."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.kinesis.stream import Stream
from tests.collector.datastore.kinesis.following import INTERVAL_S, Agent, Time, event
from tests.fakes.aws.kinesis import FakeKinesis
from tests.fakes.http_target import FakeTarget

Make = Callable[..., Agent]
HOUR = 3_600.0
SHARD = "kinesis/usage/shardId-000000000000"


def names(one: Agent) -> list[str]:
    return [identity for _, identity in one.events]


def lost_s(one: Agent, begin_s: float) -> list[tuple[str, float, float]]:
    """Sources and hours, since a beginning, of what is told as lost."""
    told = one.told("lost")
    return [
        (each.source, (each.start_us / 1e6 - begin_s) / HOUR, (each.end_us / 1e6 - begin_s) / HOUR) for each in told
    ]


def descendants(kinesis: FakeKinesis, shard_id: str) -> set[str]:
    """The shards that came out of one."""
    children = set(kinesis.shards[shard_id].children)
    return children.union(*(descendants(kinesis, child) for child in children))


@pytest.mark.parametrize("empties", [0, 2])
def test_records_that_expired_unread_are_lost(kinesis: FakeKinesis, agent: Make, time: Time, empties: int) -> None:
    kinesis.empties = empties
    one = agent()
    kinesis.put(event("a"))
    one.settle(3)
    begin_s = time.now_s
    kinesis.put(event("b"))
    time.sleep(20 * HOUR)
    kinesis.put(event("c"))
    time.sleep(10 * HOUR)
    one.restart()
    one.settle(3)
    assert names(one) == ["a", "c"]
    ((source, first, last),) = lost_s(one, begin_s)
    assert (source, first, last) == (SHARD, pytest.approx(0, abs=0.01), pytest.approx(6, abs=0.1))
    assert "beyond the stream's retention" in one.told("lost")[0].reason
    assert one.coverage[-1].status == "complete"


def test_a_shard_without_records_loses_nothing_in_time(kinesis: FakeKinesis, agent: Make, time: Time) -> None:
    one = agent()
    kinesis.put(event("a"))
    one.settle(3)
    for _ in range(60):
        time.sleep(HOUR)
        one.tick()
    kinesis.put(event("b"))
    one.settle(1)
    assert names(one) == ["a", "b"]
    assert one.told("lost") == []


def test_a_stream_that_keeps_more_loses_nothing(kinesis: FakeKinesis, agent: Make, time: Time) -> None:
    kinesis.retention_s = 7 * 24 * HOUR
    one = agent()
    kinesis.put(event("a"))
    one.settle(3)
    time.sleep(20 * HOUR)
    kinesis.put(event("b"))
    time.sleep(30 * HOUR)
    one.restart()
    one.settle(3)
    assert names(one) == ["a", "b"]
    assert one.told("lost") == []


def test_a_shard_that_expired_unread_is_lost_and_its_children_are_not(
    kinesis: FakeKinesis, agent: Make, time: Time
) -> None:
    one = agent()
    kinesis.put(event("a"))
    one.settle(3)
    begin_s = time.now_s
    kinesis.put(event("b"))
    kinesis.split(kinesis.open()[0])
    time.sleep(30 * HOUR)
    kinesis.put(event("c"), hash_key=0)
    one.restart()
    one.settle(6)
    assert names(one) == ["a", "c"]
    parents = [each for each in lost_s(one, begin_s) if each[0] == SHARD]
    assert parents == [(SHARD, pytest.approx(0, abs=0.01), pytest.approx(6, abs=0.1))]
    assert SHARD not in one.lanes
    assert len(one.checkpoints["kinesis/usage"]["shards"]) == 2


def test_of_a_shard_that_nobody_ever_saw_its_children_tell(kinesis: FakeKinesis, agent: Make, time: Time) -> None:
    one = agent()
    one.settle(4)
    begin_s = time.now_s
    low, _ = kinesis.split(kinesis.open()[0])
    time.sleep(HOUR)
    kinesis.put(event("unseen"), hash_key=0)
    _, last = kinesis.split(low)
    time.sleep(30 * HOUR)
    one.settle(6)
    assert names(one) == []
    assert f"kinesis/usage/{low.id}" not in {record.source for record in one.coverage}
    told = [each for each in lost_s(one, begin_s) if each[0].endswith(last.id)]
    assert told == [(f"kinesis/usage/{last.id}", pytest.approx(0, abs=0.1), pytest.approx(7, abs=0.1))]


def test_a_shard_that_was_read_to_its_end_expires_without_a_word(kinesis: FakeKinesis, agent: Make, time: Time) -> None:
    one = agent()
    kinesis.put(event("a"))
    one.settle(3)
    kinesis.split(kinesis.open()[0])
    one.settle(5)
    for _ in range(30):
        time.sleep(HOUR)
        one.tick()
        one.restart()
    assert one.told("lost") == []
    assert [row["shard_id"][-1] for row in one.checkpoints["kinesis/usage"]["shards"]] == ["1", "2"]


def test_a_stream_that_cannot_be_found_for_a_while_has_lost_nothing(kinesis: FakeKinesis, agent: Make) -> None:
    one = agent()
    kinesis.put(event("a"))
    one.settle(3)
    for operation in ("ListShards", "GetShardIterator", "GetRecords"):
        kinesis.refuse(operation, "ResourceNotFoundException", times=2)
    kinesis.put(event("b"))
    one.settle(2)
    assert {record.source for record in one.told("failed")} == {"kinesis/usage", SHARD}
    one.settle(3)
    assert names(one) == ["a", "b"]
    assert one.told("lost") == []


def test_a_beginning_before_the_retention_is_told(kinesis: FakeKinesis, agent: Make, time: Time) -> None:
    begin_s = time.now_s
    kinesis.put(event("a"))
    time.sleep(30 * HOUR)
    kinesis.put(event("b"))
    one = agent(start_at="2026-01-01T00:00:00Z")
    one.settle(3)
    assert names(one) == ["b"]
    assert lost_s(one, begin_s) == [(SHARD, pytest.approx(0), pytest.approx(6, abs=0.1))]


def test_what_is_lost_is_told_again_by_who_did_not_store_it(kinesis: FakeKinesis, agent: Make, time: Time) -> None:
    one = agent()
    kinesis.put(event("a"))
    one.settle(3)
    time.sleep(40 * HOUR)
    first, again = one.collect(SHARD), one.collect(SHARD)
    assert [record.status for record in first.coverage] == ["lost", "complete"]
    assert first.coverage[0] == again.coverage[0]
    one.store(SHARD, again)
    one.settle(2)
    assert len(one.told("lost")) == 1


def test_records_that_expire_while_somebody_catches_up_are_lost(kinesis: FakeKinesis, agent: Make, time: Time) -> None:
    kinesis.page_records = 1
    one = agent(lines_max=1)
    one.settle(2)
    begin_s = time.now_s
    for number in range(4):
        kinesis.put(event(f"e{number}"))
        time.sleep(HOUR)
    time.sleep(19.5 * HOUR)
    one.store(SHARD, one.collect(SHARD))
    time.sleep(2 * HOUR)
    one.settle(2)
    assert names(one) == ["e0", "e2", "e3"]
    ((_, first, last),) = lost_s(one, begin_s)
    assert first <= 1 <= last < 2


def test_records_that_expire_between_two_answers_are_lost(kinesis: FakeKinesis, agent: Make, time: Time) -> None:
    kinesis.page_records = 1
    one = agent(lines_max=1)
    one.settle(2)
    begin_s = time.now_s
    for number in range(3):
        kinesis.put(event(f"e{number}"))
        time.sleep(100)
    time.sleep(24 * HOUR - 400)
    one.store(SHARD, one.collect(SHARD))
    time.sleep(220)
    one.settle(1)
    assert names(one) == ["e0", "e2"]
    ((_, first, last),) = lost_s(one, begin_s)
    assert first <= 100 / HOUR <= last < 200 / HOUR


@pytest.mark.slow
@given(
    acts=st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.integers(1, 2)),
            st.tuples(st.just("sleep"), st.integers(1, 20)),
            st.tuples(st.just("split"), st.just(0)),
            st.tuples(st.just("tick"), st.just(0)),
            st.tuples(st.just("die"), st.integers(0, 3)),
        ),
        max_size=16,
    ),
    empties=st.integers(0, 1),
    most=st.sampled_from([1, 2, 1_000]),
)
def test_what_is_not_stored_is_told_as_lost(
    asked: tuple[FakeTarget, Stream], acts: list[tuple[str, int]], empties: int, most: int
) -> None:
    target, stream = asked
    time = Time()
    kinesis = FakeKinesis(time)
    kinesis.empties, kinesis.page_records = empties, most
    target.answer = kinesis.answer
    one = Agent(target.address, time, asks=stream, lines_max=most)
    one.settle(2)
    puts: dict[str, tuple[str, float]] = {}
    for what, number in acts:
        if what == "put":
            for _ in range(number):
                name = f"e{len(puts)}"
                puts[name] = (kinesis.put(event(name), name).id, time.now_s)
        elif what == "sleep":
            time.sleep(number * HOUR)
        elif what == "split" and len(kinesis.shards) < 5:
            kinesis.split(kinesis.open()[0])
        elif what == "tick":
            time.sleep(INTERVAL_S)
            one.tick()
        elif what == "die":
            left = iter(range(number))
            one.tick(stores=lambda left=left: next(left, None) is not None)
            one.restart()
    one.settle(8)
    assert max(one.found.values(), default=1) == 1
    seen = {record.source.rpartition("/")[2] for record in one.coverage}
    for name, (shard, arrival_s) in puts.items():
        # Of a shard that came and expired while nobody looked, its children tell.
        tellers = {shard} if shard in seen else descendants(kinesis, shard)
        told = any(
            each.source.rpartition("/")[2] in tellers
            and each.start_us <= arrival_s * 1e6 + 1
            and arrival_s * 1e6 - 1 <= each.end_us
            for each in one.told("lost")
        )
        assert name in one.found or told, f"{name} is neither stored nor told of as lost"
