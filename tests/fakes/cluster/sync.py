"""Writes a world's objects into an API server as time goes by: each change in its order, however far the clock moved.

A pod that came and went between two calls is put and deleted all the same, so that a watch tells of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from tests.fakes.cluster import api_objects, api_pods
from tests.fakes.cluster.clock import FOREVER
from tests.fakes.cluster.places import Claim, Namespace, Node, Owner
from tests.fakes.cluster.pods import Pod
from tests.fakes.cluster.world import World

Json = dict[str, Any]


class Objects(Protocol):
    """What is needed of an API server."""

    def put(self, resource_name: str, object: Json) -> None: ...

    def delete(self, resource_name: str, namespace: str | None, name: str) -> None: ...


class _Shown:
    """One object of the world: how to make it, and what was written of it last."""

    def __init__(self, resource: str, make: Callable[[int], Json | None], edges: Callable[[], Iterator[int]]) -> None:
        self.resource = resource
        self.make = make
        self.edges = edges
        self.written: Json | None = None


class Sync:
    """Keeps an API server as the world is; ``sync`` is called whenever the clock, or the history, moved."""

    def __init__(self, world: World, api: Objects) -> None:
        self._world = world
        self._api = api
        self._shown: dict[tuple[str, int], _Shown] = {}
        self._changed = -1
        self._until_us: int | None = None
        self._coming: list[tuple[int, int, _Shown]] = []
        self._next = 0

    def sync(self) -> None:
        """Write all that changed since the last call, up to the clock's instant."""
        now_us = self._world.clock.now_us()
        if self._changed != self._world.changed:
            self._changed = self._world.changed
            self._look_again(now_us if self._until_us is None else self._until_us)
        while self._next < len(self._coming) and self._coming[self._next][0] <= now_us:
            at_us, _, shown = self._coming[self._next]
            self._write(shown, at_us)
            self._next += 1
        self._until_us = now_us

    def _look_again(self, now_us: int) -> None:
        """The history has changed: write everything as it stands, and list what is to come."""
        self._gather()
        for shown in self._shown.values():
            self._write(shown, now_us)
        coming = [
            (edge, number, shown)
            for number, shown in enumerate(self._shown.values())
            for edge in shown.edges()
            if now_us < edge < FOREVER
        ]
        self._coming = sorted(coming, key=lambda one: one[:2])
        self._next = 0

    def _gather(self) -> None:
        world = self._world
        for node in world.nodes.values():
            self._add("nodes", node, api_objects.node, _edges_of(node))
        for space in world.namespaces:
            self._add("namespaces", space, api_objects.namespace, _edges_of(space))
        for owner in world.owners:
            self._add(api_objects.OWNERS[owner.kind][0], owner, api_objects.owner, _edges_of(owner))
        for claim in world.claims:
            self._add("persistentvolumes", claim, api_objects.volume, _edges_of(claim))
            self._add("persistentvolumeclaims", claim, api_objects.claim, _edges_of(claim))
        for pod in world.pods:
            self._add("pods", pod, api_pods.pod, _edges_of_pod(pod))

    def _add(
        self, resource: str, thing: Any, make: Callable[[Any, int], Json | None], edges: Callable[[], Iterator[int]]
    ) -> None:
        key = (resource, id(thing))
        if key not in self._shown:
            self._shown[key] = _Shown(resource, lambda at_us: make(thing, at_us), edges)

    def _write(self, shown: _Shown, at_us: int) -> None:
        document = shown.make(at_us)
        if document == shown.written:
            return
        if document is not None:
            self._api.put(shown.resource, document)
        elif shown.written is not None:
            named = shown.written["metadata"]
            self._api.delete(shown.resource, named.get("namespace"), named["name"])
        shown.written = document


def _edges_of(thing: Node | Namespace | Owner | Claim) -> Callable[[], Iterator[int]]:
    return lambda: iter(set(thing.edges()))


def _edges_of_pod(pod: Pod) -> Callable[[], Iterator[int]]:
    """What happens, what is told of it later, and when a kubelet that was down tells all at once."""

    def edges() -> Iterator[int]:
        found = set(pod.edges())
        if pod.node is not None:
            delay_us = pod.node.status_delay_us
            found |= {edge + delay_us for edge in found if edge < FOREVER}
            for down in pod.node.downs:
                found |= {down.end_us, down.end_us + delay_us}
        return iter(found)

    return edges
