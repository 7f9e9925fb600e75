"""The charts as helm renders them: every file of values in ``ci/``, and what a test makes up."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHARTS = ("agent", "ledger")
NAMESPACE = "metering"
Manifest = dict[str, Any]

#: (chart, values) of every file in ``ci/``.
CI = [(chart, path) for chart in CHARTS for path in sorted((ROOT / "helm" / chart / "ci").glob("*-values.yaml"))]
every_ci_values = pytest.mark.parametrize(
    ("chart", "values"), CI, ids=[f"{chart}-{path.stem.removesuffix('-values')}" for chart, path in CI]
)


class _UniqueKeys(yaml.SafeLoader):
    """A key that stands twice in a manifest is a fault of a template: which one counts depends on the reader."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]  # type: ignore[no-untyped-call]
        assert len(keys) == len(set(keys)), f"keys stand twice in {sorted(keys)}"
        return super().construct_mapping(node, deep)


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """What helm says to a command."""
    binary = os.environ.get("HELM") or shutil.which("helm")
    if binary is None:
        pytest.fail("there is no helm: run these tests with 'make charts'", pytrace=False)
    return subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True, timeout=120)


def template(
    chart: str, *values: Path, sets: Sequence[str] = (), release: str = "", kube: str = "1.37"
) -> subprocess.CompletedProcess[str]:
    """A release of a chart, rendered."""
    files = [part for path in values for part in ("--values", path)]
    settings = [part for each in sets for part in ("--set-json", each)]
    name = release or f"meterbook-{chart}"
    return helm(
        "template", name, ROOT / "helm" / chart, "-n", NAMESPACE, "--kube-version", f"{kube}.0", *files, *settings
    )


@cache
def text_of(chart: str, values: Path, kube: str = "1.37") -> str:
    """What is rendered of a file of values."""
    rendered = template(chart, values, kube=kube)
    assert rendered.returncode == 0, rendered.stderr
    return rendered.stdout


def manifests(text: str) -> list[Manifest]:
    """The objects in what was rendered."""
    return [each for each in yaml.load_all(text, Loader=_UniqueKeys) if each]


def rendered(chart: str, values: Path) -> list[Manifest]:
    """The objects of a file of values."""
    return manifests(text_of(chart, values))


def changed(chart: str, *sets: str, values: str | None = None) -> list[Manifest]:
    """The objects of a file of values in ``ci/`` with single values changed, as ``path=JSON``."""
    found = template(chart, ci(chart, values or _FIRST[chart]), sets=sets)
    assert found.returncode == 0, found.stderr
    return manifests(found.stdout)


_FIRST = {"agent": "kubernetes", "ledger": "embedded"}


def ci(chart: str, name: str) -> Path:
    """A file of values by its name."""
    return ROOT / "helm" / chart / "ci" / f"{name}-values.yaml"


def of_kind(objects: Sequence[Manifest], *kinds: str) -> list[Manifest]:
    """Those of some kinds."""
    return [each for each in objects if each["kind"] in kinds]


def one(objects: Sequence[Manifest], *kinds: str) -> Manifest:
    """The only one of some kinds that is no hook."""
    (found,) = (
        each for each in of_kind(objects, *kinds) if "helm.sh/hook" not in each["metadata"].get("annotations", {})
    )
    return found


def pods(objects: Sequence[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Every pod: what it belongs to, and metadata and spec."""
    for each in objects:
        name = f"{each['kind']}/{each['metadata']['name']}"
        if each["kind"] == "Pod":
            yield name, each
        elif each["kind"] in ("Deployment", "StatefulSet"):
            yield name, each["spec"]["template"]


def configurations(objects: Sequence[Manifest]) -> dict[str, str]:
    """The configuration files in a chart's ConfigMaps, by their names."""
    return {
        name: text
        for each in of_kind(objects, "ConfigMap")
        for name, text in each["data"].items()
        if name.endswith(".yaml")
    }
