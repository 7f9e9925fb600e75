"""The check of a store's files alone: no ledger need run, and one that does is not disturbed. Nothing is written or locked.

Everything that the log says of itself is checked: segments follow from each other, frames and payloads are intact, every record
is the next of its chain with the content that its hash says, and the roots are those that were written. Somebody who can
write the log can of course write all of that anew; what they cannot do is to make it go on from a checkpoint that somebody has
kept, so that is what to give.

The end of the last segment may be a group that is being written just now, or that a crash cut off. It was never acknowledged,
so it is a note and no fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ledger.journal import segment
from ledger.journal.disk import DiskFile
from ledger.journal.errors import StoreDamaged, StoreRefused
from ledger.journal.frames import BadFrame
from ledger.journal.store import check_version, log_of
from ledger.query.verify.records import RecordCheck
from meterbook.ledger.v1 import query_pb2
from meterbook.proof.checkpoint import Checkpoint

_FAULTS_MAX = 100
_EVERY_RECORDS = 1_000


def verify_files(store: Path, against: Checkpoint | None = None) -> Iterator[query_pb2.VerifyResponse]:
    """Progress, and last the verdict. ``against`` is an older checkpoint, its signature checked.

    Raises StoreRefused where the directory is no store or cannot be read.
    """
    check = RecordCheck(against=against)
    verdict = query_pb2.Verdict(from_position=1)
    try:
        check_version(store)
        disk = log_of(store)
        names = segment.names_in(disk)
        told = 0
        for name in names:
            file = disk.open(name)
            try:
                for _ in _segment(file, check, verdict, is_last=name == names[-1]):
                    if check.frontier.size - told >= _EVERY_RECORDS:
                        told = check.frontier.size
                        yield query_pb2.VerifyResponse(stage="log", done=told)
            finally:
                file.close()
    except StoreDamaged as error:
        check.faults.append(str(error))
    except OSError as error:
        raise StoreRefused(f"{store}: cannot be read ({error.strerror}); name the directory of a store") from error
    check.finish()
    verdict.position, verdict.root = check.frontier.size, check.frontier.root().hex()
    verdict.batches = check.batches
    verdict.against_size = against.size if against else 0
    verdict.faults.extend(check.faults[:_FAULTS_MAX])
    verdict.holds = not check.faults
    yield query_pb2.VerifyResponse(stage="done", done=verdict.position, total=verdict.position, verdict=verdict)


def _segment(file: DiskFile, check: RecordCheck, verdict: query_pb2.Verdict, *, is_last: bool) -> Iterator[None]:
    """Check a segment group by group. Raises StoreDamaged at the first thing after which nothing can be read."""
    if is_last and segment.is_unfinished(file):
        verdict.notes.append(f"{file.path}: was begun and holds nothing yet")
        return
    header, offset = segment.read_header(file)
    if header.frontier != check.frontier:
        raise StoreDamaged(
            f"{file.path}: does not follow from what is before it, which ends at position {check.frontier.size}; restore "
            "the segments from a backup"
        )
    # What is written meanwhile is left for the next time.
    frontier, size, time_us = header.frontier, file.size, header.time_us
    while offset < size:
        try:
            group = segment.read_group(file, offset, header.seed, frontier)
        except BadFrame as error:
            if is_last and segment.is_cut_off(file, offset, header.seed, frontier.size + 1):
                verdict.notes.append(
                    f"{file.path}: ends with {size - offset} bytes that were never acknowledged: a crash cut them off, or "
                    "they are being written"
                )
                return
            raise segment.damaged(file, offset, frontier.size + 1, error) from None
        if group.time_us < time_us:
            check.faults.append(f"position {group.records[0].position}: was committed before the one before it")
        check.group(group.records)
        frontier, offset, time_us = group.frontier, group.end, group.time_us
        yield
