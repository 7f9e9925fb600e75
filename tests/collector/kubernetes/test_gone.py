"""Pods that are gone are remembered within bounds, and what the bounds cost is counted."""

from __future__ import annotations

import pytest

from collector.kubernetes import gone, objects
from collector.kubernetes.gone import Gone
from collector.kubernetes.objects import Pod


def pod(uid: str, node: str) -> Pod:
    document = {
        "metadata": {"uid": uid, "name": uid, "namespace": "shop", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"nodeName": node, "containers": []},
        "status": {"phase": "Succeeded"},
    }
    made = objects.pod(document)
    assert made is not None
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(gone.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(gone, "GONE_MAX", 3)
    return now


def read(kept: Gone, node: str) -> tuple[list[str], int]:
    pods, lost = kept.read(node)
    return [each.uid for each in pods], lost


def test_what_nobody_asked_for_in_time_is_counted(clock: list[float]) -> None:
    kept = Gone()
    for number in range(3):
        kept.add(pod(f"p{number}", "a"))
    assert read(kept, "a") == (["p0", "p1", "p2"], 0)
    # These push out what was read, and then what was not.
    for number in range(4):
        kept.add(pod(f"q{number}", "b"))
    assert kept.nodes == {"b"} and len(kept) == 3
    assert read(kept, "a") == ([], 0)
    assert read(kept, "b") == (["q1", "q2", "q3"], 1)
    assert read(kept, "b") == (["q1", "q2", "q3"], 0)


def test_what_is_long_gone_is_forgotten(clock: list[float]) -> None:
    kept = Gone()
    kept.add(pod("p", "a"))
    kept.add(pod("q", "b"))
    kept.read("b")
    clock[0] = gone.GONE_S + 1
    # The node is there for as long as something has to be said of it.
    assert kept.nodes == {"a"}
    assert read(kept, "a") == ([], 1)
    assert not kept.nodes and "p" not in kept


def test_a_pod_that_is_told_of_again_is_read_again(clock: list[float]) -> None:
    kept = Gone()
    kept.add(pod("p", "a"))
    kept.read("a")
    kept.add(pod("p", "a"))
    assert len(kept) == 1
    clock[0] = gone.GONE_S + 1
    assert read(kept, "a") == ([], 1)
