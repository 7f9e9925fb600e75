"""How fast usage events go from a bucket into the book: gigabytes of NDJSON a minute, uncompressed.

A real S3 server (SeaweedFS) holds gzip objects of events of 200 tenants, 300 bytes each. An agent reads them, tags them and keeps them in its
spool; a ledger makes them durable, has them in its tables and meters them. All of it runs on this machine. The time runs from the start of the
agent until the ledger's usage, by tenant, is what was written, to the last digit. As the limit stands what DuckDB's ``read_json`` takes
for the same files, from this machine's disk and in one process. Nothing else in the run does the same work as a peer.

    python -m bench.datastore [--gigabytes 2]
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import tempfile
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import duckdb
import grpc
import httpx
import numpy as np
import yaml
from isal import igzip

from bench import _events
from bench._figure import report
from bench._procfs import family_cpu_s, memory_mib
from examples.demo.processes import Program, free_ports, meterbook, run
from meterbook.ledger.v1 import query_pb2, query_pb2_grpc
from tests.servers.usage_bucket import UsageBucket, usage_bucket

GOAL_GB_PER_MINUTE = 10.0
GOAL_MEMORY_MIB = 1024
_OBJECT_EVENTS = 150_000
_METERS = [
    {"kind": "meter", "name": name, "spec": {"source": {"event": name}, "aggregation": "sum", "unit": "unit"}}
    for name in _events.TYPES
]


def fill(bucket: UsageBucket, directory: Path, gigabytes: float) -> tuple[int, int, np.ndarray]:
    """Write objects, and the same as files; gives bytes, events, and what each tenant used in thousandths."""
    size, events, used = 0, 0, np.zeros(_events.TENANTS, np.int64)
    while size < gigabytes * 1e9:
        lines, sums = _events.lines(events, _OBJECT_EVENTS)
        body = igzip.compress(lines, 1)
        name = f"2026-01-31/{events:012}.json.gz"
        bucket.put(name, body)
        (directory / name.replace("/", "-")).write_bytes(body)
        size, events, used = size + len(lines), events + _OBJECT_EVENTS, used + sums
    return size, events, used


def read_json_s(directory: Path) -> float:
    """Seconds that DuckDB takes to read the files and to add the values up."""
    with duckdb.connect() as connection:
        began_s = time.perf_counter()
        connection.execute(
            "SELECT subject, sum((data->>'value')::DECIMAL(38, 9)) FROM read_json(?, format='newline_delimited', columns={id: 'VARCHAR', "
            "source: 'VARCHAR', type: 'VARCHAR', subject: 'VARCHAR', time: 'TIMESTAMP', data: 'JSON', tier: 'VARCHAR'}) GROUP BY ALL",
            [f"{directory}/*.json.gz"],
        ).fetchall()
        return time.perf_counter() - began_s


def programs(directory: Path, bucket: UsageBucket) -> tuple[Program, Program, str]:
    """A ledger, an agent that reads the bucket, and the ledger's address."""
    ledger_port, ledger_http, agent_http = free_ports(3)
    address, page = f"127.0.0.1:{ledger_port}", f"http://127.0.0.1:{ledger_http}"
    serve = ["--store", f"file:{directory}/book", "--listen", address, "--http", f"127.0.0.1:{ledger_http}"]
    document = {
        "agent": "bench",
        "ledger": {"endpoint": address},
        "spool": {"path": str(directory / "spool")},
        "http": {"listen": f"127.0.0.1:{agent_http}"},
        "tags": {"rules": [{"from": "subject"}]},
        "sources": [{"kind": "s3", **bucket.settings, "interval_s": 1}],
    }
    config = directory / "agent.yaml"
    config.write_text(yaml.safe_dump(document))
    ledger = Program("ledger", meterbook("ledger", "serve", *serve), directory / "ledger.log", f"{page}/readyz")
    agent = Program(
        "agent",
        meterbook("agent", "run", "--config", str(config)),
        directory / "agent.log",
        f"http://127.0.0.1:{agent_http}/healthz",
    )
    return ledger, agent, address


def metered(address: str) -> dict[str, int]:
    """What each tenant used, in thousandths, by a usage query."""
    with grpc.insecure_channel(address) as channel:
        rows = query_pb2_grpc.QueryStub(channel).Usage(query_pb2.UsageRequest()).rows
    used: Counter[str] = Counter()
    for row in rows:
        used[row.tenant] += int(Decimal(row.quantity) * 1_000)
    return dict(used)


def shown(client: httpx.Client, page: str, *names: str) -> list[float]:
    """Sums of metrics on a page."""
    lines = client.get(page).text.splitlines()
    return [sum(float(line.rsplit(" ", 1)[1]) for line in lines if re.match(rf"{name}[ {{]", line)) for name in names]


def stages_s(agent_page: str, ledger_page: str, events: int) -> dict[str, float]:
    """Seconds until all events are in the spool, acknowledged, and in the tables."""
    began_s, found = time.perf_counter(), dict[str, float]()
    with httpx.Client(trust_env=False, verify=False, timeout=30) as client:
        while len(found) < 3:
            time.sleep(0.25)
            spooled, waiting = shown(
                client, agent_page, "meterbook_agent_events_total", "meterbook_agent_spool_batches"
            )
            log, tables = shown(
                client, ledger_page, "meterbook_ledger_log_position", "meterbook_ledger_tables_position"
            )
            now_s = time.perf_counter() - began_s
            if spooled >= events:
                found.setdefault("spooled_s", now_s)
                if not waiting:
                    found.setdefault("acknowledged_s", now_s)
                    if tables >= log:
                        found.setdefault("in_tables_s", now_s)
    return found


def main() -> None:
    """Measure, and print the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    given = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="meterbook-bench-"))
    (directory / "files").mkdir()
    with usage_bucket() as bucket:
        size, events, used = fill(bucket, directory / "files", given.gigabytes)
        wanted = {f"tenant-{number}": int(each) for number, each in enumerate(used) if each}
        limit_s = read_json_s(directory / "files")
        ledger, agent, address = programs(directory, bucket)
        try:
            ledger.start()
            (directory / "meters.yaml").write_text(yaml.safe_dump_all(_METERS))
            run(meterbook("apply", "-f", str(directory / "meters.yaml"), "--ledger", address))
            began_s = time.perf_counter()
            agent.start()
            stages = stages_s(
                agent.page.replace("healthz", "metrics"), ledger.page.replace("readyz", "metrics"), events
            )
            right = metered(address) == wanted
            spent_s = time.perf_counter() - began_s
            costs = {
                program.name: {
                    "cpu_s": family_cpu_s(program.process.pid),
                    "peak_rss_mib": memory_mib(program.process.pid, "VmHWM"),
                }
                for program in (ledger, agent)
                if program.process is not None
            }
        finally:
            agent.stop()
            ledger.stop()
            shutil.rmtree(directory)
    print(
        json.dumps({"gigabytes": size / 1e9, "events": events, "right": right, "metered_s": spent_s, **stages, **costs})
    )
    rate = size / 1e9 / spent_s * 60
    is_small = all(cost["peak_rss_mib"] < GOAL_MEMORY_MIB for cost in costs.values())
    report(
        "NDJSON from a bucket to metered usage",
        rate,
        "GB/min",
        goal=GOAL_GB_PER_MINUTE,
        met=right and is_small and rate >= GOAL_GB_PER_MINUTE,
        peers={},
        limit={"DuckDB read_json alone": size / 1e9 / limit_s * 60},
    )


if __name__ == "__main__":
    main()
