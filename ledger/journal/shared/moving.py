"""Moving a book from the files of one machine to what replicas share: the same records at the same positions and times, so
that every proof and every root that was ever given still holds.

What is there already is never written again: an interrupted move goes on where it was. Nobody may write to either place
meanwhile. The tables are made anew from the log by the first replica.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ledger.journal.embedded import EmbeddedLog
from ledger.journal.errors import StoreRefused
from ledger.journal.log import Log, Reader
from ledger.journal.place import SharedPlace
from ledger.journal.record import Record
from ledger.journal.shared.commit import settled
from ledger.journal.shared.groups import packed
from ledger.journal.shared.log import SharedLog
from ledger.journal.shared.store import SharedStore
from ledger.journal.store import StoreDirectory, check_version, log_of
from meterbook.proof.merkle import Frontier

_GROUP_BYTES, _GROUP_RECORDS_MAX = 8 << 20, 10_000


@dataclass(frozen=True)
class Progress:
    """How many records are done of how many, and in which of the two passes."""

    stage: str
    done: int
    total: int


def move(source: Path, target: SharedPlace) -> Iterator[Progress | Frontier]:
    """Copy a book, read the copy from S3 again, and give the tree that both have.

    Raises StoreRefused where the target holds another book, StoreDamaged, LogUnavailable.
    """
    check_version(source)
    directory = StoreDirectory(source)
    try:
        log = EmbeddedLog(log_of(directory.root))
        try:
            store = SharedStore(target)
            try:
                yield from _moved(log, store)
            finally:
                store.close()
        finally:
            log.close()
    finally:
        directory.close()


def _moved(log: EmbeddedLog, store: SharedStore) -> Iterator[Progress | Frontier]:
    shared = store.log()
    try:
        if shared.end > log.end:
            raise _another(store)
        reader = log.reader(shared.end, stored=True)
        try:
            if reader.frontier != shared.frontier:
                raise _another(store)
            for frontier in _copied(reader, store):
                yield Progress("copying", frontier.size, log.end)
        finally:
            reader.close()
        shared.refresh()
        yield from _read_again(shared, log)
        if shared.frontier != log.frontier:
            raise _another(store)
    finally:
        shared.close()
    yield log.frontier


def _copied(reader: Reader, store: SharedStore) -> Iterator[Frontier]:
    while records := reader.read(_GROUP_BYTES):
        for start in range(0, len(records), _GROUP_RECORDS_MAX):
            yield _write(records[start : start + _GROUP_RECORDS_MAX], store)


def _write(records: list[Record], store: SharedStore) -> Frontier:
    offer, body = packed([record.draft for record in records], [record.time_us for record in records])
    store.objects.put(offer.object, body)
    committed = settled(store.database, offer)
    if committed.outcomes != [record.position for record in records]:
        raise _another(store)
    return committed.frontier


def _read_again(shared: SharedLog, log: Log) -> Iterator[Progress]:
    """Every object from S3, checked against the tree on the way."""
    reader = shared.reader(stored=True)
    while reader.read(_GROUP_BYTES):
        yield Progress("reading again", reader.frontier.size, log.end)


def _another(store: SharedStore) -> StoreRefused:
    return StoreRefused(f"{store.place}: holds another book, or one that was written to since; choose an empty place")
