"""The example of README: it loads, and its role is what its sources declare."""

from __future__ import annotations

from pathlib import Path

import yaml
from click.testing import CliRunner

from agent.cli import agent
from agent.config import load
from collector import registry

EXAMPLE = Path(__file__).parents[3] / "examples" / "kubernetes" / "prometheus.yaml"
RULES = {
    ("", ("pods", "services")),
    ("discovery.k8s.io", ("endpointslices",)),
    ("monitoring.coreos.com", ("podmonitors", "servicemonitors")),
}


def test_the_example_has_one_role_for_all_its_sources() -> None:
    answer = CliRunner().invoke(agent, ["role", "--config", str(EXAMPLE), "--namespace", "metering"])
    assert answer.exit_code == 0, answer.output
    documents = list(yaml.safe_load_all(answer.output))
    kinds = [each["kind"] for each in documents]
    assert sorted(kinds) == ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ServiceAccount"]
    by_kind = dict(zip(kinds, documents, strict=True))
    rules = by_kind["ClusterRole"]["rules"]
    assert {(rule["apiGroups"][0], tuple(rule["resources"])) for rule in rules} == RULES
    assert {tuple(rule["verbs"]) for rule in rules} == {("list", "watch")}
    assert by_kind["Role"]["metadata"]["namespace"] == "shop"
    assert [rule["resources"] for rule in by_kind["Role"]["rules"]] == [["services"]]


def test_the_readme_shows_what_the_example_has() -> None:
    """Its rules for pods are those of the example, but for their order."""
    readme = (EXAMPLE.parents[2] / "README.md").read_text()
    blocks = [part.split("```")[0] for part in readme.split("```yaml\n")[1:]]
    (shown,) = [yaml.safe_load(block) for block in blocks if "job: pods" in block]
    config = registry.plugin("prometheus").config.model_validate(shown[0])
    (example,) = [each for each in load(EXAMPLE).sources if getattr(each, "job", "") == "pods"]
    assert config.kubernetes == example.kubernetes  # type: ignore[attr-defined]
    assert set(config.relabelings) <= set(example.relabelings)  # type: ignore[attr-defined]
    (monitors,) = [yaml.safe_load(block) for block in blocks if "kind: prometheus_monitors" in block]
    assert registry.plugin("prometheus_monitors").config.model_validate(monitors[0])
