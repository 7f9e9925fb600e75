"""The data of a record as pieces of text: as it is, decompressed, or taken apart where the Kinesis Producer Library put several together.

What is in a record is told by its first bytes, since nothing else tells. No record unpacks to more than a bound; what is beyond it, or
damaged, is a piece that says so, and the others are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from collector.datastore.cloudevents import DOCUMENT_LENGTH_MAX
from collector.datastore.inflate import Damaged, plain
from collector.datastore.kinesis.aggregated import NotAggregated, is_aggregated, user_records

#: A compressed text may consist of very many, each a few bytes long: it is read in portions that are cheap to copy.
_PORTION_BYTES = 1 << 14


@dataclass(frozen=True)
class Refused:
    """A piece that cannot be read: how it begins, and why not."""

    head: bytes
    reason: str


def pieces(data: bytes, hash_first: int, hash_last: int, bytes_max: int) -> Iterator[bytes | Refused]:
    """The texts in the data of a record, of a shard with these hash keys; together at most ``bytes_max`` bytes."""
    if not is_aggregated(data):
        yield _text(data, bytes_max, bytes_max)
        return
    try:
        found = user_records(data)
    except NotAggregated as error:
        yield Refused(_head(data), f"the record {error}")
        return
    left = bytes_max
    for each in found:
        if not hash_first <= each.hash_key <= hash_last:
            yield Refused(
                _head(each.data), "its key belongs into another shard, into which its producer puts it once more"
            )
            continue
        text = _text(each.data, left, bytes_max)
        left -= len(text) if isinstance(text, bytes) else 0
        yield text


def _text(data: bytes, left: int, bytes_max: int) -> bytes | Refused:
    found = bytearray()
    try:
        for portion in plain(data[at : at + _PORTION_BYTES] for at in range(0, len(data), _PORTION_BYTES)):
            found += portion
            if len(found) > left:
                return Refused(_head(found), f"the record unpacks to more than record_bytes_max {bytes_max}")
    except Damaged as error:
        return Refused(_head(found or data), f"of the record {error}")
    return bytes(found)


def _head(data: bytes | bytearray) -> bytes:
    return bytes(data[: DOCUMENT_LENGTH_MAX * 4])
