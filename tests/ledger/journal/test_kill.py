"""What was acknowledged survives kill -9 at any moment, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.ledger.journal.logs import check_whole, opened_log

ROUNDS = 12
SEGMENT_BYTES = 20_000
ROOT = Path(__file__).parents[3]
WRITER = f"""
import sys
from pathlib import Path
from threading import Thread
from ledger.journal.disk import Disk
from ledger.journal.embedded import EmbeddedLog
from ledger.journal.record import Kind, follow

log = EmbeddedLog(Disk(Path(sys.argv[1])), segment_bytes={SEGMENT_BYTES})
round_ = sys.argv[2]

def append(name):
    chain = f"runs/{{name}}"
    number = 0
    while True:
        text = f"{{round_}}/{{name}}/{{number}}"
        draft = follow(Kind.RUN, chain, log.head(chain), text.encode().ljust(500, b"."))
        # Whoever does not hear sends it again.
        futures = [log.append(draft) for _ in range(1 + number % 2)]
        positions = {{future.result() for future in futures}}
        assert len(positions) == 1
        sys.stdout.write(f"{{positions.pop()}} {{text}}\\n")
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
        # Every other time the next process meets what the kill left, not what a clean start made of it.
        if number % 2:
            with opened_log(tmp_path, SEGMENT_BYTES) as log:
                found = check_whole(log)
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
        # At whatever moment: nothing is waited for.
        time.sleep(random.uniform(0, 0.15))
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.communicate()[0]
    return [line for line in (first + rest).splitlines(keepends=True) if line.endswith("\n")]
