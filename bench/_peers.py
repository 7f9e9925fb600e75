"""Samples per second that VictoriaMetrics and Prometheus acknowledge over remote write, as a yardstick for bench.ingest.

Each peer is the Debian package's binary as a process with its own defaults, an empty data directory and nothing else to
do. Each agent is a process with one connection that sends the series and values of bench.ingest's agents, one request
after the other, as one shard of Prometheus does; it has encoded every request before the clock starts. Samples count
once the answer is 2xx, and the run counts only if a query then finds each of them in three series of every agent.

Neither peer has its samples on the disk when it answers: VictoriaMetrics 1.79 keeps them in memory and writes and syncs
them every few seconds, Prometheus 2.42 writes its WAL and syncs it only where a segment of 128 MiB ends.

    python -m bench._peers [--agents 4] [--rows 10000] [--seconds 5]
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench._load import SAMPLES_PER_SERIES
from bench._procfs import cpu_s, memory_mib
from bench._remotewrite import Requests
from examples.demo.processes import DemoFailed, Program, free_ports

#: What the agents together encode for a second. A faster receiver uses it up before the time is over.
ENCODED_PER_S = 12_000_000
#: What the agents together keep of it: at six bytes a sample enough for 30 s.
ENCODED_BYTES_MAX = 2 << 30
#: Whether every sample can be found is asked for so long: VictoriaMetrics shows them a second or two later.
VISIBLE_S_MAX = 30.0


class NotMeasured(Exception):
    """There is no figure; the message says why."""


@dataclass(frozen=True)
class Peer:
    """A program that takes remote write."""

    name: str
    #: The command without the binary, for a port and a directory that exists.
    arguments: Callable[[int, Path], Sequence[str]]
    write: str
    ready: str


def _victoria_metrics(port: int, directory: Path) -> Sequence[str]:
    return [f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={directory}/data"]


def _prometheus(port: int, directory: Path) -> Sequence[str]:
    config = directory / "prometheus.yml"
    config.write_text("global: {}\n")
    return [
        f"--config.file={config}",
        f"--storage.tsdb.path={directory}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
    ]


PEERS = (
    Peer("victoria-metrics", _victoria_metrics, "/api/v1/write", "/health"),
    Peer("prometheus", _prometheus, "/api/v1/write", "/-/ready"),
)


def measure_peers(agents: int, rows: int, seconds: float, directory: Path) -> dict[str, dict[str, float] | str]:
    """One run of each peer, one after the other, with ``agents`` senders and ``rows`` samples a request.

    Gives samples_per_s, p50_ms and p99_ms of the answers, cpu_s_per_million and peak_rss_mib of the peer's process, or
    a sentence that says why there is no figure. The data in ``directory`` are removed again.
    """
    found: dict[str, dict[str, float] | str] = {}
    for peer in PEERS:
        place = Path(tempfile.mkdtemp(prefix=f"{peer.name}-", dir=directory))
        try:
            found[peer.name] = _measure(peer, agents, rows, seconds, place)
        except (NotMeasured, DemoFailed) as reason:
            found[peer.name] = f"not measured: {reason}"
        finally:
            shutil.rmtree(place)
    return found


def _measure(peer: Peer, agents: int, rows: int, seconds: float, directory: Path) -> dict[str, float]:
    binary = shutil.which(peer.name)
    if binary is None:
        raise NotMeasured(f"there is no {peer.name} on the PATH; install the package of that name")
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    program = Program(peer.name, [binary, *peer.arguments(port, directory)], directory / "log", url + peer.ready)
    # The same for every agent: times that run apart by more than an hour are refused.
    since_ms = int(time.time() * 1e3) - _count(agents, rows, seconds) * SAMPLES_PER_SERIES
    command = [sys.executable, "-m", "bench._peers", "--send", f"127.0.0.1:{port}{peer.write}"]
    command += ["--agents", str(agents), "--rows", str(rows), "--seconds", str(seconds), "--since-ms", str(since_ms)]
    program.start()
    senders: list[subprocess.Popen[str]] = []
    try:
        for name in _names(agents):
            senders.append(  # noqa: PERF401 # those that were started must be ended even if the next cannot be
                subprocess.Popen([*command, "--name", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
        for sender in senders:
            _answer(sender)
        assert program.process is not None
        before_s = cpu_s(program.process.pid)
        for sender in senders:
            assert sender.stdin is not None
            sender.stdin.write("\n")
            sender.stdin.flush()
        sent = [json.loads(_answer(sender)) for sender in senders]
        taken_s = cpu_s(program.process.pid) - before_s
        peak_rss_mib = memory_mib(program.process.pid, "VmHWM")
        _verify(url, dict(zip(_names(agents), (each["requests"] for each in sent), strict=True)), rows, since_ms)
    finally:
        for sender in senders:
            sender.kill()
            sender.communicate()
        program.stop()
    samples = sum(each["requests"] for each in sent) * rows
    return {
        "samples_per_s": samples / max(each["seconds"] for each in sent),
        "p50_ms": statistics.median(each["p50_ms"] for each in sent),
        "p99_ms": max(each["p99_ms"] for each in sent),
        "cpu_s_per_million": taken_s * 1e6 / samples,
        "peak_rss_mib": peak_rss_mib,
    }


def _names(agents: int) -> list[str]:
    return [f"agent-{number}" for number in range(agents)]


def _count(agents: int, rows: int, seconds: float) -> int:
    """How many requests one agent encodes."""
    return max(1, int(ENCODED_PER_S * seconds / (agents * rows)))


def _answer(sender: subprocess.Popen[str]) -> str:
    """The next line of a sender. Raises NotMeasured where it ended instead, or says that it was refused."""
    assert sender.stdout is not None
    line = sender.stdout.readline()
    if not line:
        raise NotMeasured(f"a sender ended with exit code {sender.wait()}; what it said is above")
    if line.startswith("refused: "):
        raise NotMeasured(f"a request was {line.strip()}")
    return line


def send(address: str, bodies: Sequence[bytes], seconds: float) -> dict[str, float]:
    """Send one request after the other on one connection; gives how many were taken, in which time. Raises NotMeasured."""
    host, _, path = address.partition("/")
    name, _, port = host.rpartition(":")
    head = (
        f"POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n"
        "X-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: "
    ).encode()
    latencies_s: list[float] = []
    with socket.create_connection((name, int(port))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began_s = sent_s = time.perf_counter()
        for body in bodies:
            connection.sendall(b"%b%d\r\n\r\n%b" % (head, len(body), body))
            answer = connection.recv(1 << 16)
            while b"\r\n\r\n" not in answer:
                more = connection.recv(1 << 16)
                if not more:
                    raise NotMeasured("the connection was closed before the answer")
                answer += more
            if not answer.startswith(b"HTTP/1.1 2"):
                raise NotMeasured(" ".join(answer.decode(errors="replace").split())[:300])
            now_s = time.perf_counter()
            latencies_s.append(now_s - sent_s)
            sent_s = now_s
            if now_s - began_s >= seconds:
                break
    ordered = sorted(latencies_s)
    return {
        "requests": len(ordered),
        "seconds": sent_s - began_s,
        "p50_ms": 1e3 * statistics.median(ordered),
        "p99_ms": 1e3 * ordered[int(len(ordered) * 0.99)],
    }


def _encoded(requests: Requests, since_ms: int, count: int, bytes_max: int) -> list[bytes]:
    bodies, size = [], 0
    for body in requests.bodies(since_ms, count):
        bodies.append(body)
        size += len(body)
        if size > bytes_max:
            break
    return bodies


def _verify(url: str, requests: dict[str, int], rows: int, since_ms: int) -> None:
    """Ask for three series of every agent until each has as many samples as were acknowledged. Raises NotMeasured."""
    series = rows // SAMPLES_PER_SERIES
    chosen = {str(number) for number in (0, series // 2, series - 1)}
    wanted = {
        (agent, number): count * SAMPLES_PER_SERIES for agent, count in requests.items() for number in sorted(chosen)
    }
    end_s = since_ms / 1e3 + max(requests.values()) * SAMPLES_PER_SERIES / 1e3
    # More than the run, since the range must begin before the first sample. VictoriaMetrics moves the time else.
    asked = {
        "query": f'count_over_time(requests_total{{n=~"{"|".join(sorted(chosen))}"}}[{int(end_s - since_ms / 1e3) + 60}s])',
        "time": f"{end_s:.3f}",
        "nocache": "1",
    }
    deadline = time.monotonic() + VISIBLE_S_MAX
    while True:
        answer = httpx.get(f"{url}/api/v1/query", params=asked, trust_env=False, timeout=VISIBLE_S_MAX)
        if answer.status_code != 200:
            raise NotMeasured(f"a query answered {answer.status_code}: {answer.text}")
        result = answer.json()["data"]["result"]
        found = {(each["metric"]["agent"], each["metric"]["n"]): int(float(each["value"][1])) for each in result}
        if found == wanted:
            return
        if time.monotonic() > deadline:
            raise NotMeasured(
                f"of {sum(wanted.values())} samples acknowledged in {len(wanted)} series {sum(found.values())} are there"
            )
        time.sleep(0.2)


def _send_as(given: argparse.Namespace) -> None:
    """A sender's process: encode, say so, wait for the line that starts the clock, send, and print what came of it."""
    count = _count(given.agents, given.rows, given.seconds)
    bodies = _encoded(Requests(given.name, given.rows), given.since_ms, count, ENCODED_BYTES_MAX // given.agents)
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        print(json.dumps(send(given.send, bodies, given.seconds)), flush=True)
    except (NotMeasured, OSError) as reason:
        print(f"refused: {reason}", flush=True)


def main() -> None:
    """Measure the peers alone, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=4)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    for hidden, kind in (("--send", str), ("--name", str), ("--since-ms", int)):
        parser.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.send:
        _send_as(given)
        return
    with tempfile.TemporaryDirectory(prefix="meterbook-bench-") as directory:
        found = measure_peers(given.agents, given.rows, given.seconds, Path(directory))
    print(json.dumps({"agents": given.agents, "rows": given.rows, **found}))


if __name__ == "__main__":
    main()
