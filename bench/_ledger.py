"""A ledger with TLS in a process of its own, and what can be seen of it from outside while agents feed it."""

from __future__ import annotations

import datetime
import ipaddress
import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bench._procfs import family_cpu_s, family_rss_mib
from examples.demo.processes import Program, free_ports, meterbook

_PREFIX = "meterbook_ledger_"
_LOOK_EVERY_S, _WEIGH_EVERY_S = 0.1, 0.5
#: Processes that the agents share, at most.
_SENDERS_MAX = 4


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = directory / "tls.crt", directory / "tls.key"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


class Ledger:
    """A ledger between :meth:`start` and :meth:`stop`, over an embedded store of its own unless another is given."""

    def __init__(self, directory: Path, store: str = "", signing_key: Path | None = None) -> None:
        port, self._http = free_ports(2)
        self.address = f"127.0.0.1:{port}"
        self.ca_file, key_file = make_certificate(directory)
        config = {
            "store": store or f"file:{directory}/book",
            "listen": self.address,
            "http": f"127.0.0.1:{self._http}",
            "tls": {"cert_file": str(self.ca_file), "key_file": str(key_file)},
            "access": {"anonymous": "admin"},
            "insecure": True,
            **({"proof": {"key_file": str(signing_key)}} if signing_key else {}),
        }
        (directory / "ledger.yaml").write_text(yaml.safe_dump(config))
        command = meterbook("ledger", "serve", "--config", str(directory / "ledger.yaml"))
        page = f"http://127.0.0.1:{self._http}/readyz"
        self._program = Program("ledger", command, directory / "ledger.log", page)

    def start(self) -> None:
        """Start, and wait until it serves."""
        self._program.start()

    def stop(self) -> None:
        """Stop it."""
        self._program.stop()

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._program.process is not None
        return self._program.process.pid

    def metrics(self) -> dict[str, float]:
        """What its page of metrics says, by name."""
        text = httpx.get(f"http://127.0.0.1:{self._http}/metrics", trust_env=False, timeout=30).text
        pairs = (line.rsplit(" ", 1) for line in text.splitlines() if line.startswith(_PREFIX) and "{" not in line)
        return {name.removeprefix(_PREFIX): float(value) for name, value in pairs}


class Watch:
    """Sees, from a thread, how many seconds the tables are behind the log (how old is what they still lack?) and how much
    memory the ledger's processes have together, each at its most."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._stopping = threading.Event()
        self.behind_s = self.rss_mib = 0.0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """Stop when the tables have everything; gives the seconds that took."""
        began = time.perf_counter()
        self._stopping.set()
        self._thread.join()
        return time.perf_counter() - began

    def _watch(self) -> None:
        seen: list[tuple[float, float]] = []
        weighed_s = 0.0
        while True:
            found = self._ledger.metrics()
            now = time.perf_counter()
            seen.append((now, found["log_position"]))
            # What the tables have, the log had at the latest when it was first seen to have more.
            while seen and seen[0][1] <= found["tables_position"]:
                seen.pop(0)
            if now - weighed_s > _WEIGH_EVERY_S:
                # A child may end while it is being weighed.
                with suppress(FileNotFoundError, ProcessLookupError):
                    self.rss_mib = max(self.rss_mib, family_rss_mib(self._ledger.pid))
                weighed_s = now
            if not self._stopping.is_set():
                self.behind_s = max(self.behind_s, now - seen[0][0] if seen else 0.0)
            elif not seen:
                return
            time.sleep(_LOOK_EVERY_S)


@dataclass(frozen=True)
class Fed:
    """What came of feeding a ledger; processor time and memory are those of all its processes."""

    samples_per_s: float
    p50_ms: float
    p99_ms: float
    tables_behind_s: float
    caught_up_s: float
    ledger_cpu_s_per_million: float
    peak_rss_mib: float


def feed(directory: Path, agents: int, rows: int, seconds: float, rate: float = 0.0) -> Fed:
    """Feed a new embedded ledger from ``agents`` agents with batches of ``rows``; at ``rate`` samples per second, if given."""
    ledger = Ledger(directory)
    ledger.start()
    try:
        return feed_replicas([ledger], agents, rows, seconds, rate)
    finally:
        ledger.stop()


def feed_replicas(ledgers: Sequence[Ledger], agents: int, rows: int, seconds: float, rate: float = 0.0) -> Fed:
    """Feed the replicas of one ledger, which are running; the agents are spread over them."""
    groups = [names for n in range(_SENDERS_MAX) if (names := [f"agent-{i}" for i in range(n, agents, _SENDERS_MAX)])]
    senders = [
        _sender(ledgers[place % len(ledgers)], names, rows, seconds, rate * len(names) / agents)
        for place, names in enumerate(groups)
    ]
    try:
        for sender in senders:
            assert sender.stdout is not None
            sender.stdout.readline()
        before, watches = sum(family_cpu_s(ledger.pid) for ledger in ledgers), [Watch(ledger) for ledger in ledgers]
        for sender in senders:
            assert sender.stdin is not None
            sender.stdin.write("\n")
            sender.stdin.flush()
        found = [json.loads(sender.communicate()[0]) for sender in senders]
        caught_up_s = max(watch.stop() for watch in watches)
    finally:
        for sender in senders:
            sender.kill()
    samples = sum(each["samples"] for each in found)
    return Fed(
        samples_per_s=samples / max(each["seconds"] for each in found),
        p50_ms=max(each["p50_ms"] for each in found),
        p99_ms=max(each["p99_ms"] for each in found),
        tables_behind_s=max(watch.behind_s for watch in watches),
        caught_up_s=caught_up_s,
        ledger_cpu_s_per_million=(sum(family_cpu_s(ledger.pid) for ledger in ledgers) - before) / samples * 1e6,
        peak_rss_mib=max(watch.rss_mib for watch in watches),
    )


def _sender(ledger: Ledger, names: Sequence[str], rows: int, seconds: float, rate: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench._load", ledger.address, "--ca", str(ledger.ca_file)]
    command += ["--names", ",".join(names), "--rows", str(rows), "--seconds", str(seconds), "--rate", str(rate)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
