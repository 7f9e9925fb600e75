"""Clients that mean harm get a clear answer or are cut off, and nobody else notices them."""

from __future__ import annotations

import itertools
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import grpc
import numpy as np
import pyarrow as pa
import pytest

from ledger.intake.contents import IntakeLimits
from meterbook.intake.v1 import intake_pb2
from meterbook.ledger.v1 import query_pb2
from meterbook.ledger.v1.query_pb2_grpc import QueryStub
from meterbook.wire import sections
from meterbook.wire.sections import RECORD_BATCHES_MAX, SCHEMAS
from tests.ledger.batches import DAY, Sender, content, event, series
from tests.ledger.server.besieged import (
    HELLO_TIMEOUT_S,
    WAIT_S,
    Besieged,
    Messages,
    WellBehaved,
    carrying,
    good_table,
    said,
    siege,
    until,
    with_section,
)

pytestmark = pytest.mark.slow

LIMITS = IntakeLimits()


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    found = Besieged(tmp_path_factory.mktemp("besieged"))
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="module")
def agent(ledger: Besieged) -> Iterator[WellBehaved]:
    with grpc.insecure_channel(ledger.address) as channel:
        found = WellBehaved(channel)
        try:
            until(lambda: found.acked or found.trouble, "the first ack")
            yield found
        finally:
            found.stop()


@pytest.fixture(autouse=True)
def besieged(ledger: Besieged, agent: WellBehaved) -> Iterator[None]:
    with siege(ledger, agent):
        yield


def stalling(*messages: intake_pb2.ClientMessage, going_on: threading.Event) -> Messages:
    yield from messages
    going_on.wait(WAIT_S)


def test_five_hundred_connections_that_say_nothing_or_garbage(ledger: Besieged, agent: WellBehaved) -> None:
    with ExitStack() as opened:
        for number in range(500):
            client = opened.enter_context(socket.create_connection(("127.0.0.1", ledger.port)))
            if number % 5 == 0:
                with suppress(ConnectionError):
                    client.sendall((b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + os.urandom(64))[number % 90 :])
        before = agent.acked
        until(lambda: agent.acked > before + 5, "acks meanwhile")


def test_streams_without_a_hello_are_ended(ledger: Besieged, agent: WellBehaved) -> None:
    with ledger.connection() as stub:
        going_on = threading.Event()
        streams = [stub.Stream(stalling(going_on=going_on)) for _ in range(20)]
        before = agent.acked
        answers = [next(stream).refusal for stream in streams]
        assert agent.acked > before
        going_on.set()
    assert {each.message for each in answers} == {f"no hello within hello_timeout_s {HELLO_TIMEOUT_S:g}"}


def test_a_hello_and_then_silence_on_as_many_streams_as_one_agent_may_have(ledger: Besieged) -> None:
    going_on = threading.Event()
    with ExitStack() as opened:
        streams = []
        for _ in range(LIMITS.streams_per_agent_max):
            stub = opened.enter_context(ledger.connection())
            streams.append(stub.Stream(stalling(said(Sender("silent")), going_on=going_on)))
            assert next(streams[-1]).HasField("resume")
        code, sentence = ledger.refusal(said(Sender("silent")))
        assert code == "UNAVAILABLE"
        assert sentence.endswith("as many as streams_per_agent_max allows")
        going_on.set()


def test_a_hello_that_holds_a_checkpoint_which_never_was(ledger: Besieged) -> None:
    for checkpoint_size, kind in ((-1, "refusal"), (10**6, "resume"), (2**63 - 1, "resume")):
        hello = said(Sender("dreamer"))
        hello.hello.checkpoint_size = checkpoint_size
        (answer,) = ledger.talk(hello)
        assert answer.WhichOneof("message") == kind


def test_messages_of_the_largest_size_on_as_many_streams_as_one_agent_may_have(ledger: Besieged) -> None:
    garbage = os.urandom(LIMITS.batch_bytes_max - 1_000)
    message = carrying(intake_pb2.Batch(sequence=1, previous_hash=bytes(32), hash=bytes(32), events=garbage))
    greeted = threading.Barrier(LIMITS.streams_per_agent_max, timeout=WAIT_S)
    answers: list[str] = []

    def attack(name: str) -> None:
        def messages() -> Messages:
            yield said(Sender(name))
            greeted.wait()
            yield message

        with ledger.connection() as stub:
            answers.append([each.refusal.message[:31] for each in stub.Stream(messages())][-1])

    clients = [threading.Thread(target=attack, args=(f"large-{number}",)) for number in range(greeted.parties)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert answers == ["batch 1: section events: not an"] * greeted.parties


def test_a_message_beyond_the_largest_size(ledger: Besieged) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        ledger.talk(said(Sender("larger")), with_section("events", bytes(LIMITS.batch_bytes_max + (1 << 20))))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def ipc(table: pa.Table, compression: str | None = None, rows: int | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=rows)
    return bytes(sink.getvalue())


def letters(text: str) -> pa.Table:
    return pa.table([[text], [""], [""], [""]], schema=SCHEMAS["dead_letters"])


def lying(honest: int, claimed: int) -> bytes:
    """A buffer of so many bytes that claims to have others."""
    before, after = (size.to_bytes(8, "little") + b"\x28\xb5\x2f\xfd" for size in (honest, claimed))
    data = ipc(letters("x" * honest), "zstd")
    assert data.count(before) == 1
    return data.replace(before, after)


def nested_dictionary() -> bytes:
    inner = pa.array(["a", "b"]).dictionary_encode()
    return ipc(pa.table({"source": pa.ListArray.from_arrays([0, 2], inner)}))


def dictionary_of_another_column() -> bytes:
    table = good_table("dead_letters")
    data = ipc(table.set_column(0, "source", table["source"].dictionary_encode()))
    return ipc(table)[:-8] + data[len(data) // 2 // 8 * 8 :]


MALFORMED = {
    "no Arrow": (b"\xff" * 1_000, "MALFORMED"),
    "another section": (ipc(good_table("events")), "MALFORMED"),
    "cut off": (ipc(good_table("dead_letters"))[:-20], "MALFORMED"),
    "twenty thousand columns": (ipc(pa.table({f"c{n}": [n] for n in range(20_000)})), "MALFORMED"),
    "a column with a long name": (ipc(pa.table({"c" * (4 << 20): [1]})), "MALFORMED"),
    "a million bytes of metadata": (
        ipc(good_table("events").replace_schema_metadata({"k" * 1_000_000: "v"})),
        "MALFORMED",
    ),
    "a dictionary": (ipc(pa.table({"source": good_table("dead_letters")["source"].dictionary_encode()})), "MALFORMED"),
    "a dictionary in a list": (nested_dictionary(), "MALFORMED"),
    "a dictionary of another column": (dictionary_of_another_column(), "MALFORMED"),
    "a bomb": (ipc(letters("x" * (256 << 20)), "zstd"), "TOO_LARGE"),
    "a bomb that claims to be small": (lying(64 << 20, 1_000), "MALFORMED"),
    "a pebble that claims to be a bomb": (lying(1_000, 1 << 40), "TOO_LARGE"),
    "a pebble that claims just less than a bomb": (lying(1_000, 127 << 20), "MALFORMED"),
    "many record batches": (ipc(pa.concat_tables([letters("x")] * (RECORD_BATCHES_MAX + 1)), rows=1), "MALFORMED"),
}


def test_malformed_arrow_and_bombs(ledger: Besieged) -> None:
    for case, (data, code) in MALFORMED.items():
        found, sentence = ledger.refusal(said(Sender()), with_section("dead_letters", data))
        assert (found, sentence[:30]) == (code, "batch 1: section dead_letters:"), case
        assert len(sentence) < 2_000, case


def many_series(first: int, count: int) -> sections.Sections:
    ids = np.arange(first, first + count)
    columns: dict[str, Any] = dict.fromkeys(("source", "metric", "unit", "tenant"), ["x"] * count)
    columns |= {"series_id": ids, "identity": ids, "kind": ["gauge"] * count, "attributes": ["{}"] * count}
    columns |= {"labels": [f'{{"i":"{number}"}}' for number in ids], "start": [None] * count, "since": [DAY] * count}
    schema = SCHEMAS["series"]
    return sections.sections(series=pa.table([pa.array(columns[f.name], f.type) for f in schema], schema=schema))


def test_a_million_series(ledger: Besieged) -> None:
    sender = Sender("inventor")
    count = LIMITS.series_per_hour_max * 3 // 10
    batches = [sender.next(many_series(count * number, count)) for number in range(5)]
    resume, *acks, refused = ledger.talk(said(Sender("inventor")), *map(carrying, batches))
    assert resume.HasField("resume")
    assert acks[-1].ack.sequence == 3
    assert refused.refusal.code == intake_pb2.REFUSAL_CODE_UNAVAILABLE
    assert "beyond series_per_hour_max 1000000" in refused.refusal.message


def test_labels_of_megabytes_and_of_ten_thousand_names(ledger: Besieged) -> None:
    sender = Sender("chatterbox")
    many = "{" + ",".join(f'"{number}":"x"' for number in range(10_000)) + "}"
    long, metric = '{"a":"' + "x" * (8 << 20) + '"}', "m" * (1 << 20)
    rows = [series(-4, labels=long), series(-3, labels=many), series(-2, metric=metric), series(-1)]
    batch = sender.next(content(series=rows, samples=[(-4, DAY, 1.0), (-1, DAY, 1.0)]))
    assert [each.WhichOneof("message") for each in ledger.talk(said(Sender("chatterbox")), carrying(batch))] == [
        "resume",
        "ack",
    ]
    with grpc.insecure_channel(ledger.address) as channel:
        found = QueryStub(channel).DeadLetters(query_pb2.DeadLettersRequest())
    reasons = {each.reason for each in found.rows}
    assert {
        f"labels has {len(long)} bytes, more than 65536",
        f"labels has {len(many)} bytes, more than 65536",
        "metric has 1048576 bytes, more than 4096",
        "series_id -4 was never defined",
    } <= reasons


def test_texts_that_programs_stumble_over(ledger: Besieged) -> None:
    """They are texts all the same: the book keeps them."""
    odd = [
        "\0",
        "a\0b",
        "\ufeff",
        "\u202e",
        "\U0010ffff",
        "'; DROP TABLE events; --",
        "\ud7ff",
        "x" * 4_096,
        "NaN",
        "%s{}",
    ]
    sender = Sender("poet")
    rows = [event(n, subject=text, tenant=text, id=text, type=text, source=text) for n, text in enumerate(odd)]
    answers = ledger.talk(said(Sender("poet")), carrying(sender.next(content(events=rows))))
    assert answers[-1].HasField("ack")


def test_ten_thousand_headers(ledger: Besieged) -> None:
    headers = tuple((f"x-{number}", "y") for number in range(10_000))
    with ledger.connection() as stub, pytest.raises(grpc.RpcError) as caught:
        list(stub.Stream(iter([said(Sender())]), metadata=headers))
    assert caught.value.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)


def test_one_old_batch_for_ever_from_a_client_that_never_reads(ledger: Besieged, agent: WellBehaved) -> None:
    sender = Sender("parrot")
    batch = carrying(sender.next(content(dead_letters=[("x", "y", "z", os.urandom(32 << 10).hex())] * 10)))
    ledger.talk(said(Sender("parrot")), batch)
    sent = itertools.count()
    stopping = threading.Event()

    def repeating() -> Messages:
        yield said(Sender("parrot"))
        while not stopping.is_set():
            next(sent)
            yield batch

    with ExitStack() as opened:
        for _ in range(LIMITS.streams_per_agent_max):
            opened.enter_context(ledger.connection()).Stream(repeating())
        until(lambda: next(sent) > 100, "the ledger takes batches")
        before = agent.acked
        until(lambda: agent.acked > before + 5, "acks meanwhile")
        stopping.set()


GOOD: dict[str, Any] = {"source": "till", "id": "1", "type": "sale", "time": "2026-01-31T10:30:00+01:00"}
ABSURD: list[tuple[dict[str, Any], str]] = [
    ({"value": "1E+999999999999999999"}, "value '1E+999999999999999999' cannot be metered"),
    ({"value": "1E-999999999999999999"}, "value '1E-999999999999999999' has more than 9 digits"),
    ({"value": "9" * (8 << 20)}, "value '9999"),
    ({"value": "sNaN"}, "value 'sNaN' is not a finite number"),
    ({"time": "2026-01-31T10:30:00." + "0" * (8 << 20) + "Z"}, "time: '2026-01-31T10:30:00.0"),
    ({"time": "0000-00-00T99:99:99Z"}, "time: '0000-00-00T99:99:99Z' is not a time"),
    ({"time": "10000-01-01T00:00:00Z"}, "time: '10000-01-01T00:00:00Z' is not an RFC 3339 time"),
    ({"subject": "x" * (8 << 20)}, "subject has 8388608 bytes, more than 4096"),
    ({"properties": {str(number): "x" for number in range(10_000)}}, "properties as JSON has "),
]


def test_absurd_events(ledger: Besieged) -> None:
    for change, said_of_it in ABSURD:
        request = intake_pb2.RecordRequest(sender="till", events=[intake_pb2.Event(**GOOD | change)])
        with ledger.connection() as stub, pytest.raises(grpc.RpcError) as caught:
            stub.Record(request)
        details = caught.value.details() or ""
        assert (caught.value.code(), details[: 10 + len(said_of_it)]) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            f"events[0].{said_of_it}",
        )
        assert len(details) < 300
