"""Stands for the API server where nobody asks by HTTP: keeps what a world wrote, and everything it ever wrote."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.fakes.cluster.clock import HOUR
from tests.fakes.cluster.scenario import Scenario
from tests.fakes.cluster.sync import Sync

Json = dict[str, Any]


class Recorder:
    """``objects`` by resource, namespace and name, as they are now; ``past`` has each state of each."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str | None, str], Json] = {}
        self.past: list[tuple[str, Json]] = []

    def put(self, resource_name: str, object: Json) -> None:
        named = object["metadata"]
        self.objects[resource_name, named.get("namespace"), named["name"]] = object
        self.past.append((resource_name, object))

    def delete(self, resource_name: str, namespace: str | None, name: str) -> None:
        del self.objects[resource_name, namespace, name]


def shown_pods(story: Scenario) -> dict[str, list[Json]]:
    """Every pod object that was ever written in a story, by UID."""
    recorder = Recorder()
    sync = Sync(story.world, recorder)
    sync.sync()
    story.world.clock.set(story.ends_us + HOUR)
    sync.sync()
    found: dict[str, list[Json]] = {}
    for resource, document in recorder.past:
        if resource == "pods":
            found.setdefault(document["metadata"]["uid"], []).append(document)
    return found


def states(document: Json) -> Iterator[tuple[Json, str]]:
    """The container statuses of a pod object, with the name of the state."""
    for field in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
        for status in document["status"].get(field, []):
            (state,) = status["state"]
            yield status, state
