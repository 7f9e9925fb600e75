"""A real ledger and a real agent whose logs go to a program: every line of both is an object, from the first to the last."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples.demo.processes import free_ports

METERBOOK = str(Path(sys.executable).with_name("meterbook"))
AGENT = """
agent: edge-1
ledger: {{endpoint: "127.0.0.1:{port}"}}
spool: {{path: {folder}/agent.spool}}
http: {{listen: "127.0.0.1:0"}}
sources:
  - {{kind: logfile, path: {folder}/usage.log, interval_s: 0.2}}
"""


def records(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def wait_for(log: Path, message: str) -> None:
    ends_s = time.monotonic() + 60
    while message not in log.read_text():
        assert time.monotonic() < ends_s, log.read_text()
        time.sleep(0.05)


@pytest.mark.slow
def test_every_line_is_an_object(tmp_path: Path) -> None:
    grpc_port, http_port = free_ports(2)
    config = tmp_path / "agent.yaml"
    config.write_text(AGENT.format(port=grpc_port, folder=tmp_path))
    (tmp_path / "usage.log").write_text("not an event\n")
    serve = ["ledger", "serve", "--store", f"file:{tmp_path}/store", "--listen", f"127.0.0.1:{grpc_port}"]
    serve += ["--http", f"127.0.0.1:{http_port}"]
    logs = {"ledger": tmp_path / "ledger.log", "agent": tmp_path / "agent.log", "second": tmp_path / "second.log"}
    # Nobody says --log-format: this is no terminal.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("METERBOOK")}

    def begun(name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with logs[name].open("wb") as log:
            return subprocess.Popen([METERBOOK, *arguments], stdout=log, stderr=log, env=environment)

    with (
        begun("ledger", *serve, "--log-level", "debug") as ledger,
        begun("agent", "agent", "run", "--config", str(config), "--log-level", "debug") as agent,
    ):
        try:
            wait_for(logs["agent"], "acknowledged at position")
            assert httpx.get(f"http://127.0.0.1:{http_port}/healthz", trust_env=False).status_code == 200
            with begun("second", *serve) as second:
                assert second.wait(60) == 1
            # One that does not speak gRPC at all: the core of gRPC would write of it in its own way.
            with pytest.raises(httpx.HTTPError):
                httpx.get(f"http://127.0.0.1:{grpc_port}/", trust_env=False)
        finally:
            for process in (agent, ledger):
                process.send_signal(signal.SIGTERM)
                assert process.wait(60) == 0

    (refused,) = records(logs["second"])
    assert refused["level"] == "critical" and "another process has this store open" in refused["message"]
    acknowledged = next(each for each in records(logs["agent"]) if "acknowledged" in each["message"])
    assert acknowledged["agent"] == "edge-1" and acknowledged["epoch"] > 0 and acknowledged["sequence"] > 0
    assert records(logs["agent"])[-1]["message"] == "stopped"
    assert any("serving" in each["message"] for each in records(logs["ledger"]))
    for log in ("ledger", "agent"):
        for each in records(logs[log]):
            assert {"timestamp", "level", "logger", "message"} <= each.keys()
