"""Both charts, linted and rendered by helm: every file of values gives the committed text, for the oldest release and the newest.

``GOLDEN=write`` writes the texts anew; look at what it changed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from helm import openapi
from tests.helm.charts import (
    CHARTS,
    CI,
    ROOT,
    changed,
    ci,
    every_ci_values,
    helm,
    manifests,
    of_kind,
    template,
    text_of,
)

pytestmark = pytest.mark.charts

GOLDEN = Path(__file__).parent / "golden"


def golden(chart: str, values: Path) -> Path:
    return GOLDEN / chart / f"{values.stem.removesuffix('-values')}.yaml"


@every_ci_values
def test_lint_finds_nothing(chart: str, values: Path) -> None:
    found = helm("lint", "--strict", "--kube-version", "1.37.0", ROOT / "helm" / chart, "--values", values)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "[WARNING]" not in found.stdout
    assert "[ERROR]" not in found.stdout


@every_ci_values
def test_what_is_rendered_is_what_was_looked_at(chart: str, values: Path) -> None:
    text, path = text_of(chart, values), golden(chart, values)
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, f"{path} differs: run 'make charts WRITE=1' and look at it"


def test_there_is_no_text_without_values() -> None:
    assert sorted(GOLDEN.glob("*/*.yaml")) == sorted(golden(chart, values) for chart, values in CI)


@every_ci_values
def test_the_oldest_release_gets_the_same(chart: str, values: Path) -> None:
    assert text_of(chart, values, kube=openapi.releases()[0]) == text_of(chart, values)


@pytest.mark.parametrize("chart", CHARTS)
def test_an_older_release_is_refused(chart: str) -> None:
    found = template(chart, ci(chart, "everything"), kube="1.27")
    assert found.returncode
    assert "kubeVersion" in found.stderr


@pytest.mark.parametrize("chart", CHARTS)
def test_the_chart_can_be_packaged(chart: str, tmp_path: Path) -> None:
    found = helm("package", ROOT / "helm" / chart, "--destination", tmp_path)
    assert found.returncode == 0, found.stderr
    (packed,) = tmp_path.glob(f"meterbook-{chart}-*.tgz")
    # A release keeps its chart in a Secret, and that has a megabyte at most.
    assert packed.stat().st_size < 200_000


@pytest.mark.parametrize("chart", CHARTS)
def test_names_stay_short_enough(chart: str) -> None:
    values = {"agent": "sharded", "ledger": "embedded"}[chart]
    found = template(chart, ci(chart, values), release="a-release-that-has-the-longest-name-that-helm-allows")
    assert found.returncode == 0, found.stderr
    objects = manifests(found.stdout)
    assert all(len(each["metadata"]["name"]) <= 63 for each in objects if each["kind"] != "ClusterRole" and "Binding" not in each["kind"])  # fmt: skip
    # A controller appends a hash of ten letters and a hyphen to the name of a StatefulSet and makes a label of it.
    assert all(len(each["metadata"]["name"]) <= 52 for each in of_kind(objects, "StatefulSet"))
    for each in objects:
        assert all(len(value) <= 63 for value in each["metadata"]["labels"].values())


@pytest.mark.parametrize("chart", CHARTS)
def test_a_changed_configuration_starts_pods_anew(chart: str) -> None:
    change = {"agent": "config.schedule.threads_max=7", "ledger": 'config.queries={"timeout_s": 7}'}[chart]
    before, after = (of_kind(changed(chart, *sets), "Deployment", "StatefulSet")[0] for sets in ((), (change,)))
    sums = [each["spec"]["template"]["metadata"]["annotations"]["checksum/config"] for each in (before, after)]
    assert sums[0] != sums[1]
