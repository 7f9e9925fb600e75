"""The CPU of a pod whose sandbox is made anew goes on; that of a node that was booted begins anew."""

from __future__ import annotations

import json
from typing import Any

from collector.kubernetes.sandboxes import Sandboxes
from collector.kubernetes.summary import POD_CPU, POD_RECEIVED, PodUsage, Value


def pod(start_us: int | None, seconds: float) -> PodUsage:
    shown = (Value(POD_RECEIVED, (), start_us, 5, 7.0), Value(POD_CPU, (), start_us, 5, seconds))
    return PodUsage("shop", "web-0", "uid-1", shown)


class Node:
    """Polls of one pod, a minute apart, and what is stored of them."""

    def __init__(self) -> None:
        self.sandboxes, self.document, self.now_us = Sandboxes(), dict[str, Any](), 0

    def starts(self, start_us: int | None, seconds: float) -> tuple[int | None, int | None]:
        """The starts of what was received and of the CPU."""
        (settled,) = self.poll(pod(start_us, seconds))
        received, cpu = settled.values
        assert (received.value, cpu.value) == (7.0, seconds)
        return received.start_us, cpu.start_us

    def poll(self, *pods: PodUsage) -> list[PodUsage]:
        self.now_us += 60_000_000
        found = self.sandboxes.settled(pods, self.now_us, self.document)
        self.document = json.loads(json.dumps(self.sandboxes.document()))
        return found

    def restart(self) -> None:
        self.sandboxes = Sandboxes()


def test_a_sandbox_that_is_made_anew_begins_no_count() -> None:
    node = Node()
    assert node.starts(100, 50.0) == (100, 100)
    # The interfaces of the new sandbox begin to count, the cgroup goes on.
    assert node.starts(200, 51.0) == (200, 100)
    assert node.starts(300, 51.0) == (300, 100)
    assert node.starts(300, 60.0) == (300, 100)


def test_what_was_known_outlives_the_agent() -> None:
    node = Node()
    node.starts(100, 50.0)
    node.restart()
    assert node.starts(200, 51.0)[1] == 100
    node.restart()
    assert node.starts(300, 52.0)[1] == 100
    # Nobody knows any more.
    node.document.clear()
    node.restart()
    assert node.starts(400, 53.0)[1] == 400


def test_a_pod_that_is_not_shown_for_a_while() -> None:
    node = Node()
    node.starts(100, 50.0)
    without = pod(200, 0.0)
    assert node.poll() == []
    node.poll(PodUsage(without.namespace, without.name, without.uid, without.values[:1]))
    assert node.starts(200, 51.0)[1] == 100
    for _ in range(60):
        node.poll()
    assert not node.document
    assert node.starts(300, 52.0)[1] == 300


def test_a_node_that_was_booted_counts_anew() -> None:
    node = Node()
    node.starts(100, 50.0)
    assert node.starts(200, 3.0)[1] == 200
    assert node.starts(200, 80.0)[1] == 200


def test_a_first_reading_that_is_repeated_hides_no_fall() -> None:
    node = Node()
    node.starts(100, 50.0)
    node.starts(100, 2.0)
    assert node.starts(200, 10.0)[1] == 200


def test_a_pod_without_a_start() -> None:
    node = Node()
    assert node.starts(None, 50.0)[1] is None
    assert node.starts(200, 51.0)[1] is None
