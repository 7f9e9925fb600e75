"""How content becomes sealed batches: cut to a size that any ledger takes, chained, hashed, encoded.

Content is cut by rows in the order of the wire, so a definition never comes after the samples that need it and the
coverage of a window never before what it covers. Everything here is a pure function of the chain and the content;
the spool decides when the result is true by committing it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pyarrow as pa

from meterbook.wire.seal import GENESIS, ChainPlace, batch_hash
from meterbook.wire.sections import SCHEMAS, Sections, decode, encode, sections

#: Bytes in memory after which content is cut into another batch. Encoded it is less: the ledger's limit is on that.
BATCH_BYTES_MAX = 4 << 20

# What is decoded here was sealed here, so its size is known to be sane.
_ROWS_MAX = 1 << 31


@dataclass(frozen=True)
class Chain:
    """The end of a chain: the last batch sealed. Sequence 0 and 32 zero bytes where there is none yet."""

    agent: str
    epoch: int
    sequence: int = 0
    hash: bytes = GENESIS


@dataclass(frozen=True)
class SealedBatch:
    """One batch as it is stored and sent: its place in the chain and its sections as Arrow IPC bytes.

    ``accounts`` says what its coverage is about, as :func:`accounts_of` gives it: it outlives the batch, so that a ledger's
    loss can be told source by source.
    """

    epoch: int
    sequence: int
    previous_hash: bytes
    hash: bytes
    series: bytes
    samples: bytes
    events: bytes
    coverage: bytes
    dead_letters: bytes
    charges: bytes
    bills: bytes
    samples_count: int
    events_count: int
    created_us: int
    accounts: str = "[]"

    @property
    def bytes(self) -> int:
        """Bytes of the sections together."""
        return sum(len(getattr(self, name)) for name in SCHEMAS)


def seal(chain: Chain, content: Sections, created_us: int) -> tuple[Chain, list[SealedBatch]]:
    """The batches that carry ``content`` next on the chain, and the chain after them; none for no rows."""
    batches: list[SealedBatch] = []
    for piece in _pieces(content):
        batches.append(_seal_one(chain, piece, created_us))
        chain = replace(chain, sequence=batches[-1].sequence, hash=batches[-1].hash)
    return chain, batches


def reseal(chain: Chain, batch: SealedBatch) -> tuple[Chain, SealedBatch | None]:
    """A stored batch next on another chain, without its series definitions; None where nothing else was in it."""
    content = replace(unsealed(batch), series=SCHEMAS["series"].empty_table())
    if content.rows == 0:
        return chain, None
    sealed = _seal_one(chain, content, batch.created_us)
    return replace(chain, sequence=sealed.sequence, hash=sealed.hash), sealed


def unsealed(batch: SealedBatch) -> Sections:
    """The content of a batch."""
    return Sections(**{name: decode(name, getattr(batch, name), _ROWS_MAX) for name in SCHEMAS})


def accounts_of(coverage: pa.Table) -> str:
    """JSON: for each source that coverage records are about, its name and the first and last microsecond they tell of."""
    spans: dict[str, tuple[int, int]] = {}
    columns = (coverage["source"], *(coverage[name].cast(pa.int64()) for name in ("start", "end")))
    for source, start_us, end_us in zip(*(column.to_pylist() for column in columns), strict=True):
        first_us, last_us = spans.get(source, (start_us, end_us))
        spans[source] = min(first_us, start_us), max(last_us, end_us)
    return json.dumps([[source, *span] for source, span in spans.items()])


def _seal_one(chain: Chain, content: Sections, created_us: int) -> SealedBatch:
    place = ChainPlace(chain.agent, chain.epoch, chain.sequence + 1, chain.hash)
    return SealedBatch(
        epoch=place.epoch,
        sequence=place.sequence,
        previous_hash=place.previous_hash,
        hash=batch_hash(place, content),
        samples_count=content.samples.num_rows,
        events_count=content.events.num_rows,
        created_us=created_us,
        accounts=accounts_of(content.coverage),
        **{name: encode(table) for name, table in content.tables().items()},
    )


def _pieces(content: Sections) -> Iterator[Sections]:
    """The content in parts of at most BATCH_BYTES_MAX each, but for a row that is larger."""
    held: dict[str, pa.Table] = {}
    held_bytes = 0
    for name, table in content.tables().items():
        for part in _slices(table):
            if held and (name in held or held_bytes + part.nbytes > BATCH_BYTES_MAX):
                yield sections(**held)
                held, held_bytes = {}, 0
            held[name] = part
            held_bytes += part.nbytes
    if held:
        yield sections(**held)


def _slices(table: pa.Table) -> Iterator[pa.Table]:
    if table.num_rows == 0:
        return
    rows = max(1, table.num_rows * BATCH_BYTES_MAX // max(table.nbytes, 1))
    for start in range(0, table.num_rows, rows):
        yield from _halves(table.slice(start, rows))


def _halves(table: pa.Table) -> Iterator[pa.Table]:
    """Rows are of unequal size: a part with many large ones is divided until it fits."""
    if table.nbytes <= BATCH_BYTES_MAX or table.num_rows == 1:
        yield table
        return
    middle = table.num_rows // 2
    yield from _halves(table.slice(0, middle))
    yield from _halves(table.slice(middle))
