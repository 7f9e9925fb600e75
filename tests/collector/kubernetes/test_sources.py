"""Which nodes are read, and by whom."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from collector import registry
from tests.collector.kubernetes.observer import Observer, caught_up, observer_of
from tests.fakes.cluster import events
from tests.fakes.cluster.clock import MINUTE, SECOND
from tests.fakes.cluster.cluster import READER, SimulatedCluster
from tests.fakes.cluster.loads import steady_load
from tests.fakes.cluster.world import World, container


def world_of(nodes: int) -> World:
    world = World()
    world.namespace("shop", labels={"tenant": "acme"})
    for number in range(nodes):
        node = world.node(f"node-{number}")
        for place in range(2):
            world.pod(
                "shop", f"web-{number}-{place}", node, [container(load=steady_load(100 + number, 1 << 20, 10, 10))]
            )
    return world


def test_shards_together_are_one_agent(tmp_path: Path) -> None:
    with SimulatedCluster(world_of(9), tmp_path) as cluster:
        cluster.api.allow(READER)
        whole = Observer(cluster, observer_of(cluster))
        shards = [Observer(cluster, observer_of(cluster, shard=f"{number}/4")) for number in range(1, 5)]
        for _ in range(4):
            cluster.advance(15 * SECOND)
            for each in (whole, *shards):
                each.poll()
        sources = [collector.source for each in shards for collector in each.sources.current()]
        assert sorted(sources) == sorted(collector.source for collector in whole.sources.current())
        together = {number: given for each in shards for number, given in each.given.items()}
        assert sum(len(each.given) for each in shards) == len(together)
        assert {number: (given.series, given.values) for number, given in together.items()} == {
            number: (given.series, given.values) for number, given in whole.given.items()
        }
        assert sum(1 for each in shards if each.given) > 1
        for each in (whole, *shards):
            each.sources.close()


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "1/0", "a/b", "-1/2", "1/2/3"])
def test_what_is_no_shard(shard: str) -> None:
    with pytest.raises(ValidationError, match="is no shard"):
        registry.plugin("kubernetes").config.model_validate({"kind": "kubernetes", "cluster": "prod", "shard": shard})


def test_nodes_come_and_go(tmp_path: Path) -> None:
    world = world_of(2)
    with SimulatedCluster(world, tmp_path) as cluster:
        cluster.api.allow(READER)
        sources = observer_of(cluster)
        try:
            caught_up(sources._inventory, cluster)
            before = {collector.source: collector for collector in sources.current()}
            names = {f"kubernetes/prod{rest}" for rest in ("", "/node-0", "/node-0/pods", "/node-1", "/node-1/pods")}
            assert before.keys() == names
            cluster.advance(MINUTE)
            world.node("node-2")
            events.lose(world, world.nodes["node-1"], cluster.now_us, gone_us=cluster.now_us + 2 * MINUTE)
            cluster.advance(20 * MINUTE)
            caught_up(sources._inventory, cluster)
            after = {collector.source: collector for collector in sources.current()}
            assert names | {"kubernetes/prod/node-2", "kubernetes/prod/node-2/pods"} >= after.keys()
            assert {"kubernetes/prod/node-2", "kubernetes/prod/node-0"} <= after.keys()
            assert all(after[name] is collector for name, collector in before.items() if name in after)
        finally:
            sources.close()
