"""The three questions that a stream is asked, and its answers in our own words.

Which shards it has (ListShards), where in one to begin (GetShardIterator), and what is there (GetRecords). Nothing here remembers
anything. The client is opened with the first question, so that missing credentials are an answer of a source and not the end of the agent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from collector.account.refusals import translated
from collector.account.session import Account
from collector.datastore.kinesis.config import KinesisConfig
from collector.datastore.kinesis.permissions import grants
from collector.errors import PermanentError, TransientError
from meterbook.wire import instants

#: Most records of one answer, and most shards of one page (Kinesis API reference, GetRecords, Limit; ListShards, MaxResults).
RECORDS_MAX, PAGE_SHARDS = 10_000, 1_000


class IteratorExpired(TransientError):
    """An iterator is older than five minutes: another one is to be asked for."""


class ShardGone(PermanentError):
    """The shard, or the whole stream, is not there."""


class PlaceRefused(PermanentError):
    """The place to begin at is none in this shard."""


@dataclass(frozen=True)
class Listed:
    """A shard as it is listed; ``first`` is its starting sequence number, the hash keys are inclusive."""

    shard_id: str
    parents: tuple[str, ...]
    first: str
    hash_first: int
    hash_last: int


@dataclass(frozen=True)
class Record:
    """A record of a shard; ``arrival_us`` is when the stream took it, approximately, 0 where it does not say."""

    sequence: str
    arrival_us: int
    data: bytes


@dataclass(frozen=True)
class Answer:
    """Records in their order, perhaps none; ``iterator`` goes on behind them and is None at the end of a closed shard."""

    records: tuple[Record, ...]
    iterator: str | None
    behind_us: int


@dataclass(frozen=True)
class Place:
    """Where to begin: at a record, behind one, at a time, or, where nothing is said, at the oldest record that there is."""

    at_sequence: str | None = None
    after_sequence: str | None = None
    at_us: int | None = None

    def asked(self) -> dict[str, Any]:
        """As GetShardIterator takes it; its times have milliseconds."""
        if self.at_sequence is not None:
            return {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": self.at_sequence}
        if self.after_sequence is not None:
            return {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": self.after_sequence}
        if self.at_us is not None:
            moment = instants.to_datetime(self.at_us // 1_000 * 1_000)
            return {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": moment}
        return {"ShardIteratorType": "TRIM_HORIZON"}


OLDEST = Place()


class Stream:
    """Asks one stream. For any number of threads."""

    def __init__(self, config: KinesisConfig) -> None:
        self._config = config
        self._grants = grants(config)
        self._account = Account(config.account, self._grants)
        self._named = {"StreamARN": arn} if (arn := config.stream_arn) else {"StreamName": config.stream_name}
        self._lock = threading.Lock()
        self._client: Any = None

    def shards(self) -> list[Listed]:
        """The shards that are not expired. Raises SourceError, also where there are more than ``shards_max``."""
        found: list[Listed] = []
        asked: dict[str, Any] = {**self._named, "MaxResults": PAGE_SHARDS}
        with self._asking("ListShards", self._config.source) as ask:
            while True:
                page = ask(**asked)
                found += [_listed(shard) for shard in page["Shards"]]
                if len(found) > self._config.shards_max:
                    most = self._config.shards_max
                    raise PermanentError(f"{self._config.source} has more shards than shards_max {most}")
                if not page.get("NextToken"):
                    return found
                asked = {"NextToken": page["NextToken"], "MaxResults": PAGE_SHARDS}

    def iterator(self, shard_id: str, place: Place) -> str:
        """An iterator of a shard. Raises SourceError, among them ShardGone and PlaceRefused."""
        with self._asking("GetShardIterator", f"{self._config.source}/{shard_id}") as ask:
            return str(ask(**self._named, ShardId=shard_id, **place.asked())["ShardIterator"])

    def records(self, shard_id: str, iterator: str) -> Answer:
        """What is there from an iterator on, at most 10,000 records or 10 MiB. Raises SourceError, among them ShardGone and IteratorExpired."""
        with self._asking("GetRecords", f"{self._config.source}/{shard_id}") as ask:
            named = {name: value for name, value in self._named.items() if name == "StreamARN"}
            answer = ask(**named, ShardIterator=iterator, Limit=RECORDS_MAX)
        records = tuple(_record(each) for each in answer["Records"])
        return Answer(records, answer.get("NextShardIterator"), int(answer.get("MillisBehindLatest") or 0) * 1_000)

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._client is not None:
                self._client.close()

    @contextmanager
    def _asking(self, operation: str, place: str) -> Iterator[Callable[..., Any]]:
        """A function that asks; what it raises is a SourceError that names the place."""
        with translated(self._grants, place):
            client = self._opened()
            try:
                yield getattr(client, _METHODS[operation])
            except client.exceptions.ExpiredIteratorException as error:
                raise IteratorExpired(f"{place}: the iterator has expired") from error
            except client.exceptions.ResourceNotFoundException as error:
                raise ShardGone(f"{place}: {operation} answers that it does not exist") from error
            except client.exceptions.InvalidArgumentException as error:
                told = str(error.response.get("Error", {}).get("Message", ""))[:300]
                raise PlaceRefused(f"{place}: {operation} refuses what it is asked: {told}") from error

    def _opened(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._account.client("kinesis", self._config.stream_region)
            return self._client


_METHODS = {"ListShards": "list_shards", "GetShardIterator": "get_shard_iterator", "GetRecords": "get_records"}


def _listed(shard: dict[str, Any]) -> Listed:
    parents = (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
    hashes = shard["HashKeyRange"]
    return Listed(
        shard["ShardId"],
        tuple(parent for parent in parents if parent),
        shard["SequenceNumberRange"]["StartingSequenceNumber"],
        int(hashes["StartingHashKey"]),
        int(hashes["EndingHashKey"]),
    )


def _record(each: dict[str, Any]) -> Record:
    arrival: datetime | None = each.get("ApproximateArrivalTimestamp")
    arrival_us = 0 if arrival is None else instants.from_datetime(arrival)
    return Record(each["SequenceNumber"], arrival_us, each["Data"])
