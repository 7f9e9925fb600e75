"""What helm says at the end of an installation: what is wrong with it, and commands that are right for these values."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.helm.charts import CHARTS, ROOT, ci, every_ci_values, helm, manifests

pytestmark = pytest.mark.charts

_NOTES = """{{- define "notes" -}}TEXT{{- end -}}
apiVersion: v1
kind: ConfigMap
metadata: {name: notes}
data:
  notes: |
    {{- include "notes" . | nindent 4 }}
"""


def notes(folder: Path, chart: str, values: Path, *sets: str) -> str:
    """The notes of a release. Only an installation has some, and helm installs nothing without a cluster: so they become an object here."""
    path = shutil.copytree(ROOT / "helm" / chart, folder / chart)
    text = (path / "templates" / "NOTES.txt").read_text(encoding="utf-8")
    (path / "templates" / "notes.yaml").write_text(_NOTES.replace("TEXT", text), encoding="utf-8")
    settings = [part for each in sets for part in ("--set-json", each)]
    found = helm("template", f"meterbook-{chart}", path, "-n", "metering", "--kube-version", "1.37.0", "--values", values, "--show-only", "templates/notes.yaml", *settings)  # fmt: skip
    assert found.returncode == 0, found.stderr
    (told,) = (each["data"]["notes"] for each in manifests(found.stdout))
    assert "%!" not in told and "<no value>" not in told and "<nil>" not in told
    return str(told)


@every_ci_values
def test_notes_are_told(chart: str, values: Path, tmp_path: Path) -> None:
    told = notes(tmp_path, chart, values)
    document = values.read_text(encoding="utf-8")
    assert ("helm -n metering test" in told) is ("test: {enabled: false}" not in document)
    assert ("WARNING: persistence.enabled is false" in told) is ("persistence: {enabled: false" in document)
    assert ("auth can-i" in told) is (chart == "ledger" or ("cluster:" in document or "kubernetes:" in document))


@pytest.mark.parametrize("chart", CHARTS)
def test_an_image_of_no_registry_is_warned_of(chart: str, tmp_path: Path) -> None:
    values = ci(chart, {"agent": "kubernetes", "ledger": "embedded"}[chart])
    warning = f"WARNING: the image meterbook-{chart}:0.1.0 names no registry"
    assert warning in notes(tmp_path / "none", chart, values)
    for number, setting in enumerate(('image.registry="r.example"', 'global.image.registry="r.example"')):
        assert "names no registry" not in notes(tmp_path / str(number), chart, values, setting)


def test_an_agent_whose_configuration_is_elsewhere_is_not_told_of_by_a_name_that_it_has_not(tmp_path: Path) -> None:
    told = notes(tmp_path, "agent", ci("agent", "existingconfig"), 'agentName=""')
    assert told.startswith("Meterbook's agent has the configuration in the ConfigMap acme-agent.")
    assert "agent  has" not in told


@pytest.mark.parametrize("chart", CHARTS)
def test_the_log_of_the_test_is_shown_where_it_is(chart: str, tmp_path: Path) -> None:
    values = ci(chart, {"agent": "kubernetes", "ledger": "embedded"}[chart])
    assert f"helm -n metering test meterbook-{chart} --logs" in notes(tmp_path / "own", chart, values)
    elsewhere = notes(tmp_path / "other", chart, values, 'namespaceOverride="usage"')
    assert "--logs" not in elsewhere
    assert f"test meterbook-{chart}; kubectl -n usage logs meterbook-{chart}-test" in elsewhere


def test_a_ledger_that_wants_certificates_is_asked_with_one(tmp_path: Path) -> None:
    assert "--cert-file client.crt --key-file client.key" in notes(
        tmp_path / "a", "ledger", ci("ledger", "podidentity")
    )
    assert "--cert-file" not in notes(tmp_path / "b", "ledger", ci("ledger", "embedded"))


def test_the_secret_of_the_first_admin_is_looked_at(tmp_path: Path) -> None:
    told = notes(tmp_path, "ledger", ci("ledger", "embedded"), 'access.adminToken.key="admin.token"')
    assert r"get secret meterbook-admin -o jsonpath='{.data.admin\.token}'" in told
