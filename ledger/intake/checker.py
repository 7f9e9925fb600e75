"""A process that looks into batches for a ledger: decodes them, checks what can be checked of each alone, and hashes it.

It runs as ``python -m ledger.intake.checker DESCRIPTOR LIMITS``, a child that answers CheckRequests on the socket it was given
until that is closed, which it also is when the parent dies. Several batches a millisecond leave no time for threads
that must take turns; a process takes no turns with anybody. And bytes that no decoder should ever choke on choke
this one, not the ledger.
"""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from multiprocessing.connection import Connection

from ledger.intake.contents import IntakeLimits, checked
from ledger.intake.memory import keep_freed_memory
from ledger.intake.refusals import Refused
from meterbook.intake.v1 import intake_pb2
from meterbook.ledger.v1 import checking_pb2

#: What it says first.
READY = b"ready"


def answer(request: checking_pb2.CheckRequest, limits: IntakeLimits) -> checking_pb2.CheckResponse:
    """What is found in each batch."""
    return checking_pb2.CheckResponse(batches=[_looked(batch, limits, request.with_ids) for batch in request.batches])


def _looked(batch: intake_pb2.Batch, limits: IntakeLimits, with_ids: bool) -> checking_pb2.CheckedBatch:
    try:
        found = checked(batch, limits)
    except Refused as refused:
        refusal = intake_pb2.Refusal(sequence=batch.sequence, code=refused.code, message=refused.message)
        return checking_pb2.CheckedBatch(refusal=refusal, limit=refused.limit)
    return checking_pb2.CheckedBatch(
        section_hashes=found.section_hashes,
        defined=found.defined,
        used_ids=found.used_ids().astype("<i8").tobytes() if with_ids else b"",
    )


def _main() -> None:
    # An interrupt from the keyboard is for the ledger, which closes the socket when it is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(int(sys.argv[1]))
    limits = IntakeLimits.model_validate_json(sys.argv[2])
    keep_freed_memory()
    # However the ledger ends, this process has nothing more to do.
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        connection.send_bytes(READY)
        while True:
            request = checking_pb2.CheckRequest.FromString(connection.recv_bytes())
            connection.send_bytes(answer(request, limits).SerializeToString())


if __name__ == "__main__":
    _main()
