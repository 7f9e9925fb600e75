"""SIGKILL at any moment: what append had returned for is there, what it had not is there whole or not at all."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.spool import Spool
from meterbook.intake.v1 import intake_pb2
from meterbook.wire.sections import SCHEMAS
from tests.fakes.intake import Book

# Appends for ever, and says each number on standard output once append has returned.
WRITER = """
import sys
from pathlib import Path

import pytest
from agent.rules import TagsConfig, ready
from agent.spool import Spool
from agent.tagger import Tagger
from collector.readings import Window
from meterbook.wire.sections import sections
from tests.fakes.source import counter, readings

spool = Spool(Path(sys.argv[1]), agent="edge-1", bytes_max=1 << 30)
tagger = Tagger(ready(TagsConfig()))
start = spool.begin("fake/one", 0)
number = int(start.checkpoint.get("n", 0))
window_end_us = start.window_end_us
while True:
    number += 1
    window = Window(window_end_us, window_end_us + 1_000_000)
    shown = {counter("calls_total", number=str(number % 50 + k)): float(number) for k in range(20)}
    found = readings(window, shown)
    series = tagger.tag(found, window).series
    spool.append(sections(samples=found.samples), series, source="fake/one", checkpoint={"n": number}, window_end_us=window.end_us)
    window_end_us = window.end_us
    print(number, flush=True)
"""

KILLS = 6


@pytest.mark.slow
def test_killed_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "agent.spool"
    root = Path(__file__).parents[2]
    book, told, draw = Book(), 0, random.Random(7)
    for _ in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], cwd=root, stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            told = int(writer.stdout.readline())
            time.sleep(draw.uniform(0, 0.2))
            writer.send_signal(signal.SIGKILL)
            for line in writer.stdout:
                if line.endswith("\n"):
                    told = int(line)
        spool = Spool(path, agent="edge-1", bytes_max=1 << 30)
        written = spool.begin("fake/one", 0).checkpoint["n"]
        assert told <= written <= told + 1
        for batch in spool.after(0, 100_000):
            parts = {name: getattr(batch, name) for name in SCHEMAS}
            message = intake_pb2.Batch(
                sequence=batch.sequence, previous_hash=batch.previous_hash, hash=batch.hash, **parts
            )
            book.accept("edge-1", spool.epoch, message)
        assert spool.resume(*book.end("edge-1", spool.epoch)) is None
        spool.close()
        assert sorted({value for _, value in book.samples()}) == [float(n) for n in range(1, written + 1)]
        assert len(book.samples()) == written * 20
