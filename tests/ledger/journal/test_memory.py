"""Memory that was freed is kept at hand without growing for ever, whatever the size of what is decoded."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Batches of a million rows of which each fits into a few thousand bytes, one after the other.
DERIVING = """
import sys
from pathlib import Path
import numpy as np, pyarrow as pa
from ledger.journal.derive import initial_state
from ledger.journal.deriver import Deriver
from ledger.journal.memory import keep_freed_memory
from ledger.journal.record import Draft, Kind, Record
from meterbook.intake.v1 import intake_pb2
from meterbook.ledger.v1 import journal_pb2
from meterbook.wire.sections import SAMPLES, encode

rows = int(sys.argv[1])
keep_freed_memory()
columns = [np.full(rows, 7), pa.array(np.zeros(rows, dtype=np.int64)).cast(SAMPLES.field("time").type), np.zeros(rows)]
batch = intake_pb2.Batch(sequence=1, hash=bytes(32), samples=encode(pa.table(columns, schema=SAMPLES)))
payload = journal_pb2.BatchRecord(agent="a", epoch=1, batch=batch).SerializeToString()
draft = Draft(Kind.BATCH, "agent/a/1", 1, bytes(32), bytes(32), payload)
records = [Record(position, 1, draft) for position in range(1, 51)]
derived = list(Deriver(initial_state(), None).derive(records))
assert derived[-1].position == 50
# What getrusage says would count the process that began this one.
(peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) >> 10)
"""


@pytest.mark.slow
@pytest.mark.parametrize("rows", [100_000, 1_000_000])
def test_the_heap_does_not_grow_with_what_was_freed(rows: int) -> None:
    command = [sys.executable, "-c", DERIVING, str(rows)]
    mebibytes = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    # A batch is 24 MiB, and is there in two or three forms at a time.
    assert mebibytes < 500


# Several threads hold much, each for itself and one after the other, and let go of it below something that stays.
HOLDING = """
import threading, time
from pathlib import Path
import pyarrow as pa
from ledger.journal import memory

def resident_mib():
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) >> 10

stay = []
def hold():
    blocks = [pa.allocate_buffer(100_000) for _ in range(400)]
    for block in blocks:
        memoryview(block).cast("B")[:] = bytes(100_000)
    stay.append(blocks[-1])
    del blocks, block
    done.wait()

memory._KEPT_S = 0.2
memory.keep_freed_memory()
done, before = threading.Event(), resident_mib()
threads = [threading.Thread(target=hold) for _ in range(4)]
for thread in threads:
    thread.start()
while len(stay) < 4:
    time.sleep(0.01)
for _ in range(600):
    time.sleep(0.05)
    if resident_mib() - before < 40:
        break
print(resident_mib() - before)
done.set()
"""


def test_what_lies_free_is_given_back_after_a_while() -> None:
    command = [sys.executable, "-c", HOLDING]
    mebibytes = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    # A hundred and sixty were held.
    assert mebibytes < 40
