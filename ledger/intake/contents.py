"""A batch's bytes as checked tables.

Everything that can be checked of a batch without knowing any other is checked here, column-wise: sizes, schemas, the order of
the samples. What single rows say is not judged; that is the journal's screening, which keeps the rest of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from ledger.intake.refusals import Refused
from ledger.journal.derive import decode_batch
from ledger.journal.screening import firsts
from meterbook.intake.v1 import intake_pb2
from meterbook.wire.seal import section_hashes
from meterbook.wire.sections import DECODED_BYTES_MAX, SCHEMAS, MalformedSection, Sections, SectionTooLarge


class IntakeLimits(BaseModel):
    """How much one agent may send."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch_bytes_max: int = Field(default=8 << 20, gt=0, le=128 << 20, description="Bytes of one encoded batch.")
    rows_max: int = Field(default=1_000_000, gt=0, description="Rows of one section of a batch.")
    in_flight_max: int = Field(default=64, gt=0, le=10_000, description="Batches of one stream that await their ack.")
    streams_max: int = Field(default=1_000, gt=0, description="Streams open at a time.")
    streams_per_agent_max: int = Field(default=4, gt=0, description="Streams of one agent open at a time.")
    hello_timeout_s: float = Field(
        default=30.0, gt=0, le=3_600, description="Seconds after which a stream must have said hello."
    )
    series_per_hour_max: int = Field(
        default=1_000_000, gt=0, description="Series that one agent may define in an hour; more have to wait."
    )
    leases_per_agent_max: int = Field(
        default=20_000, gt=0, description="Sources of which one agent may ask to be the only reader."
    )


@dataclass(frozen=True)
class Checked:
    """What was found in a batch that can be accepted: the hash of each section, and how many series it defines.

    The content itself is at hand only where it was decoded in this process; ``ids`` are then left out.
    """

    section_hashes: Sequence[bytes]
    defined: int
    content: Sections | None = None
    ids: np.ndarray | None = None

    def used_ids(self) -> np.ndarray:
        """The series that the samples are of, each once and ascending, as int64."""
        if self.ids is None:
            assert self.content is not None
            return used_ids(self.content.samples)
        return self.ids

    def without_samples(self, batch: intake_pb2.Batch) -> Sections:
        """What the batch has in its other sections, which are short."""
        return self.content or decode_batch(batch, names=SCHEMAS.keys() - {"samples"})


def checked(batch: intake_pb2.Batch, limits: IntakeLimits) -> Checked:
    """What is in a batch, decoded here. Raises Refused."""
    content = checked_content(batch, limits)
    return Checked(section_hashes(content), content.series.num_rows, content)


def used_ids(samples: pa.Table) -> np.ndarray:
    """The series of sorted samples, each once and ascending."""
    ids = samples["series_id"].to_numpy()
    used: np.ndarray = ids[firsts(ids)]
    return used


def checked_content(batch: intake_pb2.Batch, limits: IntakeLimits) -> Sections:
    """The sections of a batch. Raises Refused."""
    size = batch.ByteSize()
    if size > limits.batch_bytes_max:
        raise Refused(
            intake_pb2.REFUSAL_CODE_TOO_LARGE,
            f"batch {batch.sequence} has {size} bytes, more than batch_bytes_max {limits.batch_bytes_max}",
            "batch_bytes_max",
        )
    try:
        content = decode_batch(batch, limits.rows_max)
    except SectionTooLarge as error:
        raise Refused(
            intake_pb2.REFUSAL_CODE_TOO_LARGE,
            f"batch {batch.sequence}: {error}, beyond rows_max or the {DECODED_BYTES_MAX >> 20} MiB of a batch",
            "rows_max",
        ) from error
    except MalformedSection as error:
        raise Refused(intake_pb2.REFUSAL_CODE_MALFORMED, f"batch {batch.sequence}: {error}") from error
    if not _ordered(content.samples):
        raise Refused(
            intake_pb2.REFUSAL_CODE_MALFORMED,
            f"batch {batch.sequence}: section samples is not sorted by series_id and time",
        )
    return content


def _ordered(samples: pa.Table) -> bool:
    """Whether samples are sorted by series and time; the samples of a series stand together."""
    if samples.num_rows == 0:
        return True
    # Looked at as it lies there: casting would copy it.
    ids, times = (column.chunk(0).view(pa.int64()).to_numpy() for column in samples.columns[:2])
    falls = np.flatnonzero(times[1:] < times[:-1])
    return bool(np.all(ids[1:] >= ids[:-1]) and np.all(ids[falls + 1] > ids[falls]))
