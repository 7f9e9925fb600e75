"""What agents send: rows of the sections, sealed batches, and journals that hold them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from ledger.intake.chains import Chains
from ledger.intake.contents import IntakeLimits
from ledger.journal.derive import TABLES
from ledger.journal.journal import Journal
from ledger.journal.record import DEFINITIONS_CHAIN, NO_HEAD, Draft, Head, Kind, Record, follow
from meterbook.intake.v1 import intake_pb2
from meterbook.ledger.v1 import journal_pb2
from meterbook.proof.leaf import agent_chain
from meterbook.wire import instants, sections
from meterbook.wire.seal import GENESIS, ChainPlace, batch_hash
from meterbook.wire.sections import SCHEMAS, Sections

AGENT, EPOCH = "shop-agent", 1_769_851_800_000_000
#: A time long past, so that no test depends on the clock.
DAY = instants.parse("2026-01-31T09:30:00Z")
MINUTE = 60 * instants.SECOND_US
#: The month that a bill is of.
MONTH = instants.parse("2026-01-01")


def table(section: str, rows: Iterable[tuple[Any, ...]]) -> pa.Table:
    """A section's rows as a table; times are microseconds."""
    schema = SCHEMAS[section]
    columns = list(zip(*rows, strict=True)) or [() for _ in schema]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def series(series_id: int, kind: str = "counter", **changes: Any) -> tuple[Any, ...]:
    """One row of the section series."""
    row = {
        "series_id": series_id,
        "identity": series_id * 10,
        "source": "prometheus/shop",
        "metric": "requests_total",
        "kind": kind,
        "unit": "requests",
        "labels": '{"code":"200"}',
        "attributes": "{}",
        "start": None,
        "tenant": "acme",
        "since": DAY,
    }
    return tuple((row | changes).values())


def event(number: int, **changes: Any) -> tuple[Any, ...]:
    """One row of the section events."""
    row = {
        "origin": "logfile",
        "source": "log",
        "id": str(number),
        "type": "sale",
        "subject": "shop",
        "tenant": "acme",
        "time": DAY + number * MINUTE,
        "value": Decimal("1.5"),
        "properties": '{"size":"xl"}',
    }
    return tuple((row | changes).values())


def coverage(number: int, status: str = "complete", **changes: Any) -> tuple[Any, ...]:
    """One row of the section coverage: the minute of this number."""
    row = {
        "source": "prometheus/shop",
        "start": DAY + number * MINUTE,
        "end": DAY + (number + 1) * MINUTE,
        "status": status,
        "reason": "",
    }
    return tuple((row | changes).values())


def charge(line: int, billed: str = "1", version: str = "v1", **changes: Any) -> tuple[Any, ...]:
    """One row of the section charges."""
    row = {
        "source": "bills/focus",
        "period": MONTH,
        "version": version,
        "line": line,
        **dict.fromkeys(("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"), Decimal(billed)),
        "BillingCurrency": "USD",
        "ChargeCategory": "Usage",
        "BillingAccountId": "123456789012",
        "SubAccountId": "",
        "ServiceName": "Amazon EC2",
        "ResourceId": f"i-{line}",
        "ChargePeriodStart": MONTH + line * instants.HOUR_US,
        "ChargePeriodEnd": MONTH + (line + 1) * instants.HOUR_US,
        "Tags": "{}",
        "others": "{}",
    }
    return tuple((row | changes).values())


def bill(charges: int, billed: str, version: str = "v1", **changes: Any) -> tuple[Any, ...]:
    """One row of the section bills."""
    row = {
        "source": "bills/focus",
        "period": MONTH,
        "version": version,
        "nature": "billed",
        "issued": MONTH + instants.DAY_US,
        "charges": charges,
        "billed": Decimal(billed),
    }
    return tuple((row | changes).values())


def content(**rows: Iterable[tuple[Any, ...]]) -> Sections:
    """Sections from rows."""
    return sections.sections(**{name: table(name, each) for name, each in rows.items()})


def minute(number: int) -> Sections:
    """A small batch like many others: a counter's sample, an event, a coverage record; the first defines the series."""
    return content(
        series=[series(1)] if number == 1 else [],
        samples=[(1, DAY + number * MINUTE, float(number))],
        events=[event(number)],
        coverage=[coverage(number)],
    )


def sealed(place: ChainPlace, what: Sections, **changes: Any) -> intake_pb2.Batch:
    """The batch that an agent sends, with some fields changed after it was sealed."""
    fields: dict[str, Any] = {
        "sequence": place.sequence,
        "previous_hash": place.previous_hash,
        "hash": batch_hash(place, what),
        **{name: sections.encode(each) for name, each in what.tables().items()},
    }
    return intake_pb2.Batch(**fields | changes)


class Sender:
    """An agent's end of a chain."""

    def __init__(self, agent: str = AGENT, epoch: int = EPOCH, sequence: int = 0, digest: bytes = GENESIS) -> None:
        self.agent, self.epoch = agent, epoch
        self.sequence, self.hash = sequence, digest

    def place(self) -> ChainPlace:
        """Where the next batch stands."""
        return ChainPlace(self.agent, self.epoch, self.sequence + 1, self.hash)

    def next(self, what: Sections | None = None) -> intake_pb2.Batch:
        """The next batch; without content a small one like many others."""
        batch = sealed(self.place(), minute(self.sequence + 1) if what is None else what)
        self.sequence, self.hash = batch.sequence, batch.hash
        return batch

    def hello(self) -> intake_pb2.Hello:
        """What opens a stream."""
        return intake_pb2.Hello(agent=self.agent, epoch=self.epoch, schema=sections.SCHEMA_VERSION)


def payload(batch: intake_pb2.Batch, agent: str = AGENT, epoch: int = EPOCH) -> bytes:
    """What the log keeps of a batch."""
    return journal_pb2.BatchRecord(agent=agent, epoch=epoch, batch=batch).SerializeToString()


def draft(batch: intake_pb2.Batch, agent: str = AGENT, epoch: int = EPOCH) -> Draft:
    """A batch as intake offers it to the log."""
    chain, data = agent_chain(agent, epoch), payload(batch, agent, epoch)
    return Draft(Kind.BATCH, chain, batch.sequence, batch.previous_hash, batch.hash, data)


def record(what: Sections, position: int = 1, time_us: int = DAY + instants.DAY_US) -> Record:
    """A batch as a record of the log."""
    return Record(position, time_us, draft(sealed(ChainPlace(AGENT, EPOCH, position, GENESIS), what)))


def own(kind: Kind, data: bytes, chain: str = DEFINITIONS_CHAIN, head: Head = NO_HEAD) -> Draft:
    """A record of the ledger's own."""
    return follow(kind, chain, head, data)


def append(journal: Journal, *contents: Sections, sender: Sender | None = None) -> int:
    """Seal and append batches; gives the position of the last."""
    sender = sender or Sender()
    position = 0
    for what in contents:
        position = journal.append(draft(sender.next(what), sender.agent, sender.epoch)).result()
    return position


def extend(journal: Journal, kind: Kind, chain: str, data: bytes) -> int:
    """Append a record of the ledger's own; gives its position."""
    return journal.extend(kind, chain, journal.log.head(chain), data).position


@contextmanager
def opened(root: Path) -> Iterator[Journal]:
    """A journal, closed at the end."""
    journal = Journal(root)
    try:
        yield journal
    finally:
        journal.close()


def chains(journal: Journal, **limits: int) -> Chains:
    """Chains of a journal under some limits."""
    return Chains(journal, IntakeLimits(**limits))


def everything(journal: Journal) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables, sorted."""
    view = journal.view()
    found = {}
    for name in TABLES:
        rows = view.rows(name, 0, view.position).to_pylist()
        found[name] = sorted(rows, key=repr)
    return found
