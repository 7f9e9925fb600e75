"""A process that looks into batches for a ledger: decodes them, checks what can be checked of each alone, and hashes it.

It runs as ``python -m ledger.intake.checker DESCRIPTOR LIMITS``, a child that answers CheckRequests. Several batches a
millisecond leave no time for threads that must take turns; a process takes no turns with anybody. And bytes that no
decoder should ever choke on choke this one, not the ledger.
"""

from __future__ import annotations

import sys

from ledger.intake.contents import IntakeLimits, checked
from ledger.intake.refusals import Refused
from ledger.journal.child import serve
from ledger.journal.memory import keep_freed_memory
from meterbook.intake.v1 import intake_pb2
from meterbook.lean import leave_out
from meterbook.ledger.v1 import checking_pb2


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
    limits = IntakeLimits.model_validate_json(sys.argv[2])
    keep_freed_memory()
    serve(
        int(sys.argv[1]),
        lambda asked: [answer(checking_pb2.CheckRequest.FromString(asked), limits).SerializeToString()],
    )


if __name__ == "__main__":
    leave_out()
    _main()
