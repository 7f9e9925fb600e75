"""What `helm test` runs, run as the pod would run it beside a real ledger and a real agent: it passes where a sample arrives, and only there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.spine import Spine
from tests.helm.charts import changed

pytestmark = pytest.mark.charts


@pytest.fixture(scope="module")
def spine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spine]:
    folder = tmp_path_factory.mktemp("spine")
    made = Spine(folder, [], [])
    sources = [{"kind": "prometheus", "job": "ledger", "targets": [made.intake_url], "interval_s": 1}]
    config = yaml.safe_load(made.agent_config.read_text(encoding="utf-8")) | {"sources": sources}
    made.agent_config.write_text(yaml.safe_dump(config), encoding="utf-8")
    made.ledger.start()
    made.agent.start()
    yield made
    made.stop()


def hook(chart: str, *sets: str, values: str | None = None) -> tuple[list[str], set[str]]:
    """The command of a test's pod, as it would be run here, and the names of its environment."""
    (pod,) = (each for each in changed(chart, *sets, values=values) if each["kind"] == "Pod")
    (container,) = pod["spec"]["containers"]
    assert container["command"] == ["python", "-c"]
    return [sys.executable, "-c", *container["args"]], {each["name"] for each in container["env"]}


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """The command, with meterbook on the PATH as it is in an image."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {"PATH": path, "HOME": "/tmp", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    return subprocess.run(command, capture_output=True, text=True, timeout=90, env={**kept, **environment})


def metrics_of(spine: Spine) -> str:
    listen = yaml.safe_load(spine.agent_config.read_text(encoding="utf-8"))["http"]["listen"]
    return f"http://{listen}/metrics"


def test_the_ledger_is_asked_for_new_samples_of_the_agent(spine: Spine) -> None:
    command, environment = hook("agent", 'agentName="e2e"', 'test.token.existingSecret="operator"')
    assert {"METERBOOK_LEDGER", "METERBOOK_TOKEN_FILE"} <= environment
    found = run(command, METERBOOK_LEDGER=spine.address)
    assert found.returncode == 0, found.stderr
    assert found.stdout == "new samples of e2e reached the ledger\n"


def test_an_agent_that_brings_nothing_is_named(spine: Spine) -> None:
    command, _ = hook("agent", 'agentName="another"', 'test.token.existingSecret="operator"', "test.timeoutSeconds=3")
    found = run(command, METERBOOK_LEDGER=spine.address)
    assert found.returncode
    assert found.stderr == "no new sample of another reached the ledger within 3 s\n"


def test_a_ledger_that_does_not_answer_is_named() -> None:
    command, _ = hook("agent", 'test.token.existingSecret="operator"', "test.timeoutSeconds=3")
    found = run(command, METERBOOK_LEDGER="127.0.0.1:1")
    assert found.returncode
    assert "no ledger answers at 127.0.0.1:1" in found.stderr


def test_without_a_token_the_agent_is_asked(spine: Spine) -> None:
    command, environment = hook("agent")
    assert environment == {"HOME"}
    assert command[-1] == "http://meterbook-agent-metrics.metering.svc:9465/metrics"
    found = run([*command[:-1], metrics_of(spine)])
    assert found.returncode == 0, found.stderr
    assert found.stdout == "the ledger acknowledged new samples of every agent\n"


def test_an_agent_that_does_not_answer_is_told() -> None:
    command, _ = hook("agent", "test.timeoutSeconds=3")
    found = run([*command[:-1], "http://127.0.0.1:1/metrics"])
    assert found.returncode
    assert "Connection refused" in found.stderr


def test_the_ledger_signs_and_lists_its_agents(spine: Spine) -> None:
    command, environment = hook("ledger", 'test.agents=["e2e"]', values="tryout")
    assert {"METERBOOK_LEDGER", "TEST_INSECURE"} <= environment
    assert command[-2] == "http://meterbook-ledger-metrics.metering.svc:9461/readyz"
    command[-2] = f"http://{spine.intake_url}/readyz"
    found = run(command, METERBOOK_LEDGER=spine.address, TEST_INSECURE="yes")
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("ready\nmeterbook/")
    assert "'e2e'" in found.stdout


def test_a_ledger_that_nobody_may_ask_is_looked_at(spine: Spine) -> None:
    command, environment = hook("ledger", 'access.adminToken.existingSecret=""')
    assert "METERBOOK_LEDGER" not in environment
    command[-1] = f"http://{spine.intake_url}/readyz"
    found = run(command)
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("ready\nnot asked for more")


def test_a_ledger_that_is_not_ready_is_told() -> None:
    command, _ = hook("ledger", "test.timeoutSeconds=3")
    command[-1] = "http://127.0.0.1:1/readyz"
    found = run(command)
    assert found.returncode
    assert "not ready: " in found.stderr
