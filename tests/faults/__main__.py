"""``python -m tests.faults --seeds 10000``: play many histories; the first that fails is told, and can be played again."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import islice

from tests.faults.history import Failed, run

CHUNK = 50


def main() -> int:
    """Ends with 1 where a history failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many histories to play")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    chosen = parser.parse_args()
    begun = time.monotonic()
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    with ProcessPoolExecutor() as pool:
        found = list(islice((each for each in pool.map(failure, seeds, chunksize=CHUNK) if each), 1))
        if found:
            pool.shutdown(wait=False, cancel_futures=True)
    if found:
        print(found[0])
        return 1
    print(f"{chosen.seeds} histories, from seed {chosen.first} on, in {time.monotonic() - begun:.0f} s: all is well")
    return 0


def failure(seed: int) -> str | None:
    """What went wrong in the history of a seed."""
    try:
        run(seed)
    except Failed as failed:
        return f"{failed}\nAgain: python -m tests.faults --seeds 1 --from {seed}"
    return None


if __name__ == "__main__":
    sys.exit(main())
