"""What a cluster of one node has before a test begins: the images of agent, ledger and loads, and volumes that a provisioner would make."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from images import archive
from tests.helm.charts import ROOT, Manifest
from tests.kube import assets
from tests.kube.node import NODE, PAUSE, Node, lacking

IMAGES = [ROOT / "dist" / "images" / f"meterbook-{name}.tar" for name in ("agent", "ledger")]
LACKING = [*lacking(), *(f"{each.name}, which 'make images' builds" for each in IMAGES if not each.exists())]

needs_cluster = [
    pytest.mark.cluster,
    pytest.mark.skipif(bool(LACKING), reason=f"NO CLUSTER WAS STARTED: there is no {', no '.join(LACKING)}"),
]


def prepare(node: Node, folder: Path) -> None:
    """Give a node the images, and the cluster its volumes and its tenants' namespaces."""
    node.load(loads(folder))
    for each in IMAGES:
        node.load(each)
    for tenant, name in (("acme", "shop"), ("globex", "batch"), ("initech", "jobs")):
        labels = {"tenant": tenant}
        node.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    node.apply(*volumes(folder))


def loads(folder: Path) -> Path:
    """The image of the loads: one static program, which anybody may run."""
    (folder / "load").mkdir()
    shutil.copy(assets.program("load"), folder / "load" / "load")
    archive.write(folder / "load", folder / "load.tar", PAUSE, {"Entrypoint": ["/load"], "User": "65532:65532"})
    return folder / "load.tar"


def volumes(folder: Path) -> Iterator[Manifest]:
    """What a provisioner would make of the charts' claims: folders of the node, which belong to nobody yet."""
    for name in ("one", "two", "three", "four"):
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
