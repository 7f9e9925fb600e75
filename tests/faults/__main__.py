"""``python -m tests.faults``: play many histories of both logs; the first that fails is told, and can be played again."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from random import Random

from tests.faults.history import Failed, History, Playable, run
from tests.faults.replicas import Replicas

CHUNK = 50
#: Histories of each log, and how many of them are played if nobody says so.
KINDS: dict[str, Callable[[Random, list[str]], Playable]] = {"embedded": History, "shared": Replicas}
SEEDS = {"embedded": 10_000, "shared": 5_000}


def main() -> int:
    """Ends with 1 where a history failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--log", choices=[*KINDS, "both"], default="both", help="which log")
    parser.add_argument("--seeds", type=int, help="how many histories of a log to play")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    chosen = parser.parse_args()
    logs = KINDS if chosen.log == "both" else [chosen.log]
    with ProcessPoolExecutor() as pool:
        for log in logs:
            begun = time.monotonic()
            seeds = range(chosen.first, chosen.first + (SEEDS[log] if chosen.seeds is None else chosen.seeds))
            found = list(islice(filter(None, pool.map(failure, [log] * len(seeds), seeds, chunksize=CHUNK)), 1))
            if found:
                pool.shutdown(wait=False, cancel_futures=True)
                print(found[0])
                return 1
            spent_s = time.monotonic() - begun
            print(
                f"{log}: {len(seeds)} histories, from seed {chosen.first} on, in {spent_s:.0f} s: all is well",
                flush=True,
            )
    return 0


def failure(log: str, seed: int) -> str | None:
    """What went wrong in the history of a seed."""
    try:
        run(seed, KINDS[log])
    except Failed as failed:
        return f"{failed}\nAgain: python -m tests.faults --log {log} --seeds 1 --from {seed}"
    return None


if __name__ == "__main__":
    sys.exit(main())
