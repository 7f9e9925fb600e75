"""Every protobuf message survives serialization, whatever it holds."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

from meterbook.intake.v1 import intake_pb2
from meterbook.ledger.v1 import admin_pb2, journal_pb2, query_pb2

MESSAGES: list[Descriptor] = [
    message
    for file in (intake_pb2, admin_pb2, journal_pb2, query_pb2)
    for message in file.DESCRIPTOR.message_types_by_name.values()
]

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_CELLS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_STRING: _TEXT,
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=40),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.TYPE_DOUBLE: st.floats(allow_nan=False),
}


def _is_repeated(field: FieldDescriptor) -> bool:
    return bool(field.label == FieldDescriptor.LABEL_REPEATED)


def _cell(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return _messages(field.message_type)
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    return _CELLS[field.type]


def _value(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if not _is_repeated(field):
        return _cell(field)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return st.dictionaries(*(_cell(part) for part in field.message_type.fields), max_size=2)
    return st.lists(_cell(field), max_size=2)


def _messages(descriptor: Descriptor) -> st.SearchStrategy[Message]:
    values = {field.name: _value(field) for field in descriptor.fields}
    return st.fixed_dictionaries({}, optional=values).map(lambda given_: GetMessageClass(descriptor)(**given_))


@given(st.sampled_from(MESSAGES).flatmap(_messages))
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    read = type(message).FromString(message.SerializeToString())
    assert read == message


@pytest.mark.parametrize("descriptor", MESSAGES, ids=lambda descriptor: descriptor.name)
def test_an_empty_message_has_no_bytes(descriptor: Descriptor) -> None:
    assert GetMessageClass(descriptor)().SerializeToString() == b""


def test_bytes_that_are_no_message_are_refused() -> None:
    with pytest.raises(DecodeError):
        intake_pb2.Batch.FromString(b"\x08")


def test_a_stream_message_holds_one_thing() -> None:
    message = intake_pb2.ClientMessage(hello=intake_pb2.Hello(agent="a"))
    message.batch.CopyFrom(intake_pb2.Batch(sequence=1))
    assert message.WhichOneof("message") == "batch"
