"""How much of what short-lived pods use is seen, by how long they live and how often their kubelet is asked.

Pods that begin at random moments run in a simulated cluster, whose kubelets answer as recorded ones do (numbers up to twenty
seconds old, ended pods gone at once), and are observed by the collector of Kubernetes. What is measured of their CPU time is held
against what they used; what they asked for, times how long they ran, against what they asked for. The first has to be
incomplete, the second must not be.

    python -m bench.accuracy [--pods 30]
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from pathlib import Path

from bench._figure import report
from tests.collector.kubernetes.observer import observing
from tests.fakes.cluster import truth
from tests.fakes.cluster.clock import SECOND, seconds
from tests.fakes.cluster.loads import Resources, steady_load
from tests.fakes.cluster.places import AS_RECORDED
from tests.fakes.cluster.pods import Pod
from tests.fakes.cluster.world import World, container

LIVES_S = (5, 20, 60, 300, 3_600)
POLLS_S = (10, 15, 30, 60)
#: What a poller sees that takes differences only, by the same lives and polls: reference for constant load, random phase.
DELTA_ONLY = {
    5: (0, 0, 0, 0),
    20: (50, 25, 0, 0),
    60: (83, 75, 50, 0),
    300: (97, 95, 90, 80),
    3_600: (99.7, 99.6, 99.2, 98.3),
}


def world_of(life_s: int, pods: int) -> tuple[World, list[Pod]]:
    """Pods of one length that begin within two minutes of each other."""
    world, draw = World(seed=life_s), random.Random(life_s)
    world.namespace("shop", labels={"tenant": "acme"})
    nodes = [world.node(f"node-{number}", **AS_RECORDED) for number in range(2)]
    begin_us = world.clock.now_us()
    made = [
        world.pod(
            "shop",
            f"job-{number}",
            nodes[number % 2],
            [container(load=steady_load(700, 48 << 20), requests=Resources(250, 64 << 20), runs_us=seconds(life_s))],
            at_us=begin_us + SECOND + draw.randrange(120 * SECOND),
            restart_policy="Never",
        )
        for number in range(pods)
    ]
    return world, made


def shares(life_s: int, poll_s: int, pods: int) -> tuple[float, float]:
    """Per cent of CPU time seen, and of request times lifetime."""
    world, made = world_of(life_s, pods)
    with tempfile.TemporaryDirectory() as folder, observing(world, Path(folder), file_io=False) as observed:
        ends_us = world.clock.now_us() + seconds(life_s + 200)
        observed.poll()
        while observed.cluster.now_us < ends_us:
            observed.cluster.advance(poll_s * SECOND)
            observed.poll()
        until_us = observed.cluster.now_us
        told = [truth.of_pod(pod, 0, until_us, told_seconds=True) for pod in made]
        used = sum(truth.of_pod(pod, 0, until_us).cpu_s for pod in made)
        asked = sum(use.request_cpu_s for use in told)
        seen = sum(observed.counted("pod_cpu_usage_seconds_total", pod.kubelet_uid) for pod in made)
        booked = sum(
            observed.counted("container_resource_request_seconds_total", pod.kubelet_uid, resource="cpu")
            for pod in made
        )
    return 100 * seen / used, 100 * booked / asked


def main() -> None:
    """Measure every cell, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=30)
    given = parser.parse_args()
    worst = 100.0
    for life_s in LIVES_S:
        row: dict[str, object] = {"life_s": life_s}
        for poll_s, delta_only in zip(POLLS_S, DELTA_ONLY[life_s], strict=True):
            seen, booked = shares(life_s, poll_s, given.pods)
            row[f"{poll_s}s"] = {
                "cpu_seen": round(seen, 1),
                "request_x_lifetime": round(booked, 6),
                "delta_only": delta_only,
            }
            worst = min(worst, booked)
        print(json.dumps(row), flush=True)
    met = abs(worst - 100) < 1e-6
    report(
        "request x lifetime booked, worst case",
        worst,
        "%",
        goal=100.0,
        met=met,
        peers={"takes differences only": DELTA_ONLY},
        limit={},
    )


if __name__ == "__main__":
    main()
