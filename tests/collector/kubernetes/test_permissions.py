"""The role that is printed is what is needed: nothing is missing in it, and nothing in it is unused."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from agent.cli import agent
from collector import registry
from collector.errors import PermanentError
from tests.collector.kubernetes.observer import observer_of, observing
from tests.fakes.cluster.clock import MINUTE, SECOND
from tests.fakes.cluster.cluster import SimulatedCluster
from tests.fakes.cluster.loads import steady_load
from tests.fakes.cluster.world import World, container


def rules(**settings: Any) -> list[dict[str, Any]]:
    """Of the role that an operator is given."""
    plugin = registry.plugin("kubernetes")
    assert plugin.role is not None
    config = plugin.config.model_validate({"kind": "kubernetes", "cluster": "prod", **settings})
    documents = list(yaml.safe_load_all(plugin.role(config, "meterbook", "meterbook")))
    (role,) = (each for each in documents if each["kind"] == "ClusterRole")
    found: list[dict[str, Any]] = role["rules"]
    return found


def small_world() -> World:
    world = World()
    world.namespace("shop", labels={"tenant": "acme"})
    node = world.node("node-a")
    claim = world.claim("shop", "data")
    owner = world.owner("ReplicaSet", "shop", "web-1", parent=world.owner("Deployment", "shop", "web"))
    world.pod("shop", "web-1-a", node, [container(load=steady_load(250, 1 << 20, 10, 10))], claims=[claim], owner=owner)
    return world


@pytest.mark.parametrize(
    "settings", [{}, {"usage": "resource"}, {"file_io": False}, {"usage": "resource", "file_io": False}]
)
def test_nothing_is_missing(settings: dict[str, Any], tmp_path: Path) -> None:
    with observing(small_world(), tmp_path, rules=rules(**settings), **settings) as observed:
        observed.cluster.advance(5 * MINUTE)
        for _ in range(3):
            observed.cluster.advance(15 * SECOND)
            observed.poll()
        assert {(each.status, each.reason) for each in observed.coverage} == {("complete", "")}
        assert len({each.source for each in observed.coverage}) == 3
        assert observed.cluster.kubelets.forbidden_requests == []


def single(found: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [
        (group, resource, verb)
        for rule in found
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


@pytest.mark.parametrize("left_out", single(rules()))
def test_nothing_is_unused(left_out: tuple[str, str, str], tmp_path: Path) -> None:
    """Without any one grant something cannot be read, and the coverage says which grant is missing."""
    granted = [
        {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
        for group, resource, verb in single(rules())
        if (group, resource, verb) != left_out
    ]
    _, resource, verb = left_out
    with SimulatedCluster(small_world(), tmp_path) as cluster:
        cluster.api.allow(granted)
        sources = observer_of(cluster)
        try:
            inventory = sources._inventory
            if verb == "list":
                until(lambda: resource in inventory.unlisted())
                return
            assert not inventory.unlisted(30)
            if verb == "watch":
                until(lambda: resource in inventory.outdated())
                return
            node = inventory.node("node-a")
            assert node is not None
            pages = {"nodes/stats": "/stats/summary", "nodes/metrics": "/metrics/cadvisor"}
            with pytest.raises(PermanentError, match=f"grant get on {resource}"):
                sources._kubelets.read(node, pages[resource])
        finally:
            sources.close()


def test_the_example_has_a_role() -> None:
    config = Path(__file__).parents[3] / "examples" / "kubernetes" / "agent.yaml"
    answer = CliRunner().invoke(agent, ["role", "--config", str(config), "--namespace", "metering"])
    assert answer.exit_code == 0, answer.output
    documents = list(yaml.safe_load_all(answer.output))
    assert [each["kind"] for each in documents] == ["ServiceAccount", "ClusterRole", "ClusterRoleBinding"]
    assert documents[1]["rules"] == rules()
    assert documents[0]["metadata"]["namespace"] == documents[2]["subjects"][0]["namespace"] == "metering"
    text = answer.output
    assert not any(
        word in text for word in ("proxy", "secrets", "configmaps", "create", "update", "patch", "delete", "*")
    )
