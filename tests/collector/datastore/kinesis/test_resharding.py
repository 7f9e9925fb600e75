"""Shards split and merge: parents are read to their ends before their children begin, also by who has just been started."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.collector.datastore.kinesis.following import Agent, Time, event
from tests.fakes.aws.kinesis import HASH_MAX, FakeKinesis

Make = Callable[..., Agent]


def source(number: int) -> str:
    return f"kinesis/usage/shardId-{number:012d}"


def names(one: Agent) -> list[str]:
    return [identity for _, identity in one.events]


@pytest.mark.parametrize("ends_with_records", [True, False])
def test_children_begin_where_their_parent_ends(kinesis: FakeKinesis, agent: Make, ends_with_records: bool) -> None:
    kinesis.ends_with_records = ends_with_records
    one = agent()
    one.settle(2)
    kinesis.put(event("parent"))
    kinesis.split(kinesis.open()[0])
    kinesis.put(event("low"), hash_key=0)
    kinesis.put(event("high"), hash_key=HASH_MAX)
    one.settle(5)
    assert sorted(one.events) == [(source(0), "parent"), (source(1), "low"), (source(2), "high")]
    assert one.events[0][1] == "parent"
    assert list(one.lanes) == ["kinesis/usage", source(1), source(2)], "what is read to its end is left"


def test_a_child_waits_for_both_its_parents(kinesis: FakeKinesis, agent: Make) -> None:
    kinesis.create(2)
    one = agent()
    one.settle(2)
    low, high = kinesis.open()
    kinesis.put(event("low"), hash_key=0)
    kinesis.put(event("high"), hash_key=HASH_MAX)
    kinesis.merge(low, high)
    kinesis.put(event("child"))
    one.settle(1)
    kinesis.refuse("GetRecords", "InternalFailureException", times=2, status=500)
    one.settle(5)
    assert names(one)[-1] == "child"
    assert sorted(names(one)) == ["child", "high", "low"]


def test_a_child_that_waits_says_what_for_and_tells_the_time_once_more(kinesis: FakeKinesis, agent: Make) -> None:
    one = agent()
    one.settle(2)
    kinesis.put(event("parent"))
    kinesis.split(kinesis.open()[0])
    kinesis.put(event("child"), hash_key=0)
    kinesis.refuse("GetRecords", "AccessDeniedException", times=4)
    one.settle(4)
    waiting = [record for record in one.told("partial") if record.source == source(1)]
    assert "waits until shardId-000000000000 is read to its end" in waiting[0].reason
    assert names(one) == []
    one.settle(4)
    assert names(one) == ["parent", "child"]
    complete = [record for record in one.told("complete") if record.source == source(1)]
    assert complete[0].start_us <= waiting[0].start_us


def test_the_end_of_a_parent_counts_once_it_is_stored(kinesis: FakeKinesis, agent: Make) -> None:
    kinesis.ends_with_records = True
    one = agent()
    one.settle(3)
    kinesis.put(event("parent"))
    kinesis.split(kinesis.open()[0])
    kinesis.put(event("child"), hash_key=0)
    one.time.sleep(60)
    one.store("kinesis/usage", one.collect("kinesis/usage"))
    one.store("kinesis/usage", one.collect("kinesis/usage"))
    one.update()
    ending = one.collect(source(0))
    assert (ending.checkpoint["ended"], ending.more) == (True, True)
    for _ in range(2):
        assert one.collect(source(1)).events.num_rows == 0, "nobody stored that the parent has ended"
    one.store(source(0), ending)
    assert one.collect(source(1)).events.num_rows == 0, "the parent has not seen that it is stored"
    one.store(source(0), one.collect(source(0)))
    assert one.collect(source(1)).events.num_rows == 1


def test_generations_are_read_in_order_by_who_comes_late(kinesis: FakeKinesis, agent: Make) -> None:
    for generation in range(4):
        for number, shard in enumerate(kinesis.open()):
            kinesis.put(event(f"{generation}.{number}"), hash_key=shard.hash_first)
        if generation < 3:
            kinesis.split(kinesis.open()[0])
    one = agent()
    for _ in range(8):
        one.settle(2)
        one.restart()
    found = names(one)
    assert len(found) == len(set(found)) == 10
    line = ["0.0", *(f"{generation}.{generation}" for generation in range(1, 4))]
    assert [name for name in found if name in line] == line


def test_closed_shards_before_the_beginning_are_passed(kinesis: FakeKinesis, agent: Make, time: Time) -> None:
    kinesis.put(event("old"))
    kinesis.split(kinesis.open()[0])
    kinesis.put(event("also old"), hash_key=0)
    time.sleep(60)
    one = agent(start_at="latest")
    one.tick()
    kinesis.put(event("new"), hash_key=0)
    one.settle(4)
    assert names(one) == ["new"]


def test_children_of_a_stream_read_from_its_latest_are_read_whole(kinesis: FakeKinesis, agent: Make) -> None:
    one = agent(start_at="latest")
    one.settle(2)
    one.close()
    kinesis.split(kinesis.open()[0])
    kinesis.put(event("while nobody looked"), hash_key=0)
    one.time.sleep(3_600)
    one.restart()
    one.settle(5)
    assert names(one) == ["while nobody looked"]


def test_a_stream_made_anew_is_another_one(kinesis: FakeKinesis, agent: Make, time: Time) -> None:
    one = agent()
    kinesis.put(event("before"))
    one.settle(3)
    kinesis.put(event("never read"))
    kinesis.create(1)
    kinesis.put(event("after"))
    time.sleep(60)
    one.settle(4)
    assert names(one) == ["before", "after"]
    (lost,) = one.told("lost")
    assert (lost.source, "made anew" in lost.reason) == (source(0), True)


def test_a_stream_made_anew_before_it_is_listed_is_read_as_it_is(kinesis: FakeKinesis, agent: Make, time: Time) -> None:
    one = agent()
    kinesis.put(event("before"))
    one.settle(3)
    kinesis.create(1)
    time.sleep(60)
    kinesis.put(event("after"))
    one.restart()
    kinesis.refuse("ListShards", "LimitExceededException", times=2)
    one.settle(2)
    assert names(one) == ["before", "after"]
    assert one.told("lost")[0].source == source(0)
    one.settle(4)
    assert set(names(one)) == {"before", "after"}
    assert len(set(one.events)) == 2, "what is read once more is called the same"


def test_a_shard_that_had_ended_comes_back_with_a_stream_made_anew(kinesis: FakeKinesis, agent: Make) -> None:
    one = agent()
    kinesis.put(event("before"))
    one.settle(3)
    kinesis.split(kinesis.open()[0])
    one.settle(4)
    assert source(0) not in one.lanes
    kinesis.create(1)
    kinesis.put(event("after"))
    one.settle(6)
    assert names(one) == ["before", "after"]
