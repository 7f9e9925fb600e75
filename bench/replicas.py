"""Samples per second that replicas of a ledger acknowledge over one shared store, beside one replica alone.

PostgreSQL and SeaweedFS are real servers of this machine, with syncs on, and share its processors with replicas and
agents. Same load as bench.ingest: four agents over gRPC with TLS, batches of 10,000 samples.

    python -m bench.replicas [--seconds 15] [--replicas 3]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

from bench._figure import report
from bench._ledger import Fed, Ledger, feed_replicas
from tests.servers.postgres import PostgresServer
from tests.servers.seaweed import SeaweedServer

#: The goal of one ledger with a store of its own.
GOAL = 10_000_000
AGENTS, ROWS = 4, 10_000


def measure(replicas: int, seconds: float) -> Fed:
    """A new store, and so many replicas on it."""
    with ExitStack() as opened:
        directory = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="meterbook-bench-")))
        database, objects = opened.enter_context(PostgresServer()), opened.enter_context(SeaweedServer())
        database.create_database("book")
        objects.create_bucket("book")
        os.environ |= {
            "AWS_ACCESS_KEY_ID": objects.access_key_id,
            "AWS_SECRET_ACCESS_KEY": objects.secret_access_key,
        }
        store = (
            f"s3://book/ledger?endpoint=http://{objects.endpoint}&region={objects.region}&durable=yes"
            f" + postgresql://postgres:{quote(database.password)}@127.0.0.1:{database.port}/book"
        )
        ledgers = []
        for number in range(replicas):
            folder = directory / str(number)
            folder.mkdir()
            ledger = Ledger(folder, store, directory / "signing.key")
            ledger.start()
            opened.callback(ledger.stop)
            ledgers.append(ledger)
        return feed_replicas(ledgers, AGENTS, ROWS, seconds)


def main() -> None:
    """Measure, and print the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--replicas", type=int, default=3)
    given = parser.parse_args()
    found = {}
    for replicas in (1, given.replicas):
        found[replicas] = measure(replicas, given.seconds)
        told = {name: round(value, 3) for name, value in asdict(found[replicas]).items()}
        print(json.dumps({"replicas": replicas, "seconds": given.seconds, **told}), flush=True)
    most = found[given.replicas].samples_per_s
    report(
        f"samples acknowledged durable by {given.replicas} replicas",
        round(most),
        "samples/s",
        goal=GOAL,
        met=most >= GOAL,
        peers={},
        limit={"one replica": round(found[1].samples_per_s)},
    )


if __name__ == "__main__":
    main()
