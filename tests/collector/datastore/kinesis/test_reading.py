"""What is put into a stream is read once: over pages, pauses, refusals and restarts, within the limits of the service."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from collector.datastore.eventcolumns import EventColumns, EventReader
from collector.datastore.layouts import Places
from collector.readings import Readings
from meterbook.wire.sections import EVENTS
from tests.collector.conftest import series_of
from tests.collector.datastore.kinesis.following import BEGIN_S, INTERVAL_S, Agent, Time, event, zipped
from tests.fakes.aws.kinesis import FakeKinesis

Make = Callable[..., Agent]
SHARD = "kinesis/usage/shardId-000000000000"


def ids(readings: Readings) -> list[str]:
    return list(readings.events["id"].to_pylist())


def test_the_sources_are_the_stream_and_its_shards(kinesis: FakeKinesis, agent: Make) -> None:
    one = agent()
    one.settle(2)
    assert [each.source for each in one.sources.current()] == ["kinesis/usage", SHARD]
    assert {record.status for record in one.coverage} == {"complete"}


def test_lines_are_events_however_they_are_put(kinesis: FakeKinesis, agent: Make) -> None:
    one = agent()
    kinesis.put(event("a"))
    kinesis.put(event("b") + b"\n" + event("c") + b"\n")
    kinesis.put(zipped("d", "e"))
    kinesis.put(b"")
    one.settle(3)
    assert [identity for _, identity in one.events] == ["a", "b", "c", "d", "e"]
    assert one.letters == []


def test_what_is_no_event_says_where_it_stood(kinesis: FakeKinesis, agent: Make) -> None:
    one = agent(line_bytes_max=200)
    kinesis.put(b"\n".join([event("a"), b"no JSON", b"", b"x" * 201, event("b")]))
    kinesis.put(zipped("c")[:20])
    sequences = [put.sequence for put in kinesis.open()[0].puts]
    one.settle(3)
    assert sorted(one.found) == ["a", "b"]
    assert [letter.place for letter in one.letters] == [
        f"{SHARD}@{sequences[0]}#2",
        f"{SHARD}@{sequences[0]}#4",
        f"{SHARD}@{sequences[1]}#1",
    ]
    assert "line_bytes_max 200" in one.letters[1].reason
    assert "gzip" in one.letters[2].reason


class Anonymous(EventReader):
    """Reads lines that have no id: they are called by their places."""

    def __init__(self, source: str, names: Callable[[Places], pa.Array]) -> None:
        super().__init__(source, "value")
        self._names = names

    def read(self, block: bytes, starts: Places, ends: Places) -> EventColumns:
        found = super().read(block, starts, ends)
        named = found.events.set_column(
            found.events.schema.get_field_index("id"), EVENTS.field("id"), self._names(starts[found.rows])
        )
        return EventColumns(named, found.rows, found.left)


def test_lines_without_an_id_are_known_by_their_places(kinesis: FakeKinesis, agent: Make) -> None:
    kinesis.put(event("x") + b"\n" + event("x"))
    kinesis.put(zipped("x"))
    first, second = [put.sequence for put in kinesis.open()[0].puts]
    expected = [f"{SHARD}@{first}#1", f"{SHARD}@{first}#2", f"{SHARD}@{second}#1"]
    for most in (1_000, 2, 1):
        one = agent(lines_max=most)
        one.reader = Anonymous
        one.restart()
        one.settle(3)
        assert [identity for _, identity in one.events] == expected


def test_lines_of_another_shape_are_mapped(kinesis: FakeKinesis, agent: Make) -> None:
    mapping = {
        "time": {"field": "at", "form": "unix_s"},
        "type": {"const": "job"},
        "source": {"const": "/jobs"},
        "value": "s",
    }
    one = agent(mapping=mapping)
    first = kinesis.put(b'{"at":1767225600,"s":1.5}\n{"at":1767225601,"s":2}\n{"at":"x"}').puts[0].sequence
    one.settle(3)
    assert one.events == [(SHARD, f"{SHARD}@{first}#1"), (SHARD, f"{SHARD}@{first}#2")]
    (letter,) = one.letters
    assert letter.place == f"{SHARD}@{first}#3"
    assert letter.reason.startswith("time ")


def test_a_record_with_many_lines_is_read_in_portions(kinesis: FakeKinesis, agent: Make) -> None:
    names = [f"e{number}" for number in range(25)]
    kinesis.put(zipped(*names[:12]))
    kinesis.put(zipped(*names[12:]))
    one = agent(lines_max=5)
    one.settle(1)
    while one.found.total() < len(names):
        one.restart()
        one.tick()
        readings = one.collect(SHARD)
        assert readings.events.num_rows <= 5
        one.store(SHARD, readings)
    assert [identity for _, identity in one.events] == names
    assert one.letters == []


def test_the_same_checkpoint_gives_the_same_again(kinesis: FakeKinesis, agent: Make) -> None:
    one = agent(lines_max=3)
    kinesis.page_records = 2
    one.settle(2)
    for number in range(10):
        kinesis.put(event(f"e{number}"))
    first = one.collect(SHARD)
    again = one.collect(SHARD)
    assert ids(first) == ids(again) == ["e0", "e1", "e2"]
    assert first.checkpoint["sequence"] == again.checkpoint["sequence"]
    one.restart()
    one.tick(stores=lambda: False)
    one.tick()
    one.settle(2)
    assert [identity for _, identity in one.events] == [f"e{number}" for number in range(10)]


@pytest.mark.parametrize(("start_at", "expected"), [("trim_horizon", "abc"), ("latest", "c"), (60, "bc")])
def test_where_to_begin_is_told(
    kinesis: FakeKinesis, agent: Make, time: Time, start_at: str | int, expected: str
) -> None:
    for name in "ab":
        kinesis.put(event(name))
        time.sleep(100)
    if isinstance(start_at, int):
        start_at = datetime.fromtimestamp(BEGIN_S + start_at, UTC).isoformat()
    one = agent(start_at=start_at)
    one.tick()
    kinesis.put(event("c"))
    one.restart()
    one.settle(3)
    assert "".join(one.found) == expected


def test_a_beginning_in_the_future_is_waited_for(kinesis: FakeKinesis, agent: Make, time: Time) -> None:
    one = agent(start_at=datetime.fromtimestamp(BEGIN_S + 100, UTC).isoformat())
    kinesis.put(event("a"))
    one.settle(3)
    assert "future" in one.told("failed")[0].reason
    time.sleep(100)
    kinesis.put(event("b"))
    one.settle(3)
    assert list(one.found) == ["b"]


def test_expired_iterators_are_renewed_in_the_same_collection(kinesis: FakeKinesis, agent: Make) -> None:
    one = agent()
    kinesis.put(event("a"))
    one.settle(3)
    kinesis.expire_iterators()
    kinesis.put(event("b"))
    one.settle(1)
    assert one.found == {"a": 1, "b": 1}
    kinesis.refuse("GetRecords", "ExpiredIteratorException", times=9)
    one.settle(1)
    assert "expire as soon as" in one.coverage[-1].reason


def test_an_iterator_that_is_refused_is_not_used_again(kinesis: FakeKinesis, agent: Make) -> None:
    one = agent()
    one.settle(3)
    kinesis.refuse("GetRecords", "InvalidArgumentException")
    kinesis.put(event("a"))
    one.settle(1)
    assert "GetRecords refuses what it is asked" in one.told("failed")[0].reason
    before = kinesis.requests.count("GetShardIterator")
    one.settle(1)
    assert (kinesis.requests.count("GetShardIterator") - before, one.found) == (1, {"a": 1})


def test_a_pause_longer_than_an_iterator_lives_is_none(kinesis: FakeKinesis, agent: Make, time: Time) -> None:
    one = agent()
    kinesis.put(event("a"))
    one.settle(3)
    time.sleep(3_600)
    kinesis.put(event("b"))
    one.settle(1)
    assert one.found == {"a": 1, "b": 1}
    assert {record.status for record in one.coverage} == {"complete"}


def test_who_is_throttled_says_so_and_goes_on_later(kinesis: FakeKinesis, agent: Make) -> None:
    one = agent()
    one.settle(3)
    kinesis.put(event("a"))
    kinesis.refuse("GetRecords", "ProvisionedThroughputExceededException")
    before = one.checkpoints[SHARD]
    one.settle(1)
    (record,) = one.told("throttled")
    assert (record.source, "GetRecords is throttled" in record.reason) == (SHARD, True)
    assert one.checkpoints[SHARD] == before
    one.settle(1)
    assert one.found == {"a": 1}
    complete = one.coverage[-1]
    assert complete.start_us <= record.start_us, "the time is told of once more"


def test_records_before_a_refusal_are_kept(kinesis: FakeKinesis, agent: Make) -> None:
    kinesis.page_records = 1
    one = agent()
    one.settle(2)
    for name in "abc":
        kinesis.put(event(name))
    kinesis.refuse("GetRecords", "InternalFailureException", status=500, after=2)
    readings = one.collect(SHARD)
    assert ids(readings) == ["a", "b"]
    assert (readings.more, readings.coverage[-1].status) == (False, "failed")
    one.store(SHARD, readings)
    one.settle(1)
    assert one.found == dict.fromkeys("abc", 1)


def test_the_pace_stays_below_what_a_shard_answers(kinesis: FakeKinesis, agent: Make) -> None:
    big = b"\n".join(event(f"{'x' * 900}{number}") for number in range(900))
    for _ in range(40):
        kinesis.put(big)
    kinesis.page_records = 15
    one = agent(read_bytes_max=4 << 20)
    begin_s = one.time.now_s
    one.settle(3)
    assert one.found.total() == 40 * 900
    assert {record.status for record in one.coverage} <= {"complete", "partial"}
    assert one.time.now_s - begin_s >= 40 * len(big) / one.config.bytes_per_s_max


def test_a_collection_ends_in_time_however_far_behind_it_is(kinesis: FakeKinesis, agent: Make, time: Time) -> None:
    kinesis.page_records = 1
    for number in range(4):
        kinesis.put(event("x" * 60_000 + str(number)))
    one = agent(bytes_per_s_max=5_000)
    one.tick()
    for _ in range(4):
        before_s = time.now_s
        readings = one.collect(SHARD)
        one.store(SHARD, readings)
        assert readings.events.num_rows == 1
        assert time.now_s - before_s < 13, "no longer than what is waited for before the one request that is asked"
    assert not readings.more


def test_empty_answers_are_no_end(kinesis: FakeKinesis, agent: Make) -> None:
    kinesis.empties = 5
    one = agent()
    kinesis.put(event("a"))
    one.settle(3)
    assert one.found == {"a": 1}
    assert {record.status for record in one.coverage} == {"complete"}


def test_how_far_behind_is_a_gauge(kinesis: FakeKinesis, agent: Make, time: Time) -> None:
    kinesis.page_records = 1
    one = agent(lines_max=1)
    one.settle(2)
    kinesis.put(event("a"))
    time.sleep(40)
    kinesis.put(event("b"))
    time.sleep(60)
    readings = one.collect(SHARD)
    (series,) = series_of(readings).values()
    assert (series.metric, series.kind, series.unit) == ("kinesis_behind_seconds", "gauge", "seconds")
    assert series.source == SHARD
    assert readings.samples["value"].to_pylist() == [pytest.approx(60, abs=1)]
    one.store(SHARD, readings)
    one.settle(1)
    assert one.behind_s[SHARD] == 0


def test_who_is_behind_calls_complete_what_was_read(kinesis: FakeKinesis, agent: Make, time: Time) -> None:
    kinesis.page_records = 1
    one = agent(lines_max=1)
    one.settle(2)
    for number in range(3):
        kinesis.put(event(f"e{number}"))
        time.sleep(100)
    ends = []
    for _ in range(4):
        readings = one.collect(SHARD)
        one.store(SHARD, readings)
        (record,) = readings.coverage
        assert record.status == "complete"
        ends.append(record.end_us / 1e6 - BEGIN_S)
    arrivals = [put.arrival_s - BEGIN_S for put in kinesis.open()[0].puts]
    assert ends[:2] == [pytest.approx(arrival, abs=1) for arrival in arrivals[1:]]
    assert ends[2] == pytest.approx(time.now_s - BEGIN_S, abs=1)
    assert one.found.total() == 3


def test_what_was_fetched_and_not_given_is_not_called_complete(kinesis: FakeKinesis, agent: Make, time: Time) -> None:
    one = agent(lines_max=1)
    one.settle(2)
    for number in range(3):
        kinesis.put(event(f"e{number}"))
        time.sleep(50)
    statuses = []
    for _ in range(3):
        readings = one.collect(SHARD)
        one.store(SHARD, readings)
        statuses.append([record.status for record in readings.coverage])
    assert statuses == [["partial"], ["partial"], ["complete"]]
    first = one.told("partial")[0]
    assert (first.reason, one.coverage[-1].start_us <= first.start_us) == (
        f"{SHARD} is behind and is read on at once",
        True,
    )
    assert kinesis.requests.count("GetRecords") == 2, "one answer for all three, and one before them"


def test_a_first_collection_that_fails_leaves_no_mark(kinesis: FakeKinesis, agent: Make) -> None:
    one = agent()
    one.tick()
    kinesis.refuse("GetShardIterator", "InternalFailureException", status=500)
    readings = one.collect(SHARD)
    assert (readings.checkpoint, readings.coverage[0].status) == ({}, "failed")


def test_a_stream_that_is_not_there_says_so(kinesis: FakeKinesis, agent: Make) -> None:
    one = agent(is_apart=True, stream="others")
    one.settle(2)
    assert [record.status for record in one.coverage] == ["failed"] * 2
    assert "kinesis/others: ListShards answers that it does not exist" in one.coverage[0].reason


def test_who_may_not_read_is_told_what_to_grant(kinesis: FakeKinesis, agent: Make) -> None:
    one = agent()
    kinesis.refuse("ListShards", "AccessDeniedException")
    one.settle(1)
    assert '"kinesis:ListShards"' in one.coverage[0].reason
    assert "arn:aws:kinesis:eu-central-1:*:stream/usage" in one.coverage[0].reason
    one.settle(2)
    kinesis.refuse("GetRecords", "AccessDeniedException")
    one.settle(1)
    assert '"kinesis:GetRecords"' in one.told("failed")[-1].reason


def test_the_shards_are_read_on_while_they_cannot_be_listed(kinesis: FakeKinesis, agent: Make) -> None:
    one = agent()
    one.settle(2)
    one.restart()
    kinesis.refuse("ListShards", "LimitExceededException", times=9)
    kinesis.put(event("a"))
    one.settle(2)
    assert {record.status for record in one.coverage if record.source == "kinesis/usage"} == {"complete", "throttled"}
    assert one.found == {"a": 1}


def test_too_many_shards_are_refused_by_the_setting(kinesis: FakeKinesis, agent: Make) -> None:
    kinesis.create(3)
    kinesis.page_shards = 1
    one = agent(is_apart=True, shards_max=2)
    one.settle(1)
    assert one.coverage[0].reason.endswith("shards_max 2")


def test_the_arn_is_asked_for_where_it_is_known(kinesis: FakeKinesis, agent: Make) -> None:
    one = agent(is_apart=True, stream=kinesis.arn, name="theirs")
    kinesis.put(event("a"))
    one.settle(3)
    assert one.events == [("kinesis/theirs/shardId-000000000000", "a")]


def test_without_credentials_the_stream_says_so(
    kinesis: FakeKinesis, agent: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/credentials")
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/config")
    one = agent(is_apart=True)
    one.settle(1)
    assert "no AWS credentials are found" in one.coverage[0].reason


def test_a_round_is_a_request_for_each_shard(kinesis: FakeKinesis, agent: Make) -> None:
    one = agent()
    one.settle(3)
    before = len(kinesis.requests)
    one.settle(4)
    assert kinesis.requests[before:] == ["ListShards", "GetRecords"] * 4
    assert one.config.interval_s == INTERVAL_S
