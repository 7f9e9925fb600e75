"""What is told of a batch that was taken: its spans where traces go somewhere, and a record of the log where that is asked for.

A record on each batch is for who looks for one: it has the ids that the agent's has, and where it is in the book. So it is logged at ``debug`` alone, and
at any other level nothing is looked at for it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from ledger.journal.derive import decode_batch
from meterbook import logs, tracing
from meterbook.intake.v1 import intake_pb2
from meterbook.wire.sections import SCHEMAS

_log = logging.getLogger(__name__)


def told(batch: intake_pb2.Batch, began_ns: int, position: Future[int], about: Mapping[str, Any]) -> None:
    """A batch was checked, which began then, and is on its way to ``position``; ``about`` are the ids of its stream."""
    if tracing.is_on():
        _traced(batch, began_ns, position, {**about, "sequence": batch.sequence})
    if _log.isEnabledFor(logging.DEBUG):
        _logged(batch, position, {**about, **tracing.ids(batch.hash), "sequence": batch.sequence})


def _traced(batch: intake_pb2.Batch, began_ns: int, position: Future[int], about: Mapping[str, Any]) -> None:
    digest, taken_ns = batch.hash, tracing.now_ns()
    tracing.told("receive", digest, began_ns, **about)

    def appended(found: Future[int]) -> None:
        if _is_kept(found):
            tracing.told("append", digest, taken_ns, position=found.result(), **about)

    position.add_done_callback(appended)


def _logged(batch: intake_pb2.Batch, position: Future[int], about: Mapping[str, Any]) -> None:
    content, size = decode_batch(batch), batch.ByteSize()
    rows = sum(getattr(content, name).num_rows for name in SCHEMAS)

    def kept(found: Future[int]) -> None:
        if _is_kept(found):
            with logs.bound(**about, position=found.result(), rows=rows):
                _log.debug("kept at position %d: a batch of %d rows and %d bytes", found.result(), rows, size)

    position.add_done_callback(kept)


def _is_kept(found: Future[int]) -> bool:
    return not found.cancelled() and found.exception() is None
