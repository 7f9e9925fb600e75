"""``kill -9`` of replicas at any moment, also of PostgreSQL: what was acknowledged is there, once, where it was said to be."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

from ledger.journal.place import SharedPlace
from meterbook.proof.merkle import Frontier
from tests.ledger.journal.shared.places import address, records_of, replica
from tests.servers.fixtures import Bucket, Database

REPLICAS, ROUNDS = 3, 12


def started(text: str, said: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.ledger.journal.shared.killable", text]
    with said.open("ab") as output:
        return subprocess.Popen(command, stdout=output)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_replicas_that_are_killed(place: SharedPlace, database: Database, bucket: Bucket, tmp_path: Path) -> None:
    said = tmp_path / "said"
    said.touch()
    text = address(database, bucket)
    running = [started(text, said) for _ in range(REPLICAS)]
    try:
        for round_ in range(ROUNDS):
            size = said.stat().st_size
            while said.stat().st_size < size + 400:
                time.sleep(0.01)
            time.sleep(random.uniform(0, 0.05))
            victim = running.pop(0)
            if round_ % 4 == 3:
                # It goes on when others have long taken over, and is killed only then.
                os.kill(victim.pid, signal.SIGSTOP)
                database.server.stop(immediate=True)
                database.server.start()
                os.kill(victim.pid, signal.SIGCONT)
            victim.kill()
            victim.wait()
            running.append(started(text, said))
    finally:
        for each in running:
            each.kill()
            each.wait()
    acknowledged = {
        (chain, int(sequence)): int(position)
        for chain, sequence, position in (line.split() for line in said.read_text().splitlines())
    }
    with replica(place) as log:
        records = records_of(log, stored=True)
        assert log.frontier == Frontier().appended(record.leaf for record in records)
    assert [record.position for record in records] == list(range(1, len(records) + 1))
    chains: dict[str, list[int]] = defaultdict(list)
    for record in records:
        chains[record.draft.chain].append(record.draft.sequence)
    assert all(sequences == list(range(1, len(sequences) + 1)) for sequences in chains.values())
    found = {(record.draft.chain, record.draft.sequence): record.position for record in records}
    assert len(acknowledged) > ROUNDS * 10
    assert acknowledged.items() <= found.items()
