"""Kinesis data streams over HTTP, as an SDK speaks to them: shards that split and merge, iterators that expire, records that are trimmed.

It follows the Kinesis API reference (ListShards, GetShardIterator, GetRecords) and the developer guide ("Quotas and limits", "After a
reshard", "Change the data retention period"). Requests are held to the model of the service that the SDK carries: unknown members,
lengths, ranges and patterns, and the errors that an operation has. Time is what the clock says.

* GetRecords: 10,000 records or 10 MiB, five requests a second and 2 MiB a second for each shard; more is refused. An answer may be
  empty though records follow. An iterator lives for five minutes.
* A closed shard ends with an answer without an iterator that names its children; once all its records are beyond the retention it is
  neither listed nor found.
* A place beyond the retention counts as the oldest record there is; a sequence number of another shard is refused.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler
from typing import Any

import botocore.session
from botocore.model import ServiceModel, Shape

HASH_MAX = (1 << 128) - 1
ITERATOR_S, TOKEN_S = 300.0, 300.0
RECORDS_MAX, ANSWER_BYTES_MAX = 10_000, 10 << 20
CALLS_PER_S, BYTES_PER_S = 5, 2 << 20
#: Above any number that fits into a float.
_BASE = 49590338271490256608559692538361571095921575989136588898


@cache
def model() -> ServiceModel:
    return botocore.session.Session().get_service_model("kinesis")


class Refusal(Exception):
    """An error of the service."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


@dataclass(frozen=True)
class Put:
    sequence: int
    arrival_s: float
    data: bytes
    key: str


@dataclass
class FakeShard:
    number: int
    first: int
    hash_first: int
    hash_last: int
    parents: tuple[str, ...] = ()
    puts: list[Put] = field(default_factory=list)
    closed_s: float | None = None
    children: tuple[str, ...] = ()
    calls_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    busy_until_s: float = 0.0

    @property
    def id(self) -> str:
        return f"shardId-{self.number:012d}"


@dataclass
class _Iterator:
    shard: str
    behind: int
    issued_s: float
    empties: int


class FakeKinesis:
    """One stream. ``answer`` is what an HTTP server is to do with a request (see ``tests.fakes.http_target``)."""

    def __init__(
        self, clock: Callable[[], float], *, name: str = "usage", shards: int = 1, retention_s: float = 86_400
    ) -> None:
        self.clock, self.name, self.retention_s = clock, name, retention_s
        self.arn = f"arn:aws:kinesis:eu-central-1:123456789012:stream/{name}"
        #: What the next requests are refused with, by operation.
        self.faults: dict[str, list[Refusal | None]] = defaultdict(list)
        self.requests: list[str] = []
        #: Empty answers before the first record that is found from the oldest place on; most records of an answer; most shards of a page.
        self.empties, self.page_records, self.page_shards = 0, RECORDS_MAX, 1_000
        #: Whether the last records of a closed shard come with its end, and not before it.
        self.ends_with_records = False
        self._iterators: dict[str, _Iterator] = {}
        self._tokens: dict[str, tuple[int, float]] = {}
        self._sequence = 0
        self.create(shards)

    # What programs that own the stream do.

    def create(self, shards: int) -> None:
        """Make the stream; a second time, delete it before."""
        self.shards: dict[str, FakeShard] = {}
        self._iterators.clear()
        width = (HASH_MAX + 1) // shards
        for number in range(shards):
            self._add(number * width, HASH_MAX if number == shards - 1 else (number + 1) * width - 1, ())

    def put(self, data: bytes, key: str = "key", hash_key: int | None = None) -> FakeShard:
        """Put a record; gives the shard that it went to."""
        hashed = int.from_bytes(hashlib.md5(key.encode()).digest(), "big") if hash_key is None else hash_key
        (shard,) = [each for each in self.open() if each.hash_first <= hashed <= each.hash_last]
        shard.puts.append(Put(self._next(shard.number), self.clock(), data, key))
        return shard

    def open(self) -> list[FakeShard]:
        return [shard for shard in self.shards.values() if shard.closed_s is None]

    def split(self, shard: FakeShard) -> tuple[FakeShard, FakeShard]:
        middle = (shard.hash_first + shard.hash_last + 1) // 2
        self._close(shard)
        low = self._add(shard.hash_first, middle - 1, (shard.id,))
        high = self._add(middle, shard.hash_last, (shard.id,))
        shard.children = (low.id, high.id)
        return low, high

    def merge(self, low: FakeShard, high: FakeShard) -> FakeShard:
        assert low.hash_last + 1 == high.hash_first, "only neighbours are merged"
        self._close(low)
        self._close(high)
        child = self._add(low.hash_first, high.hash_last, (low.id, high.id))
        low.children = high.children = (child.id,)
        return child

    def expire_iterators(self) -> None:
        for iterator in self._iterators.values():
            iterator.issued_s = float("-inf")

    def refuse(self, operation: str, code: str, times: int = 1, status: int = 400, *, after: int = 0) -> None:
        """Refuse requests, after some that are answered."""
        self.faults[operation] += [*[None] * after, *[Refusal(code, "as the test wants it", status)] * times]

    # What readers see.

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        prefix, _, operation = handler.headers.get("X-Amz-Target", "").partition(".")
        try:
            if prefix != model().metadata["targetPrefix"] or operation not in _OPERATIONS:
                raise Refusal("UnknownOperationException", operation)
            status, document = 200, self._serve(operation, json.loads(body))
        except Refusal as refusal:
            status, document = refusal.status, {"__type": refusal.code, "message": str(refusal)}
        text = json.dumps(document).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/x-amz-json-1.1")
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    def _serve(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        self.requests.append(operation)
        shape = model().operation_model(operation)
        fault = self.faults[operation].pop(0) if self.faults[operation] else None
        if fault is not None:
            raise fault
        _check(shape.input_shape, given, operation)
        if given.get("StreamName", self.name) != self.name or given.get("StreamARN", self.arn) != self.arn:
            raise Refusal("ResourceNotFoundException", "Stream not found.")
        found: dict[str, Any] = _OPERATIONS[operation](self, given)
        assert found.keys() <= shape.output_shape.members.keys()
        return found

    def _list(self, given: dict[str, Any]) -> dict[str, Any]:
        token = given.get("NextToken")
        if (token is None) == ("StreamName" not in given and "StreamARN" not in given):
            raise Refusal("InvalidArgumentException", "either a token or a stream")
        start = 0
        if token is not None:
            start, issued_s = self._tokens.get(token, (0, float("-inf")))
            if self.clock() - issued_s > TOKEN_S:
                raise Refusal("ExpiredNextTokenException", "the token has expired")
        rows = [_row(shard) for shard in self.shards.values() if not self._is_expired(shard)]
        stop = start + min(given.get("MaxResults", 1_000), 1_000, self.page_shards)
        page: dict[str, Any] = {"Shards": rows[start:stop]}
        if stop < len(rows):
            page["NextToken"] = f"from-{stop}-{len(self._tokens)}"
            self._tokens[page["NextToken"]] = (stop, self.clock())
        return page

    def _iterator(self, given: dict[str, Any]) -> dict[str, Any]:
        shard = self._found(given["ShardId"])
        self._count(shard, "GetShardIterator")
        kind, sequence, moment = (
            given["ShardIteratorType"], given.get("StartingSequenceNumber"), given.get("Timestamp")
        )  # fmt: skip
        if (sequence is None) == kind.endswith("SEQUENCE_NUMBER") or (moment is None) == (kind == "AT_TIMESTAMP"):
            raise Refusal("InvalidArgumentException", f"{kind} goes with other arguments")
        if sequence is not None and (int(sequence) - _BASE) % 1_000 != shard.number:
            raise Refusal("InvalidArgumentException", "Invalid StartingSequenceNumber. It encodes another shard")
        if sequence is not None and not shard.first <= int(sequence) <= _BASE + self._sequence * 1_000 + 999:
            raise Refusal("InvalidArgumentException", "the sequence number did not come from this stream")
        if moment is not None and moment > self.clock():
            raise Refusal("InvalidArgumentException", "the time is in the future")
        last = shard.puts[-1].sequence if shard.puts else shard.first
        if kind == "AT_TIMESTAMP":
            place = bisect_left([put.arrival_s for put in shard.puts], moment)
            behind = shard.puts[place].sequence - 1 if place < len(shard.puts) else last
        else:
            behind = {"TRIM_HORIZON": shard.first, "LATEST": last}.get(kind) or int(sequence or 0)
            behind -= kind == "AT_SEQUENCE_NUMBER"
        kept = self._kept(shard)
        is_trimmed = len(kept) < len(shard.puts) and behind < shard.puts[-len(kept) - 1].sequence
        empties = self.empties if kind == "TRIM_HORIZON" or is_trimmed else 0
        return {"ShardIterator": self._issued(shard, behind, empties)}

    def _records(self, given: dict[str, Any]) -> dict[str, Any]:
        if given.get("Limit", 1) > RECORDS_MAX:
            raise Refusal("InvalidArgumentException", "Limit")
        iterator = self._iterators.get(given["ShardIterator"])
        if iterator is None:
            raise Refusal("InvalidArgumentException", "Invalid ShardIterator")
        shard = self._found(iterator.shard)
        if self.clock() - iterator.issued_s > ITERATOR_S:
            raise Refusal("ExpiredIteratorException", "Iterator expired.")
        self._count(shard, "GetRecords")
        if self.clock() < shard.busy_until_s:
            raise Refusal("ProvisionedThroughputExceededException", "Rate exceeded for shard")
        kept = self._kept(shard)
        if iterator.empties:
            token = self._issued(shard, iterator.behind, iterator.empties - 1)
            behind_ms = int((self.clock() - kept[0].arrival_s) * 1_000) + 1 if kept else 1
            return {"Records": [], "NextShardIterator": token, "MillisBehindLatest": behind_ms}
        start = bisect_right([put.sequence for put in kept], iterator.behind)
        found: list[Put] = []
        size = 0
        for put in kept[start : start + min(given.get("Limit", RECORDS_MAX), self.page_records)]:
            size += len(put.data)
            if size > ANSWER_BYTES_MAX:
                break
            found.append(put)
        shard.busy_until_s = self.clock() + max(0.0, sum(len(put.data) for put in found) / BYTES_PER_S - 1e-6)
        left = kept[start + len(found) :]
        behind_ms = max(1, int((self.clock() - left[0].arrival_s) * 1_000)) if left else 0
        answer: dict[str, Any] = {"Records": [_shown(put) for put in found], "MillisBehindLatest": behind_ms}
        if shard.closed_s is not None and not left and (not found or self.ends_with_records):
            children = [self.shards[each] for each in shard.children if each in self.shards]
            return {**answer, "ChildShards": [_child(each) for each in children]}
        return {**answer, "NextShardIterator": self._issued(shard, found[-1].sequence if found else iterator.behind, 0)}

    def _kept(self, shard: FakeShard) -> list[Put]:
        return [put for put in shard.puts if put.arrival_s > self.clock() - self.retention_s]

    def _is_expired(self, shard: FakeShard) -> bool:
        return shard.closed_s is not None and shard.closed_s <= self.clock() - self.retention_s

    def _found(self, shard_id: str) -> FakeShard:
        shard = self.shards.get(shard_id)
        if shard is None or self._is_expired(shard):
            raise Refusal("ResourceNotFoundException", f"Shard {shard_id} does not exist")
        return shard

    def _count(self, shard: FakeShard, operation: str) -> None:
        now_s = self.clock()
        calls = shard.calls_s[operation] = [each for each in shard.calls_s[operation] if each > now_s - 1]
        if len(calls) >= CALLS_PER_S:
            raise Refusal("ProvisionedThroughputExceededException", "Rate exceeded for shard")
        calls.append(now_s)

    def _issued(self, shard: FakeShard, behind: int, empties: int) -> str:
        token = f"{len(self._iterators):056d}"
        self._iterators[token] = _Iterator(shard.id, behind, self.clock(), empties)
        return token

    def _next(self, number: int) -> int:
        self._sequence += 1
        return _BASE + self._sequence * 1_000 + number

    def _add(self, hash_first: int, hash_last: int, parents: tuple[str, ...]) -> FakeShard:
        number = len(self.shards)
        shard = FakeShard(number, self._next(number), hash_first, hash_last, parents)
        self.shards[shard.id] = shard
        return shard

    def _close(self, shard: FakeShard) -> None:
        assert shard.closed_s is None
        shard.closed_s = self.clock()


_OPERATIONS: dict[str, Callable[[FakeKinesis, dict[str, Any]], dict[str, Any]]] = {
    "ListShards": FakeKinesis._list,
    "GetShardIterator": FakeKinesis._iterator,
    "GetRecords": FakeKinesis._records,
}


def _check(shape: Shape, given: dict[str, Any], operation: str) -> None:
    """Hold a request to the model."""
    members: dict[str, Shape] = shape.members  # type: ignore[attr-defined]
    wrong = [*(given.keys() - members.keys()), *(set(shape.metadata.get("required", ())) - given.keys())]
    for name, value in given.items():
        limits = members[name].metadata if name in members else {}
        size = value if isinstance(value, int) else len(value) if isinstance(value, str) else None
        if size is not None and not limits.get("min", size) <= size <= limits.get("max", size):
            wrong.append(name)
        if isinstance(value, str) and not re.fullmatch(limits.get("pattern", ".*"), value):
            wrong.append(name)
    if wrong:
        raise Refusal("ValidationException", f"{operation}: {', '.join(sorted(wrong))}")


def _row(shard: FakeShard) -> dict[str, Any]:
    sequences = {"StartingSequenceNumber": str(shard.first)}
    if shard.closed_s is not None:
        sequences["EndingSequenceNumber"] = str((shard.puts[-1].sequence if shard.puts else shard.first) + 1)
    row: dict[str, Any] = {"ShardId": shard.id, "HashKeyRange": _hashes(shard), "SequenceNumberRange": sequences}
    return row | dict(zip(("ParentShardId", "AdjacentParentShardId"), shard.parents, strict=False))


def _child(shard: FakeShard) -> dict[str, Any]:
    return {"ShardId": shard.id, "ParentShards": list(shard.parents), "HashKeyRange": _hashes(shard)}


def _hashes(shard: FakeShard) -> dict[str, str]:
    return {"StartingHashKey": str(shard.hash_first), "EndingHashKey": str(shard.hash_last)}


def _shown(put: Put) -> dict[str, Any]:
    return {
        "SequenceNumber": str(put.sequence),
        "ApproximateArrivalTimestamp": round(put.arrival_s, 3),
        "Data": base64.b64encode(put.data).decode(),
        "PartitionKey": put.key,
    }
