"""What was acknowledged survives kill -9 at any moment, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from ledger.journal import frames
from tests.ledger.journal.logs import opened_log, records_of

ROUNDS = 10
ROOT = Path(__file__).parents[3]
WRITER = """
import sys
from pathlib import Path
from threading import Thread
from ledger.journal.frames import Kind
from ledger.journal.log import Log

log = Log(Path(sys.argv[1]), segment_bytes=20_000)
round_ = sys.argv[2]

def append(name):
    number = 0
    while True:
        text = f"{round_}/{name}/{number}"
        position = log.append(Kind.BATCH, text.encode().ljust(500, b".")).result().position
        sys.stdout.write(f"{position} {text}\\n")
        sys.stdout.flush()
        number += 1

for name in range(4):
    Thread(target=append, args=(name,)).start()
"""


def test_kill(tmp_path: Path) -> None:
    acknowledged: dict[int, str] = {}
    for number in range(ROUNDS):
        for line in killed(tmp_path, number):
            position, text = line.split()
            assert int(position) not in acknowledged
            acknowledged[int(position)] = text
        with opened_log(tmp_path, segment_bytes=20_000) as log:
            found = records_of(log)
        head = frames.GENESIS_HEAD
        for position, record in enumerate(found, 1):
            frames.check_follows(record, position, head)
            head = record.head
        texts = {record.position: record.payload.rstrip(b".").decode() for record in found}
        assert acknowledged.items() <= texts.items()
        assert len(set(texts.values())) == len(texts)
    assert len(acknowledged) >= ROUNDS


def killed(directory: Path, number: int) -> list[str]:
    """The lines that a writer wrote before it was killed; one that was cut off told nothing."""
    command = [sys.executable, "-c", WRITER, str(directory), str(number)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, bufsize=1) as writer:
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(random.uniform(0, 0.15))
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.communicate()[0]
    return [line for line in (first + rest).splitlines(keepends=True) if line.endswith("\n")]
