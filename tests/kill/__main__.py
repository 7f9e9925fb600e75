"""``python -m tests.kill --minutes 10``: SIGKILL of everything at random, with a client that keeps its own count.

One line tells of each kill as it happens; the last line is JSON. The exit code is 1 where the ledger and the client differ in
anything, or the book does not verify; the directory with the logs and the book is kept then.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from examples.demo.processes import DemoFailed
from tests.kill.programs import Failed
from tests.kill.run import survived
from tests.servers.process import ServerDidNotStart


def main() -> int:
    """Exit code of the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.kill", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long things are killed")
    parser.add_argument("--store", choices=["file", "shared"], default="file", help="which kind of book")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="what is drawn follows from it")
    chosen = parser.parse_args()
    # Whoever ends this ends what it started, also where it runs in the background.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    directory = Path(tempfile.mkdtemp(prefix="meterbook-kill-"))
    print(f"seed {chosen.seed}, store {chosen.store}, {chosen.minutes:g} minutes, in {directory}", flush=True)
    try:
        with survived(directory, chosen.store, chosen.minutes * 60, chosen.seed) as outcome:
            figures, differs = outcome.figures, outcome.verdict.differs
    except (Failed, DemoFailed, ServerDidNotStart) as error:
        print(f"FAILED: {error}\nThe logs and the book are in {directory}", flush=True)
        return 1
    except KeyboardInterrupt:
        shutil.rmtree(directory)
        return 130
    for each in differs:
        print(f"DIFFERS: {each}")
    told = {"store": chosen.store, "seed": chosen.seed, "minutes": chosen.minutes, **figures}
    if differs:
        print(f"The logs and the book are in {directory}")
    else:
        shutil.rmtree(directory)
    print(json.dumps(told), flush=True)
    return 1 if differs else 0


if __name__ == "__main__":
    sys.exit(main())
