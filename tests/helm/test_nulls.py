"""A null takes a default away. Where nothing else says what is needed it is refused with the name of the setting; elsewhere it stands for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm import openapi, schema
from helm.settings import CHARTS as FOLDERS
from helm.settings import settings, values
from tests.helm.charts import CHARTS, ci, manifests, one, template
from tests.helm.test_manifests import faults

pytestmark = pytest.mark.charts

#: Values with which nearly all that can be rendered is.
_LARGE = {"agent": ("observed", "sharded"), "ledger": ("observed", "distributed")}


@cache
def needed(chart: str) -> frozenset[str]:
    """The settings that the schema does not do without."""

    def of(part: dict[str, Any], place: str) -> Iterator[str]:
        yield from (f"{place}{name}" for name in part.get("required", ()))
        for name, inner in part.get("properties", {}).items():
            yield from of(inner, f"{place}{name}.")

    return frozenset(of({**schema.schema(chart), "$defs": {}}, ""))


def is_empty(default: Any) -> bool:
    """Whether a default says nothing."""
    return default is None or default in ("", [], {})


def nested(path: str, value: Any = None) -> dict[str, Any]:
    """A value at a path, as a file of values has it."""
    name, _, rest = path.partition(".")
    return {name: nested(rest, value) if rest else value}


def paths(tree: dict[str, Any], place: str = "") -> Iterator[str]:
    """All settings, and the names between them."""
    for name, value in tree.items():
        yield (path := f"{place}{name}")
        if isinstance(value, dict):
            yield from paths(value, f"{path}.")


def together(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Several files of values as one; unlike above, a null stays one."""
    found: dict[str, Any] = {}
    for each in parts:
        for name, value in each.items():
            found[name] = together([found.get(name, {}), value]) if isinstance(value, dict) else value
    return found


def rendered(chart: str, name: str, given: dict[str, Any], folder: Path) -> str:
    """What is rendered of a file in ``ci/`` on top of values."""
    path = folder / "values.yaml"
    path.write_text(yaml.safe_dump(given), encoding="utf-8")
    found = template(chart, path, ci(chart, name))
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.parametrize("chart", CHARTS)
def test_what_is_needed_is_missed_by_its_name(chart: str) -> None:
    assert {"global", "image", "image.repository", "persistence.size", "http.host", "http.port", "config.tracing", "test"} <= needed(chart)  # fmt: skip
    empty = {each.path for each in settings(FOLDERS[chart]) if is_empty(each.default)}
    assert needed(chart) & empty <= {path for path in empty if path.startswith("config.")}
    assert not needed(chart) & {"startupProbe", "readinessProbe", "livenessProbe", "nodeSelector", "podSecurityContext", "extraEnv"}  # fmt: skip


@pytest.mark.parametrize("chart", CHARTS)
def test_helm_says_so(chart: str, tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text("persistence: {size: null}\n", encoding="utf-8")
    told = template(chart, ci(chart, _LARGE[chart][0]), path).stderr
    assert "at '/persistence': missing property 'size'" in told


@pytest.mark.parametrize(("chart", "name"), [(chart, name) for chart in CHARTS for name in _LARGE[chart]])
def test_a_null_is_the_same_as_nothing(chart: str, name: str, tmp_path: Path) -> None:
    empty = [each for each in settings(FOLDERS[chart]) if is_empty(each.default) and each.path not in needed(chart)]
    # The agent knows the defaults of its own configuration.
    empty = [each for each in empty if not each.path.startswith("config.")]
    assert len(empty) > 60
    nulls = together([nested(each.path) for each in empty])
    defaults = together([nested(each.path, each.default) for each in empty])
    assert rendered(chart, name, nulls, tmp_path) == rendered(chart, name, defaults, tmp_path)


@pytest.mark.parametrize(("chart", "name"), [(chart, name) for chart in CHARTS for name in _LARGE[chart]])
def test_defaults_that_nothing_needs_may_go(chart: str, name: str, tmp_path: Path) -> None:
    given = [path for path in paths(values(FOLDERS[chart])) if path not in needed(chart)]
    objects = manifests(rendered(chart, name, together([nested(path) for path in reversed(given)]), tmp_path))
    assert [fault for each in objects for fault in faults(openapi.releases()[-1], each)] == []
    pod = one(objects, "Deployment", "StatefulSet")["spec"]["template"]["spec"]
    gone = {"securityContext", "nodeSelector", "livenessProbe", "readinessProbe", "startupProbe"}
    assert not gone & {*pod, *pod["containers"][0]}


@pytest.mark.parametrize("chart", CHARTS)
def test_a_probe_has_one_handler(chart: str, tmp_path: Path) -> None:
    command = {"exec": {"command": ["meterbook", "--version"]}}
    given = {"livenessProbe": command, "startupProbe": None, "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}}}  # fmt: skip
    objects = manifests(rendered(chart, _LARGE[chart][0], given, tmp_path))
    (container,) = one(objects, "Deployment", "StatefulSet")["spec"]["template"]["spec"]["containers"]
    assert container["livenessProbe"].items() >= command.items() and "httpGet" not in container["livenessProbe"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/healthz"
    assert "startupProbe" not in container
