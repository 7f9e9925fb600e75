"""A ledger that is killed while it closes a period: what the next one finds is whole, and it goes on from there."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.journal.journal import Journal
from ledger.journal.record import DEFINITIONS_CHAIN, Kind
from ledger.metering.booking import Booker
from ledger.query.closing import PeriodCloser
from ledger.query.periods import answer_period, answer_periods
from meterbook.ledger.v1 import period_pb2
from meterbook.wire import instants
from tests.fakes.journal import memory_journal
from tests.ledger.batches import append, content, coverage, extend, opened, series

ROOT = Path(__file__).parents[3]
DAY = instants.parse("2026-03-10")
METER = "kind: meter\nname: requests\nspec: {source: {metric: requests_total}, aggregation: increase, unit: requests, max_gap_s: 86400}\n"
#: Closes a period, and is killed before or after it writes one of its own records: a run, and then the close.
CLOSER = """
import os, signal, sys
from pathlib import Path
from ledger.journal.journal import Journal
from ledger.metering.booking import Booker
from ledger.query.closing import PeriodCloser
from meterbook.ledger.v1 import period_pb2

journal, left, extend = Journal(Path(sys.argv[1])), int(sys.argv[2]), Journal.extend

def killed(*record):
    global left
    written = extend(*record) if left % 2 else None
    if left < 2:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 2
    return written or extend(*record)

Journal.extend = killed
PeriodCloser(journal, Booker(journal), 0).close(period_pb2.ClosePeriodRequest(period="2026-03-10", author="ada"), "")
"""


def filled(journal: Journal) -> None:
    with memory_journal() as book:
        book.define(METER)
        extend(journal, Kind.DEFINITIONS, DEFINITIONS_CHAIN, book.records[0].payload)
    samples = [(1, DAY + hour * instants.HOUR_US, float(hour)) for hour in range(25)]
    whole = coverage(0, start=DAY, end=DAY + 25 * instants.HOUR_US)
    append(journal, content(series=[series(1, since=DAY)], samples=samples, coverage=[whole]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "outcome"),
    [(0, "closed"), (1, "closed"), (2, "closed"), (3, "already closed")],
    ids=["before the run", "after the run", "before the close", "after the close"],
)
def test_whoever_comes_next_closes_it_once(tmp_path: Path, moment: int, outcome: str) -> None:
    with opened(tmp_path) as journal:
        filled(journal)
    ended = subprocess.run(
        [sys.executable, "-c", CLOSER, str(tmp_path), str(moment)],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    with opened(tmp_path) as journal:
        closer = PeriodCloser(journal, Booker(journal), 0)
        found = closer.close(period_pb2.ClosePeriodRequest(period="2026-03-10", author="bob"), "")
        assert (found.outcome, found.closes[0].author) == (outcome, "bob" if outcome == "closed" else "ada")
        assert len(answer_periods(journal, period_pb2.PeriodsRequest()).closes) == 1
        (row,) = answer_period(journal, period_pb2.PeriodRequest(period="2026-03-10")).rows
        assert (row.quantity, row.corrected, row.entries) == ("24", "0", 0)
        assert (journal.view().count("entries"), journal.view().count("runs")) == (24, 1)
