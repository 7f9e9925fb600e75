"""However a stream is written, split, merged, throttled and read, each of its events is stored once, and parents come before children."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.kinesis.stream import Stream
from tests.collector.datastore.kinesis.following import INTERVAL_S, Agent, Time, event, zipped
from tests.fakes.aws.kinesis import HASH_MAX, FakeKinesis
from tests.fakes.http_target import FakeTarget

ACTS = st.one_of(
    st.tuples(st.just("put"), st.integers(0, HASH_MAX), st.integers(1, 4)),
    st.tuples(st.just("put"), st.integers(0, HASH_MAX), st.integers(1, 4)),
    st.tuples(st.just("zip"), st.integers(0, HASH_MAX), st.integers(1, 4)),
    st.tuples(st.just("split"), st.integers(0, 7), st.just(0)),
    st.tuples(st.just("merge"), st.integers(0, 7), st.just(0)),
    st.tuples(st.just("expire"), st.just(0), st.just(0)),
    st.tuples(st.just("throttle"), st.integers(1, 3), st.integers(0, 2)),
    st.tuples(st.just("break"), st.integers(1, 3), st.integers(0, 2)),
    st.tuples(st.just("wait"), st.integers(1, 900), st.just(0)),
    st.tuples(st.just("tick"), st.just(0), st.just(0)),
    st.tuples(st.just("tick"), st.just(0), st.just(0)),
    st.tuples(st.just("die"), st.integers(0, 6), st.just(0)),
)
OPERATIONS = ("ListShards", "GetShardIterator", "GetRecords")


class Play:
    """Does what was drawn to a stream and to its reader, and keeps the truth."""

    def __init__(self, kinesis: FakeKinesis, agent: Agent) -> None:
        self.kinesis, self.agent = kinesis, agent
        self.put: dict[str, str] = {}

    def act(self, what: str, first: int, second: int) -> None:
        kinesis = self.kinesis
        if what in ("put", "zip"):
            names = [f"e{len(self.put) + number}" for number in range(second)]
            data = zipped(*names) if what == "zip" else b"\n".join(map(event, names)) + b"\n"
            shard = kinesis.put(data, hash_key=first)
            self.put |= dict.fromkeys(names, shard.id)
        elif what == "split" and len(kinesis.shards) < 8:
            kinesis.split(kinesis.open()[first % len(kinesis.open())])
        elif what == "merge" and len(kinesis.open()) > 1 and len(kinesis.shards) < 8:
            neighbours = sorted(kinesis.open(), key=lambda shard: shard.hash_first)
            at = first % (len(neighbours) - 1)
            kinesis.merge(neighbours[at], neighbours[at + 1])
        elif what == "expire":
            kinesis.expire_iterators()
        elif what in ("throttle", "break"):
            code, status = (
                ("ProvisionedThroughputExceededException", 400)
                if what == "throttle"
                else ("InternalFailureException", 500)
            )
            kinesis.refuse(OPERATIONS[second], code, first, status)
        elif what == "wait":
            self.agent.time.sleep(first)
        elif what == "tick":
            self.agent.time.sleep(INTERVAL_S)
            self.agent.tick()
        elif what == "die":
            left = iter(range(first))
            self.agent.tick(stores=lambda: next(left, None) is not None)
            self.agent.restart()

    def check(self) -> None:
        for faults in self.kinesis.faults.values():
            faults.clear()
        for _ in range(len(self.kinesis.shards) + 3):
            if self.agent.found.total() == len(self.put):
                break
            self.agent.settle(1)
        self.agent.settle(2)
        assert self.agent.found == Counter(list(self.put))
        assert [source.rpartition("/")[2] for source, _ in self.agent.events] == [
            self.put[name] for _, name in self.agent.events
        ]
        shards = [source.rpartition("/")[2] for source, _ in self.agent.events]
        for shard in self.kinesis.shards.values():
            for parent in shard.parents:
                if shard.id in shards and parent in shards:
                    assert len(shards) - shards[::-1].index(parent) <= shards.index(shard.id)
        assert not self.agent.told("lost")
        assert not self.agent.letters


@given(
    shards=st.integers(1, 3),
    page=st.integers(1, 3),
    lines=st.integers(1, 5),
    empties=st.integers(0, 2),
    ends_with_records=st.booleans(),
    acts=st.lists(ACTS, max_size=20),
)
def test_nothing_is_lost_and_nothing_twice(
    asked: tuple[FakeTarget, Stream],
    shards: int,
    page: int,
    lines: int,
    empties: int,
    ends_with_records: bool,
    acts: list[tuple[str, int, int]],
) -> None:
    target, stream = asked
    time = Time()
    kinesis = FakeKinesis(time, shards=shards)
    kinesis.page_records, kinesis.page_shards = page, page
    kinesis.empties, kinesis.ends_with_records = empties, ends_with_records
    target.answer = kinesis.answer
    play = Play(kinesis, Agent(target.address, time, asks=stream, lines_max=lines))
    for act in acts:
        play.act(*act)
    play.check()
