"""What is generated is up to date, and made of what agent and ledger declare: needs no helm."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from helm import openapi, permissions, readme, schema
from helm.settings import leaves, settings, values
from helm.settings import values as defaults
from tests.helm.charts import CHARTS, CI, ROOT, every_ci_values

STALE = "run 'make charts WRITE=1' and look at what it changed"
#: Files that both charts have: helm knows no other way of having something in common without a third chart.
SHARED = ("_forms.tpl", "_names.tpl", "_network.tpl", "_pods.tpl", "_tests.tpl", "_unchangeable.tpl", "_warnings.tpl", "serviceaccount.yaml", "monitors.yaml", "prometheusrule.yaml", "dashboards.yaml", "extramanifests.yaml")  # fmt: skip


def test_the_permissions_are_those_that_collectors_declare() -> None:
    assert permissions.FILE.read_text(encoding="utf-8") == permissions.text(), STALE


@pytest.mark.parametrize("chart", CHARTS)
def test_the_schema_is_up_to_date(chart: str) -> None:
    path = ROOT / "helm" / chart / "values.schema.json"
    assert path.read_text(encoding="utf-8") == schema.text(chart), STALE


@pytest.mark.parametrize("chart", CHARTS)
def test_the_readme_is_up_to_date(chart: str) -> None:
    path = ROOT / "helm" / chart
    assert (path / "README.md").read_text(encoding="utf-8") == readme.text(path), STALE


@pytest.mark.parametrize("chart", CHARTS)
def test_every_value_is_explained(chart: str) -> None:
    path = ROOT / "helm" / chart
    explained = [each.path for each in settings(path)]
    silent = [
        leaf
        for leaf in leaves(values(path))
        if not any(leaf == each or leaf.startswith(f"{each}.") for each in explained)
        # The rest of a mapping whose first member is explained, such as requests of CPU and memory.
        and not any(each.startswith(f"{leaf.rpartition('.')[0]}.") for each in explained if "resources" in leaf)
    ]
    assert silent == []


@pytest.mark.parametrize("chart", CHARTS)
def test_the_schema_takes_the_defaults_and_nothing_unknown(chart: str) -> None:
    found = json.loads((ROOT / "helm" / chart / "values.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(found)
    validator = Draft202012Validator(found)
    assert [error.message for error in validator.iter_errors(values(ROOT / "helm" / chart))] == []
    assert set(open_objects(found, "#")) == {
        "#/properties/global",
        "#/properties/global/properties/image",
        "#/properties/extraManifests/items",
    }
    assert [name for name, each in found["$defs"].items() if open_objects(each, name)] == []


@every_ci_values
def test_the_schema_takes_the_values_of_ci(chart: str, values: Any) -> None:
    found = json.loads((ROOT / "helm" / chart / "values.schema.json").read_text(encoding="utf-8"))
    document = merged(defaults(ROOT / "helm" / chart), yaml.safe_load(values.read_text(encoding="utf-8")))
    assert [error.message for error in Draft202012Validator(found).iter_errors(document)] == []


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """What helm shows to the schema: the defaults with what is given above them; a null takes a default away."""
    found = dict(below)
    for name, value in above.items():
        if value is None:
            found.pop(name, None)
        elif isinstance(value, dict) and isinstance(found.get(name), dict):
            found[name] = merged(found[name], value)
        else:
            found[name] = value
    return found


def test_there_are_enough_values() -> None:
    assert [chart for chart, _ in CI].count("agent") >= 6
    assert [chart for chart, _ in CI].count("ledger") >= 5


def test_what_charts_share_is_the_same_in_both_but_for_the_chart_s_name() -> None:
    for name in SHARED:
        texts = {
            (ROOT / "helm" / chart / "templates" / name)
            .read_text(encoding="utf-8")
            .replace(f'"meterbook-{chart}.', '"meterbook.')
            for chart in CHARTS
        }
        assert len(texts) == 1, f"helm/*/templates/{name} differ"


@pytest.mark.parametrize("chart", CHARTS)
def test_templates_are_named_after_their_chart(chart: str) -> None:
    """All charts below another share one list of templates: of two with one name the last that was read counts for all."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "helm" / chart / "templates").rglob("*.*")]
    defined = [name for text in texts for name in re.findall(r'define "([^"]+)"', text)]
    assert len(defined) == len(set(defined)) > 20
    assert [name for name in defined if not name.startswith(f"meterbook-{chart}.")] == []


def test_releases_of_kubernetes_are_the_oldest_and_the_newest() -> None:
    for chart in CHARTS:
        about = yaml.safe_load((ROOT / "helm" / chart / "Chart.yaml").read_text(encoding="utf-8"))
        assert about["kubeVersion"] == f">={openapi.releases()[0]}.0-0"
        assert about["version"] == about["appVersion"]


def open_objects(found: Any, place: str) -> list[str]:
    """Where something unknown may stand among known names, in the part of a schema that is the chart's own."""
    if not isinstance(found, dict):
        return []
    here = (
        [place]
        if "properties" in found and not found.get("allOf") and found.get("additionalProperties") is not False
        else []
    )
    if "object" in found.get("type", "") and not {"properties", "additionalProperties", "$ref", "allOf"} & found.keys():
        here.append(place)
    return (
        here
        + [
            each
            for key, inner in found.get("properties", {}).items()
            for each in open_objects(inner, f"{place}/properties/{key}")
        ]
        + (open_objects(found["items"], f"{place}/items") if "items" in found else [])
    )
