"""Both charts on a cluster of one real node, as their READMEs install them; and the book beside what tenants' pods counted themselves."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from examples.demo.processes import meterbook
from images import archive
from tests.e2e.spine import eventually, meter
from tests.helm.charts import ROOT, Manifest
from tests.kube import assets
from tests.kube.node import NODE, PAUSE, Node, lacking
from tests.kube.releases import Release, installed
from tests.kube.tenants import MIB, Counted, counted, is_over, job, lived_s, pod

IMAGES = [ROOT / "dist" / "images" / f"meterbook-{name}.tar" for name in ("agent", "ledger")]
LACKING = [*lacking(), *(f"{each.name}, which 'make images' builds" for each in IMAGES if not each.exists())]

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(bool(LACKING), reason=f"NO CLUSTER WAS STARTED: there is no {', no '.join(LACKING)}"),
]

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
        assert done.returncode == 0, done.stderr
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


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("node")
    with Node(folder) as running:
        running.load(loads(folder))
        for each in IMAGES:
            running.load(each)
        for tenant, name in (("acme", "shop"), ("globex", "batch"), ("initech", "jobs")):
            labels = {"tenant": tenant}
            running.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        running.apply(*volumes(folder))
        yield running


def loads(folder: Path) -> Path:
    """The image of the loads: one static program, which anybody may run."""
    (folder / "load").mkdir()
    shutil.copy(assets.program("load"), folder / "load" / "load")
    archive.write(folder / "load", folder / "load.tar", PAUSE, {"Entrypoint": ["/load"], "User": "65532:65532"})
    return folder / "load.tar"


def volumes(folder: Path) -> Iterator[Manifest]:
    """What a provisioner would make of the charts' claims: folders of the node, which belong to nobody yet."""
    for name in ("one", "two"):
        path = folder / "volumes" / name
        path.mkdir(parents=True)
        here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}
        yield {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {
                "capacity": {"storage": "100Gi"},
                "accessModes": ["ReadWriteOnce"],
                "local": {"path": str(path)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
            },
        }


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
        pair = node.api.authority.issue("ledger", hosts=[LEDGER])
        secret(node, "ledger-tls", **{"tls.crt": pair.cert.decode(), "tls.key": pair.key.decode()})
        secret(node, "admin", token=token.read_text())
        rolled_out(node, "statefulset/meterbook-ledger")
        with installed_agent(node, folder) as agent:
            yield Shop(node, ledger, agent, folder)


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


def test_the_book_is_what_the_pods_counted(shop: Shop) -> None:
    node = shop.node
    rolled_out(node, "deployment/metering-agent-meterbook-agent")
    definitions = shop.folder / "definitions.yaml"
    asks = meter("asked", "increase", metric="container_resource_request_seconds_total")
    asks["spec"]["filter"] = {"resource": ["cpu"]}
    definitions.write_text(
        yaml.safe_dump_all(
            [
                asks,
                meter("cpu", "increase", metric="pod_cpu_usage_seconds_total"),
                meter("memory", "integral", metric="pod_memory_working_set_bytes"),
                meter("written", "increase", metric="container_fs_writes_bytes_total"),
                meter("read", "increase", metric="container_fs_reads_bytes_total"),
                meter("sent", "increase", metric="pod_network_transmit_bytes_total"),
            ]
        )
    )
    shop.ask("apply", "-f", str(definitions), "--author", "test")
    node.apply(
        pod("shop", "web", ["-life=90s", "-busy=0.25", f"-resident={128 * MIB}"], millicores=100),
        pod("shop", "writer", ["-life=60s", f"-files={64 * MIB}"], millicores=50),
        pod("shop", "sink", ["-life=80s", "-listen=:9000"], millicores=50),
        pod("batch", "failing", ["-life=15s", "-busy=0.2", "-fail=2"], millicores=70, restarts="OnFailure"),
        job("jobs", "short", 5, ["-life=5s", "-busy=0.5"], millicores=40),
    )
    (address,) = eventually(lambda: [each["status"]["podIP"] for each in shop.pods("shop") if each["metadata"]["name"] == "sink" and "podIP" in each["status"]])  # fmt: skip
    node.apply(pod("batch", "sender", ["-life=60s", f"-send={50 * MIB}", f"-to={address}:9000"], millicores=30))
    # What the agent kept of the cluster is read again by the one that takes its place.
    node.kubectl("-n", "metering", "delete", "pod", "-l", "app.kubernetes.io/name=meterbook-agent", "--wait=false")
    over = eventually(lambda: all(is_over(shop.pods(name)) for name in ("shop", "batch", "jobs")), PATIENCE_S)
    assert over, node.kubectl("get", "pods", "-A").stdout
    acme, globex, initech = (counted(shop.pods(name)) for name in ("shop", "batch", "jobs"))
    assert (acme.runs, globex.runs, initech.runs) == (3, 4, 5)
    shown(shop, acme, globex, initech)


def shown(shop: Shop, acme: Counted, globex: Counted, initech: Counted) -> None:
    for name in ("asked", "cpu", "memory", "written", "read", "sent"):
        print(name, [str(shop.usage(name, tenant)) for tenant in ("acme", "globex", "initech", "@shared")])
    print(acme, globex, initech, lived_s(shop.pods("shop")[0]))
    assert 0
