"""Whether a ledger that is fed at a steady rate for a long time grows: its memory first of all.

A ledger with an embedded store and a few agents are processes of this machine. Every ten seconds one line tells what
the ledger takes: memory, that of its children, open files, threads, disk; how far the tables are behind the log, how
long acks take, and whether the rate was held. The figure is the slope of a straight line through the ledger's memory in
the second half of the run, when what it keeps on purpose is kept. Ctrl-C ends the run early with what was seen till then;
so does a disk that is nearly full, since an hour at a million samples a second takes some 30 GB.

    python -m bench.soak [--rate 1_000_000] [--minutes 60] [--agents 4] [--rows 10000]
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import numpy as np

from bench._figure import report
from bench._procfs import descendants, memory_mib, open_files, threads
from examples.demo.processes import Program, free_ports, meterbook

GOAL_MIB_PER_HOUR = 5.0
SAMPLE_EVERY_S = 10.0
LOOK_EVERY_S = 0.5
FREE_BYTES_MIN = 4 << 30
_PREFIX = "meterbook_ledger_"


@dataclass(frozen=True)
class Reading:
    """What was seen at one moment, ``at_s`` seconds after the start; rates and times since the reading before."""

    at_s: float
    rss_mib: float
    children_rss_mib: float
    open_files: int
    threads: int
    tables_behind_s: float
    samples_per_s: float
    ack_p99_ms: float
    log_mib: float
    tables_mib: float


class Senders:
    """The agents' processes, and what they told since it was last asked."""

    def __init__(self, address: str, agents: int, rows: int, samples_per_s: float) -> None:
        self._lock = threading.Lock()
        self._samples, self._ack_ms = 0, list[float]()
        command = [sys.executable, "-m", "bench._steady", address, "--rows", str(rows)]
        command += ["--rate", str(samples_per_s / agents), "--name"]
        # Sessions of their own: Ctrl-C reaches this process alone, which ends the others in order.
        self._processes = [
            subprocess.Popen([*command, f"agent-{number}"], stdout=subprocess.PIPE, start_new_session=True)
            for number in range(agents)
        ]
        for process in self._processes:
            threading.Thread(target=self._listen, args=(process,), daemon=True).start()

    def take(self) -> tuple[int, list[float]]:
        """Samples acknowledged and the acks' milliseconds since the last call. Raises RuntimeError where a sender ended."""
        if any(process.poll() is not None for process in self._processes):
            raise RuntimeError("a sender has ended; what it said is above")
        with self._lock:
            taken = self._samples, self._ack_ms
            self._samples, self._ack_ms = 0, []
        return taken

    def stop(self) -> None:
        """End them; what was sent is acknowledged first, where the ledger still does that."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            told = json.loads(line)
            with self._lock:
                self._samples += told["samples"]
                self._ack_ms += told["ack_ms"]


class Lag:
    """How old the newest record is that the tables hold, seen from when the log had which length."""

    def __init__(self, page: str) -> None:
        self._page = page
        self._lengths: deque[tuple[float, int]] = deque()
        self.most_s = 0.0

    def look(self) -> None:
        """Ask the ledger once. Raises httpx.HTTPError."""
        text = httpx.get(self._page, trust_env=False, timeout=30).text
        now_s = time.perf_counter()
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith(_PREFIX))
        held = int(float(values[_PREFIX + "tables_position"]))
        self._lengths.append((now_s, int(float(values[_PREFIX + "log_position"]))))
        # What the log had at that moment is in the tables: it is not behind any more.
        while self._lengths and self._lengths[0][1] <= held:
            self._lengths.popleft()
        if self._lengths:
            self.most_s = max(self.most_s, now_s - self._lengths[0][0])


def watch(ledger: int, book: Path, senders: Senders, lag: Lag, minutes: float) -> list[Reading]:
    """Print a reading every ten seconds until the time is up, the disk nearly full, or Ctrl-C; gives the readings."""
    readings: list[Reading] = []
    began_s = last_s = time.perf_counter()
    try:
        while last_s - began_s < minutes * 60:
            while (now_s := time.perf_counter()) - last_s < SAMPLE_EVERY_S:
                lag.look()
                time.sleep(LOOK_EVERY_S)
            readings.append(_reading(ledger, book, senders, lag, now_s - began_s, now_s - last_s))
            print(json.dumps({name: round(value, 1) for name, value in asdict(readings[-1]).items()}), flush=True)
            last_s, lag.most_s = now_s, 0.0
            if shutil.disk_usage(book).free < FREE_BYTES_MIN:
                print(f"ended early: less than {FREE_BYTES_MIN >> 30} GiB are free", flush=True)
                break
    except KeyboardInterrupt:
        print("ended early: interrupted", flush=True)
    return readings


def _reading(ledger: int, book: Path, senders: Senders, lag: Lag, at_s: float, since_s: float) -> Reading:
    samples, ack_ms = senders.take()
    children_mib = 0.0
    for child in descendants(ledger):
        with suppress(FileNotFoundError, ProcessLookupError):
            children_mib += memory_mib(child, "VmRSS")
    return Reading(
        at_s=at_s,
        rss_mib=memory_mib(ledger, "VmRSS"),
        children_rss_mib=children_mib,
        open_files=open_files(ledger),
        threads=threads(ledger),
        tables_behind_s=lag.most_s,
        samples_per_s=samples / since_s,
        # Without any ack the oldest batch has waited for all this time.
        ack_p99_ms=float(np.percentile(ack_ms, 99)) if ack_ms else 1e3 * since_s,
        log_mib=_disk_mib(book / "log"),
        tables_mib=_disk_mib(book / "tables"),
    )


def _disk_mib(directory: Path) -> float:
    """What the files of a directory take on the disk; those that go away meanwhile count nothing."""
    total = 0
    for path in directory.rglob("*"):
        with suppress(FileNotFoundError):
            total += path.lstat().st_blocks * 512
    return total / (1 << 20)


def growth_mib_per_hour(readings: list[Reading]) -> float:
    """Slope of the straight line through the ledger's memory in the second half. Raises ValueError for under four readings."""
    half = [each for each in readings if each.at_s >= readings[-1].at_s / 2]
    if len(half) < 2 or len(readings) < 4:
        raise ValueError(f"{len(readings)} readings give no slope: let it run for a minute at least")
    slope, _ = np.polyfit([each.at_s / 3_600 for each in half], [each.rss_mib for each in half], 1)
    return float(slope)


def run(directory: Path, agents: int, rows: int, samples_per_s: float, minutes: float) -> list[Reading]:
    """A ledger and its agents from start to end; gives the readings."""
    port, http = free_ports(2)
    book, page = directory / "book", f"http://127.0.0.1:{http}"
    serve = ["--store", f"file:{book}", "--listen", f"127.0.0.1:{port}", "--http", f"127.0.0.1:{http}"]
    ledger = Program("ledger", meterbook("ledger", "serve", *serve), directory / "ledger.log", page + "/readyz")
    senders = None
    try:
        ledger.start()
        assert ledger.process is not None
        senders = Senders(f"127.0.0.1:{port}", agents, rows, samples_per_s)
        return watch(ledger.process.pid, book, senders, Lag(page + "/metrics"), minutes)
    finally:
        if senders is not None:
            senders.stop()
        ledger.stop()


def main() -> None:
    """Run, and print the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=1_000_000, help="samples per second, over all agents")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--agents", type=int, default=4)
    parser.add_argument("--rows", type=int, default=10_000, help="samples in a batch")
    given = parser.parse_args()
    # Whoever ends the run by SIGTERM shall find nothing left behind either.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    directory = Path(tempfile.mkdtemp(prefix="meterbook-bench-"))
    try:
        readings = run(directory, given.agents, given.rows, given.rate, given.minutes)
    except KeyboardInterrupt:
        readings = []
    finally:
        shutil.rmtree(directory)
    try:
        slope = growth_mib_per_hour(readings)
    except ValueError as reason:
        raise SystemExit(str(reason)) from reason
    half = readings[len(readings) // 2 :]
    summary = {
        "minutes": readings[-1].at_s / 60,
        "samples_per_s": float(np.mean([each.samples_per_s for each in readings])),
        "worst_ack_p99_ms": max(each.ack_p99_ms for each in readings),
        "worst_tables_behind_s": max(each.tables_behind_s for each in readings),
        "children_rss_mib_max": max(each.children_rss_mib for each in readings),
        "open_files_growth": half[-1].open_files - half[0].open_files,
        "threads_growth": half[-1].threads - half[0].threads,
    }
    print(json.dumps({name: round(value, 1) for name, value in summary.items()}))
    report(
        "ledger memory growth",
        round(slope, 2),
        "MiB/hour",
        goal=GOAL_MIB_PER_HOUR,
        met=slope <= GOAL_MIB_PER_HOUR,
        peers={},
        limit={},
    )


if __name__ == "__main__":
    main()
