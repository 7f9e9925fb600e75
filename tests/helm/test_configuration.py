"""The configurations that are rendered are taken by the agent and by the ledger themselves, and the files that they name are there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from agent.config import AgentConfig
from agent.config import load as load_agent
from ledger.journal.place import FilePlace, SharedPlace
from ledger.server.config import LedgerConfig
from ledger.server.config import load as load_ledger
from tests.helm.charts import CI, Manifest, changed, configurations, of_kind, one, rendered

pytestmark = pytest.mark.charts

LEDGER = [path for chart, path in CI if chart == "ledger"]
AGENT = [path for chart, path in CI if chart == "agent"]


def container(objects: list[Manifest]) -> Manifest:
    found: Manifest = one(objects, "Deployment", "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    return found


def ports(objects: list[Manifest]) -> dict[str, int]:
    return {each["name"]: each["containerPort"] for each in container(objects)["ports"]}


def files(value: Any) -> Iterator[Path]:
    """Every path that a configuration names, but for files of a machine that a source reads."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            if name not in ("sources", "api"):
                yield from files(getattr(value, name))
    elif isinstance(value, tuple):
        for each in value:
            yield from files(each)
    elif isinstance(value, Path):
        yield value


def agents_of(objects: list[Manifest], folder: Path) -> dict[str, AgentConfig]:
    found = {}
    for name, text in configurations(objects).items():
        (folder / name).write_text(text, encoding="utf-8")
        found[name] = load_agent(folder / name)
    return found


def ledger_of(objects: list[Manifest], folder: Path) -> LedgerConfig:
    (folder / "ledger.yaml").write_text(configurations(objects)["ledger.yaml"], encoding="utf-8")
    return load_ledger(folder / "ledger.yaml", {})


@pytest.mark.parametrize("values", AGENT, ids=lambda path: path.stem)
def test_the_agent_takes_its_configuration(values: Path, tmp_path: Path) -> None:
    objects = rendered("agent", values)
    found = agents_of(objects, tmp_path)
    if "existingconfig" in values.stem:
        assert found == {}
        return
    places = [Path(each["mountPath"]) for each in container(objects)["volumeMounts"]]
    assert found
    for config in found.values():
        assert config.http.listen.rpartition(":")[2] == str(ports(objects)["http"])
        named = list(files(config))
        assert config.spool.path in named
        assert [path for path in named if not any(path.is_relative_to(place) for place in places)] == []


@pytest.mark.parametrize("values", LEDGER, ids=lambda path: path.stem)
def test_the_ledger_takes_its_configuration(values: Path, tmp_path: Path) -> None:
    objects = rendered("ledger", values)
    if "everything" in values.stem:
        assert configurations(objects) == {}
        return
    config = ledger_of(objects, tmp_path)
    assert config.listen.rpartition(":")[2] == str(ports(objects)["grpc"])
    assert config.http.rpartition(":")[2] == str(ports(objects)["http"])
    assert config.allows_anonymous is (values.stem == "tryout-values")
    place, is_shared = config.place, one(objects, "Deployment", "StatefulSet")["kind"] == "Deployment"
    assert isinstance(place, SharedPlace if is_shared else FilePlace)
    places = [Path(each["mountPath"]) for each in container(objects)["volumeMounts"]]
    named = [*files(config), config.key_file, *([place.directory] if isinstance(place, FilePlace) else [])]
    assert [path for path in named if not any(path.is_relative_to(each) for each in places)] == []


def test_whole_numbers_stay_whole(tmp_path: Path) -> None:
    """Helm reads all numbers as floats, and a large one that is printed so is text to others."""
    sets = ("config.spool.bytes_max=100000000000", 'persistence.size="200Gi"', "config.spool.age_max_s=1000000")
    (config,) = agents_of(changed("agent", *sets), tmp_path).values()
    assert (config.spool.bytes_max, config.spool.age_max_s) == (100_000_000_000, 1_000_000)
    sets = ('config.retention={"keep_bytes": 100000000000}', 'config.metering={"lateness_s": 86400}')
    found = ledger_of(changed("ledger", *sets), tmp_path)
    assert found.retention.keep_bytes == 100_000_000_000


def test_a_ledger_drains_and_has_the_time_to(tmp_path: Path) -> None:
    objects = changed("ledger", "drainSeconds=20", "terminationGracePeriodSeconds=90")
    pod = one(objects, "Deployment", "StatefulSet")["spec"]["template"]["spec"]
    assert (ledger_of(objects, tmp_path).drain_s, pod["terminationGracePeriodSeconds"]) == (20, 90)
    assert ledger_of(changed("ledger"), tmp_path).drain_s == 5


def test_shards_divide_nodes_and_share_targets(tmp_path: Path) -> None:
    objects = changed("agent", values="sharded")
    found = agents_of(objects, tmp_path)
    assert list(found) == [f"meterbook-agent-{ordinal}.yaml" for ordinal in range(3)]
    assert [config.agent for config in found.values()] == [f"acme-prod-{ordinal}" for ordinal in range(3)]
    kinds = [[source.kind for source in config.sources] for config in found.values()]
    assert kinds == [["kubernetes", "prometheus", "s3"], ["kubernetes", "prometheus"], ["kubernetes", "prometheus"]]
    assert [getattr(config.sources[0], "shard", "") for config in found.values()] == ["1/3", "2/3", "3/3"]
    tokens = [config.ledger.enrolment_token_file for config in found.values()]
    assert tokens == [Path(f"/etc/meterbook/invitation/acme-prod-{ordinal}") for ordinal in range(3)]
    workload = one(objects, "StatefulSet")
    assert workload["spec"]["replicas"] == 3
    assert "--config=/etc/meterbook/agent/$(POD_NAME).yaml" in container(objects)["args"]
    assert of_kind(objects, "PodDisruptionBudget")


def test_namespaces_of_roles_are_those_that_are_looked_into(tmp_path: Path) -> None:
    (config,) = agents_of(changed("agent", values="namespaces"), tmp_path).values()
    of_services, of_monitors = config.sources
    assert getattr(of_services, "kubernetes").namespaces == ("shop",)  # noqa: B009
    assert getattr(of_monitors, "namespaces") == ("shop", "checkout")  # noqa: B009
