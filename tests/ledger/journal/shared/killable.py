"""A replica as a process of its own, to be killed: it extends chains that others extend too, and tells what was acknowledged.

Run as ``python -m tests.ledger.journal.shared.killable ADDRESS``; each acknowledgement is a line: chain, sequence, position.
"""

from __future__ import annotations

import os
import random
import sys
import threading

from ledger.journal.errors import LogUnavailable, Overtaken
from ledger.journal.shared.log import SharedLog
from tests.ledger.journal.shared.places import batch, place_of, replica

CHAINS = [f"agent/{name}/1" for name in "abcdef"]


def extend(log: SharedLog) -> None:
    """For ever."""
    while True:
        chain = random.choice(CHAINS)
        try:
            head = log.head(chain)
            position = log.append(batch(chain, head.sequence + 1, head.hash, os.urandom(100))).result()
        except (Overtaken, LogUnavailable):
            continue
        # One write, so that a kill leaves a line or none.
        os.write(1, f"{chain} {head.sequence + 1} {position}\n".encode())


if __name__ == "__main__":
    with replica(place_of(sys.argv[1])) as opened:
        for _ in range(4):
            threading.Thread(target=extend, args=(opened,), daemon=True).start()
        threading.Event().wait()
