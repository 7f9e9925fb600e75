"""Drafts of many subscriptions, as the records that they become once they are numbered.

Drafting is arithmetic, and one process does it on one core. So where there are many drafts some of them are made by a helper: a process that reads the
same book at the same position. What it gives is what would have been made here, in the same order and to the byte. Few drafts are made before a process has begun and has read
the book, so they are made here; and so is what is left where the helper fails.
"""

from __future__ import annotations

import json
import logging
import os
import struct
import zlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ledger.billing.document import document_of
from ledger.billing.invoice import Invoice
from ledger.journal.child import Child, ChildFailed
from ledger.journal.tables import Tables
from ledger.query.desks import UNDRAFTABLE, Desks, said
from ledger.query.dues import Job
from ledger.query.questions import BadQuestion
from meterbook.ledger.v1 import journal_pb2

#: Drafts from which on a helper is worth the seconds that it takes to begin, where they are of more than one in so many tenants, since it reads of all.
MANY, _TENANTS_PER_DRAFT_MAX = 3_000, 2
#: Drafts that are made in a row by one process: were it every other one, each would wait for the other all the time.
BLOCK = 32
#: The first of so many parts is made here: meanwhile the helper begins and reads the book. Of the others it makes every other block.
_PARTS = 5
#: Seconds that the helper may take for a block; for the first one it reads the book.
_PATIENCE_S = 120.0
_MADE, _WITHOUT = b"+", b"-"
_LENGTH = struct.Struct("<I")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Drafted:
    """What became of a draft: a record that lacks its number and who finalizes it; or none, and why. Nothing to be billed is no reason."""

    record: journal_pb2.InvoiceRecord | None
    reason: str = ""

    def to_bytes(self) -> bytes:
        """What :meth:`of_bytes` reads."""
        return _WITHOUT + self.reason.encode() if self.record is None else _MADE + self.record.SerializeToString()

    @classmethod
    def of_bytes(cls, told: bytes) -> Drafted:
        """What another process made."""
        if told[:1] == _MADE:
            return cls(journal_pb2.InvoiceRecord.FromString(told[1:]))
        return cls(None, told[1:].decode())


def drafted(desks: Desks, job: Job) -> Drafted:
    """One draft. Raises BadQuestion, JournalError."""
    desk = desks.desk(job.account)
    try:
        made = desk.opening() if job.cycle is None else desk.draft(job.cycle)
    except BadQuestion:
        raise
    except UNDRAFTABLE as error:
        return Drafted(None, f"it cannot be charged: {said(error)}")
    return Drafted(None if made is None else record_of(made))


def all_drafted(tables: Tables, desks: Desks, jobs: Sequence[Job]) -> Generator[Drafted]:
    """A draft for each job, in their order. Raises BadQuestion, JournalError."""
    is_worth_it = len(jobs) >= max(MANY, len(desks.book.catalog.names("tenant")) // _TENANTS_PER_DRAFT_MAX)
    blocks = [jobs[at : at + BLOCK] for at in range(0, len(jobs), BLOCK)]
    alone = len(blocks) // _PARTS
    helped = set(range(alone + 1, len(blocks), 2)) if is_worth_it else set[int]()
    helper = _Helper.begun(tables, desks, [blocks[number] for number in sorted(helped)]) if helped else None
    # Of the tenants of the others nothing is read here, unless the helper fails.
    own = {job.account.tenant for number, block in enumerate(blocks) if number not in helped for job in block}
    own_desks = desks if helper is None else desks.only(own)
    try:
        for number, block in enumerate(blocks):
            told = helper.next() if helper is not None and number in helped else None
            of = desks if number in helped else own_desks
            yield from (drafted(of, job) for job in block) if told is None else told
    finally:
        if helper is not None:
            helper.close()


def record_of(made: Invoice) -> journal_pb2.InvoiceRecord:
    """The record of an invoice that has no number yet."""
    return journal_pb2.InvoiceRecord(
        kind=made.kind,
        tenant=made.tenant,
        subscription=made.subscription,
        start_us=made.billed.start_us,
        end_us=made.billed.end_us,
        at_position=made.as_of,
        currency=made.currency,
        total=str(made.total),
        document=document_of(made),
        corrects=_corrected(made),
    )


def packed(drafts: Iterable[Drafted]) -> bytes:
    """Drafts as one message."""
    parts = [each.to_bytes() for each in drafts]
    return b"".join(_LENGTH.pack(len(part)) + part for part in parts)


def _unpacked(message: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(message):
        (length,) = _LENGTH.unpack_from(message, at)
        at += _LENGTH.size
        yield message[at : at + length]
        at += length


def _corrected(made: Invoice) -> str:
    """The invoice that a correction is of; none where it is of several, whose lines name theirs."""
    of = {each.corrects for each in made.lines if each.corrects}
    return of.pop() if made.basis == "correction" and len(of) == 1 else ""


class _Helper:
    """A process that makes blocks of drafts; once it has failed, it gives none."""

    def __init__(self, child: Child) -> None:
        self._child, self._is_ready, self._has_failed = child, False, False

    @classmethod
    def begun(cls, tables: Tables, desks: Desks, blocks: Sequence[Sequence[Job]]) -> _Helper | None:
        """A helper for some blocks of jobs; None where there is no core for it, or it cannot be begun."""
        if os.cpu_count() == 1:
            return None
        asked = {
            "lake": tables.lake.to_json(),
            "position": desks.book.view.position,
            "blocks": [[each.key for each in block] for block in blocks],
        }
        try:
            helper = cls(Child("ledger.query.drafter"))
        except OSError as error:
            logger.warning("all drafts are made in the ledger itself: no process could be begun for them: %s", error)
            return None
        helper._tell(zlib.compress(json.dumps(asked).encode(), level=1))
        return helper

    def next(self) -> Sequence[Drafted] | None:
        """The next block; None where it has to be made by somebody else."""
        if self._has_failed:
            return None
        try:
            if not self._is_ready:
                # What a process says first is that it has begun.
                self._child.answer(_PATIENCE_S)
                self._is_ready = True
            return [Drafted.of_bytes(each) for each in _unpacked(self._child.answer(_PATIENCE_S))]
        except ChildFailed as error:
            self._give_up(error)
            return None

    def close(self) -> None:
        """End it."""
        self._child.close()

    def _tell(self, request: bytes) -> None:
        try:
            self._child.tell(request)
        except ChildFailed as error:
            self._give_up(error)

    def _give_up(self, error: ChildFailed) -> None:
        logger.warning("drafts are made in the ledger itself: the process for them failed: %s", error)
        self._has_failed = True
        # One that hangs, or is only slow, would keep its memory and a core.
        self._child.close()
