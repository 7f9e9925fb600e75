"""Records that the Kinesis Producer Library (KPL) puts together: many user records in one record of the stream.

::

    F3 89 9A C2 | AggregatedRecord | MD5 of the message

    message AggregatedRecord { repeated string partition_key_table = 1; repeated string explicit_hash_key_table = 2;
                               repeated Record records = 3; }
    message Record { required uint64 partition_key_index = 1; optional uint64 explicit_hash_key_index = 2;
                     required bytes data = 3; repeated Tag tags = 4; }

(awslabs/amazon-kinesis-producer, aggregation-format.md). Around a reshard the library may put user records together for a shard that is
not theirs any more. It sees where they arrived, and puts those again that hash to another shard; so they must not count where they are
out of place. A user record goes by its explicit hash key, and without one by the MD5 of its partition key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from collector.exposition.protobuf.malformed import Malformed
from collector.exposition.protobuf.varints import varint

MAGIC = b"\xf3\x89\x9a\xc2"
_DIGEST_BYTES = 16
_VARINT, _LENGTH = 0, 2
_FIXED = {1: 8, 5: 4}
#: Most user records of a record; one of 10 MiB has room for so many of 50 bytes.
_USER_RECORDS_MAX = 200_000


class NotAggregated(Exception):
    """The bytes look like such a record and are none. The message goes on after "the record"."""


@dataclass(frozen=True)
class UserRecord:
    """A user record, and the hash key that says in which shard it belongs."""

    data: bytes
    hash_key: int


def is_aggregated(data: bytes) -> bool:
    """Whether a record begins as those that were put together do."""
    return data.startswith(MAGIC)


def user_records(data: bytes) -> list[UserRecord]:
    """The user records of a record, in their order. Raises NotAggregated."""
    stop = len(data) - _DIGEST_BYTES
    if stop < len(MAGIC):
        raise NotAggregated("begins as one of the KPL and ends at once")
    digest = hashlib.md5(data[len(MAGIC) : stop], usedforsecurity=False).digest()
    if digest != data[stop:]:
        raise NotAggregated("begins as one of the KPL, but its checksum is another one")
    try:
        return _read(data, stop)
    except Malformed as error:
        raise NotAggregated(f"begins as one of the KPL, but its {error}") from None


def _read(data: bytes, stop: int) -> list[UserRecord]:
    keys: list[bytes] = []
    hash_keys: list[bytes] = []
    records: list[tuple[int, int]] = []
    for number, start, end in _fields(data, len(MAGIC), stop):
        if number == 1:
            keys.append(data[start:end])
        elif number == 2:
            hash_keys.append(data[start:end])
        elif number == 3:
            records.append((start, end))
            if len(records) > _USER_RECORDS_MAX:
                raise Malformed(start, f"begins another than the {_USER_RECORDS_MAX} user records that are taken")
    hashes = dict[int, int]()
    return [_record(data, start, end, keys, hash_keys, hashes) for start, end in records]


def _record(
    data: bytes, begin: int, stop: int, keys: list[bytes], hash_keys: list[bytes], hashes: dict[int, int]
) -> UserRecord:
    key = hash_key = content = None
    for number, start, end in _fields(data, begin, stop, numbers=(1, 2)):
        if number == 1:
            key = start
        elif number == 2:
            hash_key = start
        elif number == 3:
            content = data[start:end]
    if key is None or content is None:
        raise Malformed(begin, "begins a user record without a key or without data")
    if key >= len(keys) or (hash_key is not None and hash_key >= len(hash_keys)):
        raise Malformed(begin, "begins a user record whose key is not in the table")
    if hash_key is not None:
        text = hash_keys[hash_key]
        if not text.isdigit() or len(text) > 39:
            raise Malformed(begin, "begins a user record whose hash key is no number of 128 bits")
        return UserRecord(content, int(text))
    if key not in hashes:
        hashes[key] = int.from_bytes(hashlib.md5(keys[key], usedforsecurity=False).digest(), "big")
    return UserRecord(content, hashes[key])


def _fields(data: bytes, at: int, stop: int, numbers: tuple[int, ...] = ()) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of each field; of one of ``numbers``, which are varints, its value as start and end. Raises Malformed."""
    while at < stop:
        begin = at
        tag, at = varint(data, at, stop)
        number, wire = tag >> 3, tag & 7
        expected = _VARINT if number in numbers else _LENGTH
        if number in (1, 2, 3, 4) and wire != expected:
            raise Malformed(begin, f"begins field {number} with wire type {wire}")
        if wire == _VARINT:
            value, at = varint(data, at, stop)
            yield number, value, value
            continue
        if wire == _LENGTH:
            size, at = varint(data, at, stop)
        elif wire in _FIXED:
            size = _FIXED[wire]
        else:
            raise Malformed(begin, f"begins a field of wire type {wire}, which is none")
        if size > stop - at:
            raise Malformed(begin, "begins a field that is longer than the message around it")
        yield number, at, at + size
        at += size
