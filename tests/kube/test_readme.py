"""A platform team's first hour, by the README alone: what it says is run as it stands there, on a cluster of one real node."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.demo.processes import meterbook
from images.build import release
from images.kinds import IMAGES
from tests.helm.charts import ROOT
from tests.kube import assets
from tests.kube.node import Node
from tests.kube.preparing import needs_cluster

pytestmark = needs_cluster

REGISTRY = "registry.example.com/metering"


def blocks(title: str) -> list[str]:
    """The commands in a section of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```$", section, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def checkout(node: Node, tmp_path: Path) -> Iterator[Path]:
    """A folder with the charts, and nothing of what earlier commands left in the cluster."""
    (tmp_path / "helm").symlink_to(ROOT / "helm")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "helm").symlink_to(os.environ["HELM"])
    (programs / "kubectl").symlink_to(assets.program("kubectl"))
    (programs / "meterbook").write_text(f'#!/bin/sh\nexec {" ".join(meterbook())} "$@"\n', encoding="utf-8")
    (programs / "meterbook").chmod(0o755)
    yield tmp_path
    node.kubectl("delete", "namespace", "metering", "--wait=false")


def test_the_images_are_those_of_the_charts() -> None:
    build, *_ = blocks("Install in a cluster")
    assert build.startswith(f"REGISTRY={REGISTRY}\n")
    assert f"$REGISTRY/meterbook-$image:{release()}" in build
    assert f"for image in {' '.join(IMAGES)}; do" in build


def test_it_is_installed_by_what_the_readme_says(node: Node, checkout: Path) -> None:
    _, certificate, install = blocks("Install in a cluster")
    for image in IMAGES.values():
        node.pulled(f"{image.repository}:{release()}", f"{REGISTRY}/{image.repository}:{release()}")
    if node.kubectl("get", "namespace", "metering").returncode == 0:
        node.kubectl("delete", "namespace", "metering", "--timeout=120s")
    environment = os.environ | {
        "PATH": f"{checkout}/programs:{os.environ['PATH']}",
        "KUBECONFIG": str(node.kubeconfig),
        "REGISTRY": REGISTRY,
    }
    log = checkout / "log"
    with log.open("wb") as out:
        words = [shutil.which("bash") or "bash", "-e", "-c", certificate + install]
        shell = subprocess.Popen(words, cwd=checkout, env=environment, stdout=out, stderr=out, start_new_session=True)
        code = shell.wait()
    # The port-forward is in the background, as the README has it.
    os.killpg(shell.pid, signal.SIGTERM)
    said = log.read_text(encoding="utf-8")
    told = node.kubectl("-n", "metering", "get", "pods,pvc,events").stdout if code else ""
    assert code == 0, f"{said}\n{told}"
    assert "Phase:          Succeeded" in said
