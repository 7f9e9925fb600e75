"""What is fuzzed: the places where bytes from outside become values, each as a function that takes any bytes.

A target returns where the bytes were understood or refused as they should be. Whatever it raises is a finding: an error
that no caller expects, memory beyond what was allowed, or a value that is not the same once it was written and read again.
``bench.fuzz`` throws changed bytes at them; a test runs them over the corpus, which also has all that was ever found.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from decimal import Decimal
from random import Random
from typing import cast

import pyarrow as pa
from google.protobuf.message import DecodeError

from bench._checksums import with_checksums
from bench.fuzz import CORPUS
from collector.errors import SourceError
from collector.exposition.heads import HeadError, parse_head
from collector.exposition.page import Format, Page
from collector.exposition.reader import PageReader
from ledger.intake.contents import IntakeLimits, checked_content
from ledger.intake.recording import recorded
from ledger.intake.refusals import Refused
from ledger.journal import segment
from ledger.journal.derive import derive, initial_state
from ledger.journal.disk import Disk
from ledger.journal.embedded import EmbeddedLog, Gather
from ledger.journal.errors import StoreRefused
from ledger.journal.grouping import Outcomes
from ledger.journal.log import Known
from ledger.journal.record import Draft, Kind, Record
from meterbook.intake.v1 import intake_pb2
from meterbook.proof import bundle, keys, note
from meterbook.proof.checkpoint import Checkpoint, open_checkpoint
from meterbook.proof.errors import ProofError
from meterbook.proof.leaf import agent_chain
from meterbook.proof.merkle import Frontier
from meterbook.wire import instants
from meterbook.wire.seal import GENESIS, ChainPlace, batch_hash
from meterbook.wire.sections import DECODED_BYTES_MAX, SCHEMAS, MalformedSection, Sections, decode, encode
from tests.fakes.disk import FakeDisk
from tests.proof.signing import ORIGIN, key

Target = Callable[[bytes], None]

LIMITS = IntakeLimits(batch_bytes_max=1 << 20, rows_max=1_000)
_SECTION_BYTES_MAX = 1 << 20
#: A time long past: what is decoded does not depend on the clock.
_TIME_US = instants.parse("2026-02-01T00:00:00Z")
_EVENT_FIELDS = ("value", "time", "source", "id", "type", "subject", "tenant", "key", "text")
#: Longer than any sentence that names a field, a value and a place has to be.
_SENTENCE_CHARS_MAX = 2_000


def sections(data: bytes) -> None:
    """Bytes as each section: a table of its schema within its bounds, or MalformedSection."""
    for name, schema in SCHEMAS.items():
        with _memory_within(4 * _SECTION_BYTES_MAX + 16 * len(data)):
            try:
                table = decode(name, data, LIMITS.rows_max, _SECTION_BYTES_MAX)
            except MalformedSection as error:
                _check_sentence(str(error))
                continue
        assert table.schema.equals(schema)
        assert table.num_rows <= LIMITS.rows_max


def batch(data: bytes) -> None:
    """Bytes as a message of a stream: decoded, sealed and turned into rows, or refused; its seal says what it holds.

    A first byte that begins no such message names the section that the rest is the bytes of, or the values.
    """
    with suppress(DecodeError):
        message = _batch(data)
        with _memory_within(3 * DECODED_BYTES_MAX + 16 * len(data)):
            try:
                content = checked_content(message, LIMITS)
            except Refused as error:
                _check_sentence(error.message)
                return
        place = ChainPlace("agent", 1, 1, GENESIS)
        digest = batch_hash(place, content)
        again = Sections(**{name: decode(name, encode(table), 1 << 30) for name, table in content.tables().items()})
        assert batch_hash(place, again) == digest
        _derived(content, digest)


def record(data: bytes) -> None:
    """Bytes as events sent row by row: none of what is taken becomes a dead letter, since its sender was told nothing.

    After an equals sign come the fields of an event, one a line.
    """
    with suppress(DecodeError):
        request = _request(data)
        try:
            content = recorded(request, LIMITS.rows_max)
        except Refused as error:
            _check_sentence(error.message)
            return
        assert decode("events", encode(content.events), LIMITS.rows_max).equals(content.events)
        rows = _derived(content, GENESIS, instants.now_us())
        assert rows["events"].num_rows == content.rows
        assert "dead_letters" not in rows


def segment_file(data: bytes) -> None:
    """Bytes as the only segment of a log: it opens with records that can be read again, or the store is refused."""
    try:
        stored(data)
    except StoreRefused as error:
        _check_sentence(str(error))


def stored(data: bytes) -> list[Record]:
    """The records of a log that consists of these bytes. Raises StoreRefused.

    Where the first byte is not that of a segment the rest is taken, with checksums that fit: changed bytes seldom have them.
    """
    if data[:1] != b"M":
        data = with_checksums(data[1:])
    disk, before = FakeDisk(_Well()), int.from_bytes(data[28:36], "little")
    file = disk.create(segment.name_of(before + 1))
    file.append(data)
    file.close()
    try:
        first = _opened(disk, before)
        # Opening cuts off what a crash left; what is kept stays the same.
        assert _opened(disk, before) == first
        return first
    finally:
        assert disk.open_files == 0


def proof(data: bytes) -> None:
    """Bytes as each text of the proof library: a value whose text is the very same, or ProofError."""
    text = data.decode("utf-8", "surrogateescape")
    known = [key(1).verifier]
    for parse in (bundle.Bundle.parse, Checkpoint.parse, note.Note.parse, note.VerifierKey.parse, keys.Rotation.parse):
        with _only_proof_errors():
            assert str(parse(text)) == text
    with _only_proof_errors():
        assert bundle.path_text(bundle.parse_path(text)) == text
    with _only_proof_errors():
        assert Frontier.from_bytes(data).to_bytes() == data
    for check in (
        lambda: bundle.check_bundle(text, known, ORIGIN),
        lambda: open_checkpoint(text, known, ORIGIN),
        lambda: keys.follow(known, [text], ORIGIN),
        lambda: note.SigningKey.parse(text),
    ):
        with _only_proof_errors():
            check()


def page(data: bytes) -> None:
    """Bytes as a page of metrics in each format: samples whose heads can be read, or SourceError; and the same once more."""
    kinds: tuple[Format, ...] = ("text", "openmetrics")
    for kind in kinds:
        reader = PageReader("target", 10_000)
        try:
            first = reader.read(Page(data, kind))
        except SourceError as error:
            _check_sentence(str(error))
            continue
        again = reader.read(Page(data, kind))
        assert again.values.tobytes() == first.values.tobytes()
        assert (again.times_us is None) == (first.times_us is None)
        for head in first.layout.heads.to_pylist():
            with suppress(HeadError):
                name, labels = parse_head(head)
                assert name and all(labels.values())


def protobuf(data: bytes) -> None:
    """Bytes as a page of messages: samples whose heads can be read, or SourceError; and the same where another page came before."""
    reader, fresh = PageReader("target", 1_000), PageReader("target", 1_000)
    known = (CORPUS / "protobuf" / "several").read_bytes()
    reader.read(Page(known, "protobuf"))
    with _memory_within((64 << 20) + 64 * len(data)):
        try:
            first = fresh.read(Page(data, "protobuf"))
        except SourceError as error:
            _check_sentence(str(error))
            with suppress(SourceError):
                reader.read(Page(data, "protobuf"))
                raise AssertionError(f"what is refused at first is taken later: {error}") from None
            return
    for again in (reader.read(Page(data, "protobuf")), fresh.read(Page(data, "protobuf"))):
        assert again.values.tobytes() == first.values.tobytes()
        assert again.layout.heads.equals(first.layout.heads)
        for column, same in ((again.times_us, first.times_us), (again.created_s, first.created_s)):
            assert (column is None) == (same is None)
            assert column is None or same is None or column.tobytes() == same.tobytes()
    for head in first.layout.heads.to_pylist():
        with suppress(HeadError):
            name, labels = parse_head(head)
            assert name and all(labels.values())


TARGETS: dict[str, Target] = {
    "page": page,
    "protobuf": protobuf,
    "sections": sections,
    "batch": batch,
    "record": record,
    "segment": segment_file,
    "proof": proof,
}


def _batch(data: bytes) -> intake_pb2.Batch:
    names = list(SCHEMAS)
    number = data[0] if data else 0
    if number >= 2 * len(names):
        return intake_pb2.ClientMessage.FromString(data).batch
    name = names[number % len(names)]
    message = intake_pb2.Batch()
    setattr(message, name, data[1:] if number < len(names) else encode(filled(name, data[1:])))
    return message


def filled(name: str, data: bytes) -> pa.Table:
    """Rows of a section whose cells are made of the bytes, whatever these are: a line for each row."""
    lines = data.split(b"\n")
    columns = [[_cell(line, place, field) for line in lines] for place, field in enumerate(SCHEMAS[name])]
    return pa.Table.from_arrays(
        [pa.array(cells, field.type) for cells, field in zip(columns, SCHEMAS[name], strict=True)], schema=SCHEMAS[name]
    )


def _cell(line: bytes, place: int, field: pa.Field) -> object:
    parts = line.split(b"\t")
    part = parts[place] if place < len(parts) else b""
    if field.nullable and not part:
        return None
    if pa.types.is_string(field.type):
        return part.decode("utf-8", "replace")
    (number,) = struct.unpack("<q", part[:8].ljust(8, b"\0"))
    if pa.types.is_floating(field.type):
        return struct.unpack("<d", part[:8].ljust(8, b"\0"))[0]
    return Decimal(number) if pa.types.is_decimal(field.type) else number


def _request(data: bytes) -> intake_pb2.RecordRequest:
    if data[:1] != b"=":
        return intake_pb2.RecordRequest.FromString(data)
    fields = dict(zip(_EVENT_FIELDS, data[1:].decode("utf-8", "replace").split("\n"), strict=False))
    properties = {fields.pop("key", ""): fields.pop("text", "")}
    return intake_pb2.RecordRequest(sender="till", events=[intake_pb2.Event(**fields, properties=properties)])


def _derived(content: Sections, digest: bytes, time_us: int = _TIME_US) -> dict[str, pa.Table]:
    """The rows of the tables that follow from a batch."""
    draft = Draft(Kind.BATCH, agent_chain("agent", 1), 1, GENESIS, digest, b"")
    rows, _ = derive([Record(1, time_us, draft)], initial_state(), {1: content})
    return rows


def _opened(disk: FakeDisk, before: int) -> list[Record]:
    """The records of a log of which the tables have seen those up to ``before``."""
    log = EmbeddedLog(cast(Disk, disk), Known(before), gather=cast(Gather, _NoAppends))
    try:
        reader = log.reader(before, stored=True)
        try:
            records = reader.read(1 << 30)
        finally:
            reader.close()
        assert before + len(records) == log.end
        return records
    finally:
        log.close()


@contextmanager
def _memory_within(bytes_max: int) -> Iterator[None]:
    """Arrow allocates no more than this."""
    pool = pa.default_memory_pool()
    before, peak = pool.bytes_allocated(), pool.max_memory() or 0
    yield
    most = pool.max_memory() or 0
    assert most <= max(peak, before + bytes_max), f"{most - before} bytes were allocated, more than {bytes_max}"


@contextmanager
def _only_proof_errors() -> Iterator[None]:
    try:
        yield
    except ProofError as error:
        _check_sentence(str(error))


def _check_sentence(text: str) -> None:
    assert text, "an error says nothing"
    assert len(text) <= _SENTENCE_CHARS_MAX, f"an error of {len(text)} characters: {text[:200]}"


class _Well:
    """The oracle of a disk on which everything goes well."""

    def __init__(self) -> None:
        self.random = Random(0)

    def fate(self, call: str, what: str) -> str:
        return "well"


class _NoAppends:
    """Stands for what gathers drafts, without its thread: nothing is appended."""

    def __init__(self, commit: Callable[[Sequence[Draft]], Outcomes], place: str) -> None:
        pass

    def append(self, draft: Draft) -> Future[int]:
        raise NotImplementedError

    def close(self) -> None:
        pass
