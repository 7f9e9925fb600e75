"""Both charts on a cluster of one real node, as their READMEs install them; and the book beside what tenants' pods counted themselves."""

from __future__ import annotations

import json
import secrets
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from examples.demo.processes import meterbook
from tests.e2e.spine import eventually, meter
from tests.e2e.test_kubernetes import asked_cpu, used_cpu
from tests.helm.charts import Manifest
from tests.kube.node import Node
from tests.kube.preparing import needs_cluster
from tests.kube.releases import Release, installed
from tests.kube.tenants import MIB, counted, is_over, job, lived_s, pod

pytestmark = needs_cluster

LEDGER = "meterbook-ledger.metering.svc"
PATIENCE_S = 180.0


@dataclass(frozen=True)
class Shop:
    """A cluster with a ledger and an agent in it, and who asks the ledger."""

    node: Node
    ledger: Release
    agent: Release
    folder: Path

    def ask(self, *arguments: str) -> Any:
        """The JSON answer of a command that asks the ledger."""
        done = asked(self.node, self.folder, *arguments, "--json")
        told = self.node.kubectl("-n", "metering", "get", "pods,events").stdout if done.returncode else ""
        assert done.returncode == 0, f"{done.stderr}\n{told}"
        return json.loads(done.stdout)

    def usage(self, name: str, tenant: str) -> Decimal:
        """Of a meter, so far."""
        rows = self.ask("usage")["rows"]
        return sum(
            (Decimal(row["quantity"]) for row in rows if (row["meter"], row["tenant"]) == (name, tenant)), Decimal(0)
        )

    def pods(self, namespace: str) -> list[Manifest]:
        found: list[Manifest] = self.node.get("pods", "-n", namespace)["items"]
        return found


def asked(node: Node, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of an operator, who knows the Service's address and the name in its certificate."""
    address = node.get("service", "meterbook-ledger", "-n", "metering")["spec"]["clusterIP"]
    known = ["--ca-file", str(node.api.authority.file), "--server-name", LEDGER, "--token-file", str(folder / "token")]
    command = [*meterbook(*arguments), "--ledger", f"{address}:9460", *known]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def secret(node: Node, name: str, **data: str) -> None:
    node.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "metering"}, "stringData": data}
    )


@pytest.fixture(scope="module")
def shop(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The ledger's chart, an invitation of it, and the agent's chart."""
    folder = tmp_path_factory.mktemp("operator")
    token = folder / "token"
    token.write_text(f"mb_token_{secrets.token_hex(8)}_{secrets.token_hex(32)}\n")
    values = folder / "ledger.yaml"
    values.write_text(
        yaml.safe_dump(
            {
                "fullnameOverride": "meterbook-ledger",
                "image": {"pullPolicy": "Never"},
                "tls": {"existingSecret": "ledger-tls"},
                "access": {"adminToken": {"existingSecret": "admin"}},
                "config": {"metering": {"every_s": 1}},
                "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
                "test": {"token": {"existingSecret": "admin"}},
            }
        )
    )
    with installed(node, "ledger", values, "metering") as ledger:
        pair, authority = node.api.authority.issue("ledger", hosts=[LEDGER]), node.api.authority.file.read_text()
        secret(node, "ledger-tls", **{"tls.crt": pair.cert.decode(), "tls.key": pair.key.decode(), "ca.crt": authority})
        secret(node, "admin", token=token.read_text())
        rolled_out(node, "statefulset/meterbook-ledger")
        with installed_agent(node, folder) as agent:
            yield Shop(node, ledger, agent, folder)
    # Claims outlive their releases; the next ones are to begin with nothing.
    node.kubectl("-n", "metering", "delete", "pvc,secrets", "--all")


def rolled_out(node: Node, what: str) -> None:
    done = node.kubectl("-n", "metering", "rollout", "status", what, f"--timeout={PATIENCE_S:g}s")
    told = node.kubectl("-n", "metering", "get", "pods,pvc,events").stdout if done.returncode else ""
    assert done.returncode == 0, f"{done.stderr}\n{told}"


def installed_agent(node: Node, folder: Path) -> Any:
    # A Service knows of a pod that is ready a moment later than we do.
    eventually(lambda: asked(node, folder, "access", "list").returncode == 0)
    invited = asked(node, folder, "access", "invite-agent", "prod", "--tenants", "*", "--sources", "*")
    assert invited.returncode == 0, invited.stderr
    secret(node, "invitation", token=invited.stdout.strip())
    secret(node, "ledger-ca", **{"ca.crt": node.api.authority.file.read_text()})
    values = folder / "agent.yaml"
    rules = [
        {"from": "tag:namespace.label.tenant"},
        {"from": "attribute:namespace", "match": ".*", "tenant": "@shared"},
    ]
    values.write_text(
        yaml.safe_dump(
            {
                "agentName": "prod",
                "image": {"pullPolicy": "Never"},
                "ledger": {
                    "endpoint": f"{LEDGER}:9460",
                    "tls": {"existingSecret": "ledger-ca"},
                    "token": {"existingSecret": "invitation"},
                },
                "config": {
                    "tags": {"rules": rules},
                    "sources": [{"kind": "kubernetes", "cluster": "prod", "interval_s": 5, "timeout_s": 4}],
                },
            }
        )
    )
    return installed(node, "agent", values, "metering-agent", where="metering")


def defined(shop: Shop) -> None:
    """Meters of what the agent reads of a cluster."""
    documents = [
        asked_cpu(),
        used_cpu(),
        meter("memory", "integral", metric="pod_memory_working_set_bytes"),
        meter("written", "increase", metric="container_fs_writes_bytes_total"),
        meter("read", "increase", metric="container_fs_reads_bytes_total"),
        meter("sent", "increase", metric="pod_network_transmit_bytes_total"),
    ]
    (shop.folder / "definitions.yaml").write_text(yaml.safe_dump_all(documents))
    shop.ask("apply", "-f", str(shop.folder / "definitions.yaml"), "--author", "test")


def lived(shop: Shop) -> None:
    """Every tenant's pods, from their beginning to their end; meanwhile the agent's pod is replaced."""
    node = shop.node
    node.apply(
        pod("shop", "web", ["-life=90s", "-busy=0.25", f"-resident={128 * MIB}"], millicores=100),
        pod("shop", "writer", ["-life=60s", f"-files={64 * MIB}"], millicores=50),
        pod("shop", "sink", ["-life=80s", "-listen=:9000"], millicores=50),
        pod("batch", "failing", ["-life=15s", "-busy=0.2", "-fail=2"], millicores=70, restarts="OnFailure"),
        job("jobs", "short", 5, ["-life=5s", "-busy=0.5"], millicores=40),
    )
    address = eventually(lambda: node.get("pod", "sink", "-n", "shop")["status"].get("podIP"))
    node.apply(pod("batch", "sender", ["-life=60s", f"-send={50 * MIB}", f"-to={address}:9000"], millicores=30))
    # What the agent kept of the cluster is read again by the one that takes its place.
    node.kubectl("-n", "metering", "delete", "pod", "-l", "app.kubernetes.io/name=meterbook-agent", "--wait=false")
    over = eventually(lambda: all(is_over(shop.pods(name)) for name in ("shop", "batch", "jobs")), PATIENCE_S)
    assert over, node.kubectl("get", "pods", "-A").stdout


def test_the_book_is_what_the_pods_counted(shop: Shop) -> None:
    rolled_out(shop.node, "deployment/metering-agent-meterbook-agent")
    defined(shop)
    lived(shop)
    acme, globex, initech = (counted(shop.pods(name)) for name in ("shop", "batch", "jobs"))
    assert (acme.runs, globex.runs, initech.runs) == (3, 4, 5)
    settled = eventually(lambda: shop.usage("asked", "acme") >= requested(shop.pods("shop")))
    assert settled and shop.usage("asked", "acme") == requested(shop.pods("shop"))
    assert shop.usage("asked", "initech") == requested(shop.pods("jobs"))
    # A container that was restarted is told of in whole seconds for each of its runs.
    sender = [each for each in shop.pods("batch") if each["metadata"]["name"] == "sender"]
    failing = shop.usage("asked", "globex") - requested(sender)
    assert failing == pytest.approx(Decimal("0.070") * 3 * 15, abs=Decimal("0.070") * 3)
    # A kubelet looks at a pod every ten seconds or so: the last of them are not seen, and never more than there was.
    for tenant, own, least in (("acme", acme, 0.8), ("globex", globex, 0.5), ("initech", initech, 0.0)):
        assert least * own.cpu_s <= float(shop.usage("cpu", tenant)) <= 1.1 * own.cpu_s + 0.3 * own.runs, tenant
    held = shop.usage("memory", "acme")
    assert 0.7 * 90 * acme.resident_bytes <= float(held) <= 1.2 * 90 * acme.resident_bytes
    # Headers of packets are sent as well.
    assert globex.sent_bytes <= float(shop.usage("sent", "globex")) <= 1.1 * globex.sent_bytes + 1e5
    written, read = shop.usage("written", "acme"), shop.usage("read", "acme")
    if kernel_counts_files():
        assert float(written) == pytest.approx(acme.written_bytes, rel=0.05)
        assert float(read) == pytest.approx(acme.read_bytes, rel=0.05)


def requested(pods: list[Manifest]) -> Decimal:
    """Core-seconds that pods asked for, by the seconds that the API server tells."""
    asked_for = (
        Decimal(each["spec"]["containers"][0]["resources"]["requests"]["cpu"].removesuffix("m"))
        * Decimal(lived_s(each))
        for each in pods
    )
    return sum(asked_for, Decimal(0)) / 1000


def kernel_counts_files() -> bool:
    """Whether the kernel says which processes read and write: not all that run in virtual machines do."""
    counted_of = Path("/sys/fs/cgroup/blkio/kubepods").glob("**/blkio.throttle.io_service_bytes")
    return not Path("/sys/fs/cgroup/blkio").exists() or any(each.read_text() != "Total 0\n" for each in counted_of)


@pytest.mark.parametrize("name", ["metering", "metering-agent"])
def test_helm_proves_that_a_sample_reached_the_ledger(shop: Shop, name: str) -> None:
    release = shop.ledger if name == "metering" else shop.agent
    done = release.helm("test", name, "--logs", "--timeout", "5m")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_commands_of_the_notes_say_that_all_is_well(shop: Shop) -> None:
    for release in (shop.ledger, shop.agent):
        commands = [line.strip() for line in release.notes().splitlines() if "exec" in line and "doctor" in line]
        assert commands
        for command in commands:
            done = shop.node.kubectl(*shlex.split(command)[1:])
            assert done.returncode == 0, done.stdout + done.stderr
