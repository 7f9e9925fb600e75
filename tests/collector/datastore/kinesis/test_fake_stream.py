"""The fake refuses what the service refuses: who reads it too fast, too much, too late or from the wrong place is told so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from collector.datastore.kinesis.stream import Stream
from tests.collector.datastore.kinesis.following import Time
from tests.fakes.aws.kinesis import HASH_MAX, FakeKinesis
from tests.fakes.http_target import FakeTarget

STREAM = {"StreamName": "usage"}


@pytest.fixture
def client(asked: tuple[FakeTarget, Stream], kinesis: FakeKinesis) -> Iterator[Any]:
    """An SDK that neither checks nor tries again."""
    config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
    made = boto3.client("kinesis", "eu-central-1", endpoint_url=f"http://{asked[0].address}", config=config)
    yield made
    made.close()


def begun(client: Any, kinesis: FakeKinesis, number: int = 0, kind: str = "TRIM_HORIZON", **more: Any) -> str:
    shard = list(kinesis.shards)[number]
    return str(client.get_shard_iterator(**STREAM, ShardId=shard, ShardIteratorType=kind, **more)["ShardIterator"])


def refused(code: str, call: Callable[[], object]) -> None:
    with pytest.raises(ClientError) as found:
        call()
    assert found.value.response["Error"]["Code"] == code


def sequences(answer: dict[str, Any]) -> list[int]:
    return [int(record["SequenceNumber"]) for record in answer["Records"]]


def test_five_requests_a_second(client: Any, kinesis: FakeKinesis, time: Time) -> None:
    token = begun(client, kinesis)
    for _ in range(5):
        token = client.get_records(ShardIterator=token)["NextShardIterator"]
    refused("ProvisionedThroughputExceededException", lambda: client.get_records(ShardIterator=token))
    time.sleep(1.001)
    client.get_records(ShardIterator=token)


def test_ten_mib_an_answer_and_two_a_second(client: Any, kinesis: FakeKinesis, time: Time) -> None:
    for _ in range(12):
        kinesis.put(b"x" * (1 << 20))
    answer = client.get_records(ShardIterator=begun(client, kinesis))
    assert len(answer["Records"]) == 10
    token = answer["NextShardIterator"]
    time.sleep(4.9)
    refused("ProvisionedThroughputExceededException", lambda: client.get_records(ShardIterator=token))
    time.sleep(0.1)
    assert len(client.get_records(ShardIterator=token)["Records"]) == 2


def test_ten_thousand_records_an_answer(client: Any, kinesis: FakeKinesis) -> None:
    for _ in range(10_001):
        kinesis.put(b"x")
    token = begun(client, kinesis)
    refused("ValidationException", lambda: client.get_records(ShardIterator=token, Limit=10_001))
    assert len(client.get_records(ShardIterator=token)["Records"]) == 10_000


def test_iterators_expire(client: Any, kinesis: FakeKinesis, time: Time) -> None:
    token = begun(client, kinesis)
    time.sleep(300)
    token = client.get_records(ShardIterator=token)["NextShardIterator"]
    time.sleep(300.1)
    refused("ExpiredIteratorException", lambda: client.get_records(ShardIterator=token))
    refused("InvalidArgumentException", lambda: client.get_records(ShardIterator="of nobody"))


def test_places_of_a_shard(client: Any, kinesis: FakeKinesis, time: Time) -> None:
    for _ in range(3):
        kinesis.put(b"x")
        time.sleep(10)
    all_ = [put.sequence for put in kinesis.open()[0].puts]
    places = {
        "TRIM_HORIZON": ({}, all_),
        "LATEST": ({}, []),
        "AT_SEQUENCE_NUMBER": ({"StartingSequenceNumber": str(all_[1])}, all_[1:]),
        "AFTER_SEQUENCE_NUMBER": ({"StartingSequenceNumber": str(all_[1])}, all_[2:]),
        "AT_TIMESTAMP": ({"Timestamp": time.now_s - 15}, all_[2:]),
    }
    for kind, (more, expected) in places.items():
        time.sleep(1)
        assert sequences(client.get_records(ShardIterator=begun(client, kinesis, kind=kind, **more))) == expected
    refused("InvalidArgumentException", lambda: begun(client, kinesis, kind="AT_TIMESTAMP", Timestamp=time.now_s + 1))
    time.sleep(1)
    refused("InvalidArgumentException", lambda: begun(client, kinesis, kind="AT_SEQUENCE_NUMBER"))
    for number in (all_[0] + 1, all_[2] + 1_000_000):
        time.sleep(1)
        refused(
            "InvalidArgumentException",
            lambda number=number: begun(client, kinesis, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=str(number)),
        )


def test_what_is_beyond_the_retention_is_gone_without_a_word(client: Any, kinesis: FakeKinesis, time: Time) -> None:
    kinesis.put(b"x")
    time.sleep(50_000)
    kinesis.put(b"y")
    time.sleep(40_000)
    first, second = [put.sequence for put in kinesis.open()[0].puts]
    token = begun(client, kinesis, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=str(first))
    assert sequences(client.get_records(ShardIterator=token)) == [second]


@pytest.mark.parametrize("ends_with_records", [True, False])
def test_a_closed_shard_ends_and_names_its_children(
    client: Any, kinesis: FakeKinesis, time: Time, ends_with_records: bool
) -> None:
    kinesis.ends_with_records = ends_with_records
    kinesis.put(b"x")
    low, high = kinesis.split(kinesis.open()[0])
    answer = client.get_records(ShardIterator=begun(client, kinesis))
    assert len(answer["Records"]) == 1
    if not ends_with_records:
        answer = client.get_records(ShardIterator=answer["NextShardIterator"])
    assert "NextShardIterator" not in answer
    assert [child["ShardId"] for child in answer["ChildShards"]] == [low.id, high.id]
    merged = kinesis.merge(low, high)
    answer = client.get_records(ShardIterator=begun(client, kinesis, 1))
    assert answer["ChildShards"][0]["ParentShards"] == [low.id, high.id]
    rows = client.list_shards(**STREAM)["Shards"]
    assert [(row.get("ParentShardId"), row.get("AdjacentParentShardId")) for row in rows] == [
        (None, None),
        ("shardId-000000000000", None),
        ("shardId-000000000000", None),
        (low.id, high.id),
    ]
    assert ["EndingSequenceNumber" in row["SequenceNumberRange"] for row in rows] == [True, True, True, False]
    time.sleep(86_401)
    assert [row["ShardId"] for row in client.list_shards(**STREAM)["Shards"]] == [merged.id]
    refused("ResourceNotFoundException", lambda: begun(client, kinesis))


def test_records_go_where_their_keys_hash_to(kinesis: FakeKinesis) -> None:
    kinesis.create(2)
    low, high = kinesis.open()
    assert (kinesis.put(b"x", hash_key=0), kinesis.put(b"x", hash_key=HASH_MAX)) == (low, high)
    assert {kinesis.put(b"x", str(number)).id for number in range(20)} == {low.id, high.id}


def test_shards_are_listed_in_pages(client: Any, kinesis: FakeKinesis, time: Time) -> None:
    kinesis.create(5)
    page = client.list_shards(**STREAM, MaxResults=2)
    found = [row["ShardId"] for row in page["Shards"]]
    while token := page.get("NextToken"):
        refused("InvalidArgumentException", lambda token=token: client.list_shards(**STREAM, NextToken=token))
        last = token
        page = client.list_shards(NextToken=token, MaxResults=2)
        found += [row["ShardId"] for row in page["Shards"]]
    assert found == list(kinesis.shards)
    time.sleep(301)
    refused("ExpiredNextTokenException", lambda: client.list_shards(NextToken=last))


def test_what_the_model_does_not_know_is_refused(client: Any, kinesis: FakeKinesis) -> None:
    refused("UnknownOperationException", lambda: client.put_record(**STREAM, Data=b"x", PartitionKey="k"))
    refused("ValidationException", lambda: client.list_shards(StreamName="has blanks"))
    refused("ValidationException", lambda: client.list_shards(**STREAM, MaxResults=0))
    refused("ResourceNotFoundException", lambda: client.list_shards(StreamName="others"))
