"""A ledger and an agent at real work, as real processes, which a real Prometheus scrapes and judges as the charts say.

The ledger has a certificate, a webhook and meters; the agent reads a page of metrics and a log file. The book is given an hour of the
past that was wholly observed, so that there is something to book, and something to say of the hour that was closed last. At first all
is well; ``trouble`` then has happen to them what can be had at once.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import yaml

from examples.demo.processes import Program, free_ports, meterbook
from meterbook.intake.v1 import intake_pb2
from meterbook.intake.v1.intake_pb2_grpc import IntakeStub
from meterbook.wire import instants
from tests.e2e.spine import meter
from tests.fakes.certificates import Authority
from tests.fakes.http_target import FakeTarget, fake_target, page
from tests.fakes.webhook import receiving, secret_file
from tests.helm.charts import CHARTS, changed, one
from tests.helm.scraping import scrape
from tests.ledger.batches import Sender, content, coverage, series
from tests.servers.prometheus import PrometheusServer

#: One chart is scraped in the one way that there is, and the other in the other.
_MONITORS = {
    "agent": (),
    "ledger": ("metrics.serviceMonitor.enabled=false", "metrics.podMonitor.enabled=true"),
}
_ALL_RULES = ("metrics.prometheusRule.disabled=[]", "metrics.prometheusRule.extraRules=[]")
_ROWS_MAX = 5_000
#: For how long the agent keeps what the ledger does not take: what it reads then is lost.
SPOOL_AGE_S_MAX = 20.0
_TENANTS = [
    {"kind": "tenant", "name": "acme", "spec": {}},
    {
        "kind": "plan",
        "name": "pro",
        "spec": {
            "currency": "EUR",
            "features": [{"name": "calls", "meter": "calls", "limit": 100, "thresholds": [80], "per": "year"}],
        },
    },
    {"kind": "subscription", "name": "acme-pro", "spec": {"tenant": "acme", "plan": "pro", "start": "2020-01-01"}},
]


class Observed:
    """Ledger, agent and Prometheus; made by ``observing``."""

    def __init__(self, folder: Path, targets: list[FakeTarget], webhook: dict[str, Any]) -> None:
        self.folder, self.targets = folder, targets
        self.start_s = time.time()
        port, ledger_http, agent_http = free_ports(3)
        self.address = f"127.0.0.1:{port}"
        self.pages = {"agent": f"127.0.0.1:{agent_http}", "ledger": f"127.0.0.1:{ledger_http}"}
        self._authority = Authority(folder)
        self.usage_log = folder / "usage.log"
        self.ledger = self._program("ledger", "readyz", "ledger", "serve", config=self._ledger_config(webhook))
        self.agent = self._program("agent", "healthz", "agent", "run", config=self._agent_config())
        self.rendered = {chart: changed(chart, *_MONITORS[chart], *_ALL_RULES, values="observed") for chart in CHARTS}
        self.prometheus = PrometheusServer(
            [scrape(self.rendered[chart], self.pages[chart]) for chart in CHARTS],
            [group for chart in CHARTS for group in one(self.rendered[chart], "PrometheusRule")["spec"]["groups"]],
        )

    def _ledger_config(self, webhook: dict[str, Any]) -> dict[str, Any]:
        pair = self._authority.issue("ledger", valid_days=90)
        return {
            "store": f"file:{self.folder}/book",
            "listen": self.address,
            "http": self.pages["ledger"],
            "tls": {"cert_file": str(pair.cert_file), "key_file": str(pair.key_file)},
            "access": {"anonymous": "admin"},
            "intake": {"rows_max": _ROWS_MAX},
            "metering": {"every_s": 1, "lateness_s": 0},
            "entitlements": {"refresh_s": 0.1, "webhooks": [webhook]},
        }

    def _agent_config(self) -> dict[str, Any]:
        addresses = [each.address for each in self.targets]
        return {
            "agent": "edge-1",
            "ledger": {"endpoint": self.address, "tls": {"ca_file": str(self._authority.file)}},
            "spool": {"path": str(self.folder / "agent.spool"), "age_max_s": SPOOL_AGE_S_MAX},
            "http": {"listen": self.pages["agent"]},
            "tags": {"rules": [{"from": "label:tenant"}, {"from": "subject"}]},
            "sources": [
                {"kind": "prometheus", "job": "shop", "targets": addresses, "interval_s": 1, "timeout_s": 0.9},
                {"kind": "logfile", "name": "log", "path": str(self.usage_log), "interval_s": 1},
            ],
        }

    def _program(self, name: str, ready: str, *command: str, config: dict[str, Any]) -> Program:
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(config))
        log, url = self.folder / f"{name}.log", f"http://{self.pages[name]}/{ready}"
        return Program(name, meterbook(*command, "--config", str(file)), log, url)

    def start(self) -> None:
        """Everything, and the first usage."""
        self.ledger.start()
        self._tell_of_the_past()
        self.cli("apply", "-f", str(self._definitions()), "--author", "test")
        self.write("1", subject="acme")
        self.agent.start()
        self.prometheus.start()

    def _definitions(self) -> Path:
        file = self.folder / "definitions.yaml"
        meters = [meter("jobs", "increase", metric="jobs_total"), meter("calls", "sum", event="call")]
        file.write_text(yaml.safe_dump_all([*meters, *_TENANTS]))
        return file

    def _tell_of_the_past(self) -> None:
        """A whole day up to now, by an agent that is gone since."""
        end_us = instants.now_us()
        start_us = end_us // instants.HOUR_US * instants.HOUR_US - instants.DAY_US
        source = "prometheus/past"
        what = content(
            series=[series(1, source=source, metric="jobs_total", labels="{}", since=start_us)],
            samples=[(1, start_us + hour * instants.HOUR_US, float(hour)) for hour in range(24)],
            coverage=[coverage(0, source=source, start=start_us, end=end_us)],
        )
        sender = Sender("past")
        batch = sender.next(what)
        messages = [intake_pb2.ClientMessage(hello=sender.hello()), intake_pb2.ClientMessage(batch=batch)]
        answers = [each.WhichOneof("message") for each in self._intake().Stream(iter(messages))]
        assert "ack" in answers, answers

    def _intake(self) -> IntakeStub:
        credentials = grpc.ssl_channel_credentials(self._authority.file.read_bytes())
        return IntakeStub(grpc.secure_channel(self.address, credentials))

    def write(self, number: str, **more: Any) -> None:
        """One event of now into the log."""
        now = datetime.now(UTC).isoformat()
        event = {"id": number, "source": "/shop", "type": "call", "time": now, "data": {"value": 1}} | more
        self._append(json.dumps(event))

    def _append(self, line: str) -> None:
        with self.usage_log.open("a") as log:
            log.write(line + "\n")

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``meterbook`` with arguments."""
        command = [*meterbook(*arguments), "--ledger", self.address, "--ca-file", str(self._authority.file)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def trouble(self) -> None:
        """A dead letter, nobody's event, a source that fails, a threshold, a strange caller, and events that are refused and too many."""
        self._append("this is no event")
        self.write("2")
        self.write("3", subject="acme", data={"value": 90})
        self.targets[-1].answer = page(b"<html>Sign in</html>", "text/html")
        token = self.folder / "token"
        token.write_text("mb_nobody_knows_it\n")
        assert self.cli("usage", "--token-file", str(token)).returncode != 0
        self.refused()

    def refused(self) -> None:
        """Somebody sends what is no event, and too many events."""
        for events in ([intake_pb2.Event()], [intake_pb2.Event()] * (_ROWS_MAX + 1)):
            try:
                self._intake().Record(intake_pb2.RecordRequest(sender="till", events=events))
            except grpc.RpcError:
                continue
            raise AssertionError("it was accepted")

    def stop(self) -> None:
        """End all of it."""
        self.prometheus.close()
        self.agent.stop()
        self.ledger.stop()


@contextmanager
def observing(folder: Path) -> Iterator[Observed]:
    """All of it at work, and nothing wrong yet."""
    with ExitStack() as stack:
        targets = [stack.enter_context(fake_target()) for _ in range(2)]
        for number, target in enumerate(targets):
            target.answer = page(b'# TYPE jobs counter\njobs_total{tenant="acme"} %d\n' % (7 * number + 1))
        receiver = stack.enter_context(receiving())
        found = Observed(folder, targets, {"url": receiver.url, "name": "erp", "secret_file": str(secret_file(folder))})
        stack.callback(found.stop)
        found.start()
        yield found
