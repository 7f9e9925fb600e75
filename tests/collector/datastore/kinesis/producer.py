"""Puts user records together as the Kinesis Producer Library does (awslabs/amazon-kinesis-producer, aggregation-format.md).

Made with protobuf's own library, so that what reads it here by hand is held to something else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FIELDS = {
    "AggregatedRecord": [
        ("partition_key_table", 1, "repeated", "string"),
        ("explicit_hash_key_table", 2, "repeated", "string"),
        ("records", 3, "repeated", ".kpl.Record"),
    ],
    "Tag": [("key", 1, "required", "string"), ("value", 2, "optional", "string")],
    "Record": [
        ("partition_key_index", 1, "required", "uint64"),
        ("explicit_hash_key_index", 2, "optional", "uint64"),
        ("data", 3, "required", "bytes"),
        ("tags", 4, "repeated", ".kpl.Tag"),
    ],
}


@cache
def _aggregated_record() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="kpl.proto", package="kpl", syntax="proto2")
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, label, kind in fields:
            added = message.field.add(name=field, number=number, label=getattr(kinds, f"LABEL_{label.upper()}"))
            if kind.startswith("."):
                added.type, added.type_name = kinds.TYPE_MESSAGE, kind
            else:
                added.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)  # type: ignore[no-untyped-call]
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("kpl.AggregatedRecord"))


def together(records: Sequence[tuple[str, int | None, bytes]], tags: Sequence[str] = ()) -> bytes:
    """User records (partition key, explicit hash key or None, data) as one record."""
    message = _aggregated_record()()
    for key, hash_key, data in records:
        if key not in message.partition_key_table:
            message.partition_key_table.append(key)
        record = message.records.add(partition_key_index=list(message.partition_key_table).index(key), data=data)
        if hash_key is not None:
            message.explicit_hash_key_table.append(str(hash_key))
            record.explicit_hash_key_index = len(message.explicit_hash_key_table) - 1
        for tag in tags:
            record.tags.add(key=tag)
    body: bytes = message.SerializeToString()
    return sealed(body)


def sealed(body: bytes) -> bytes:
    """A message, as it is put into a record."""
    return b"\xf3\x89\x9a\xc2" + body + hashlib.md5(body).digest()
