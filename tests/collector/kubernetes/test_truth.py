"""What is measured of a cluster is what really happened in it: exactly where the source still knows, and marked where it does not."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as every
from hypothesis import strategies as st

from tests.collector.kubernetes.observer import Given, Observer, observing
from tests.fakes.cluster import scenario, truth
from tests.fakes.cluster.clock import MINUTE, SECOND
from tests.fakes.cluster.histories import histories
from tests.fakes.cluster.pods import Pod
from tests.fakes.cluster.scenario import Scenario

#: Running containers are counted so far behind the clock.
LAG_US = 15 * SECOND
#: As old as a kubelet's numbers are at most.
OLD_US = 26 * SECOND
NAMED = {
    "short jobs": lambda: scenario.short_jobs(5, 20, 12),
    "restarts": scenario.restarts,
    "evictions": scenario.evictions,
    "renamed namespaces": scenario.renamed_namespaces,
    "init and ephemeral": scenario.init_and_ephemeral,
    "mirror pods": scenario.mirror_pods,
}


def check_requests(observed: Observer, pod: Pod, until_us: int, interval_s: float = 15) -> None:
    """What was asked for, to the last digit, by the seconds that the API server tells.

    A request that is changed while a container runs counts from the poll that saw it.
    """
    told = truth.of_pod(pod, 0, until_us, told_seconds=True)
    if told.running_s == 0:
        return
    uid = pod.kubelet_uid
    assert observed.counted("container_running_seconds_total", uid) == pytest.approx(told.running_s, abs=1e-6)
    for resource, amount, of in (
        ("cpu", told.request_cpu_s, lambda asked: (asked.cpu_millicores or 0) / 1_000),
        ("memory", told.request_memory_byte_s, lambda asked: asked.memory_bytes or 0),
    ):
        steps = [[of(asked) for _, asked in each.requests.changes] for each in pod.containers]
        late = interval_s * sum(abs(after - before) for each in steps for before, after in pairwise(each))
        found = observed.counted("container_resource_request_seconds_total", uid, resource=resource)
        assert found == pytest.approx(amount, rel=1e-9, abs=late), f"{resource} of {pod.name}"


def check_counter(given: Given, actual: list[float], pod: Pod) -> None:
    """Each sample is what was true at some moment of the second that it is booked for."""
    for (at_us, value), (least, most) in zip(
        sorted(given.values.items()), zip(actual[::2], actual[1::2], strict=True), strict=True
    ):
        assert least * (1 - 1e-9) - 1e-6 <= value <= most * (1 + 1e-9) + 1e-6, (
            f"{given.series.metric} of {pod.name} at {at_us}"
        )


def check_usage(observed: Observer, pod: Pod) -> None:
    """Every sample of the pod's own counters is the truth at its time."""
    uid = pod.kubelet_uid
    for metric, field in (
        ("pod_cpu_usage_seconds_total", "cpu_s"),
        ("pod_network_receive_bytes_total", "receive_bytes"),
        ("pod_network_transmit_bytes_total", "transmit_bytes"),
    ):
        for each in observed.of(metric, uid):
            # Times are those of the node's clock.
            ahead_us = pod.node.clock_offset_us if pod.node else 0
            since_us = (each.series.start_us or 0) - ahead_us
            bounds = [
                bound
                for at_us in (told_us - ahead_us for told_us in sorted(each.values))
                for bound in (
                    at_least(pod, field, since_us, at_us),
                    getattr(truth.of_pod(pod, since_us, at_us + SECOND), field),
                )
            ]
            check_counter(each, bounds, pod)


def at_least(pod: Pod, field: str, since_us: int, until_us: int) -> float:
    """Network counters are whole bytes. A young pod's own CPU is told late, and until then the sum of its running containers."""
    if field != "cpu_s":
        return float(getattr(truth.of_pod(pod, since_us, until_us), field)) - 1
    return truth.of_pod(pod, since_us, until_us - OLD_US).cpu_s


@pytest.mark.parametrize("name", NAMED)
def test_named_histories(name: str, tmp_path: Path) -> None:
    story: Scenario = NAMED[name]()
    with observing(story.world, tmp_path) as observed:
        observed.run(story)
        until_us = observed.cluster.now_us - LAG_US
        for pod in story.pods:
            check_requests(observed, pod, until_us)
            check_usage(observed, pod)
        assert {(each.status, each.reason) for each in observed.coverage} == {("complete", "")}


@pytest.mark.slow
def test_a_node_that_is_lost(tmp_path: Path) -> None:
    """What nobody tells is not counted on for ever, and is marked."""
    story = scenario.node_loss()
    with observing(story.world, tmp_path, timeout_s=0.2) as observed:
        observed.run(story)
        marked = [each for each in observed.coverage if each.status != "complete"]
        assert any("is not ready" in each.reason for each in marked)
        assert any("vanished without telling when they ended" in each.reason for each in marked)
        assert any(each.source == "kubernetes/prod/node-a" and each.status == "failed" for each in marked)
        for pod in story.pods:
            check_usage(observed, pod)
            told = truth.of_pod(pod, 0, observed.cluster.now_us, told_seconds=True)
            counted = observed.counted("container_running_seconds_total", pod.kubelet_uid)
            # That a node is lost, the control plane says after forty seconds.
            assert counted <= told.running_s + 40


@pytest.mark.slow
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@every(story=histories(nodes_max=2, pods_max=5, length_us=5 * MINUTE), draw=st.randoms(use_true_random=False))
def test_any_history(story: Scenario, draw: random.Random, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever happens, and though some polls are not stored: samples are true, and what is not exact is marked."""
    refused = {(number, parity) for number in range(200) for parity in range(3) if draw.random() < 0.1}
    with observing(story.world, tmp_path_factory.mktemp("cluster"), timeout_s=0.2) as observed:
        observed.stores = lambda number, source: (
            observed.cluster.now_us > story.ends_us or (number, len(source) % 3) not in refused
        )
        observed.run(story, polls_after=4)
        until_us = observed.cluster.now_us - LAG_US
        marks = " ".join(each.reason for each in observed.coverage if each.source.endswith("/pods"))
        for pod in story.pods:
            check_usage(observed, pod)
            if f"{pod.namespace}/{pod.name}" not in marks and "not ready" not in marks:
                check_requests(observed, pod, until_us)


def test_a_name_that_is_used_again_is_somebody_elses(tmp_path: Path) -> None:
    """Pod and namespace are deleted and made anew for another tenant: nothing of the first is given to the second, nor back."""
    story = scenario.renamed_namespaces()
    with observing(story.world, tmp_path) as observed:
        observed.run(story)
        first, second = story.pods
        assert (first.namespace, first.name) == (second.namespace, second.name)
        for pod, tenants in ((first, {"acme", "acme-gmbh"}), (second, {"globex"})):
            told = [tags for number, each in observed.tags.items() for tags in each if is_of(observed, number, pod)]
            assert {json.loads(tags or "{}").get("namespace.label.tenant") for tags in told} == tenants


def is_of(observed: Observer, number: int, pod: Pod) -> bool:
    return observed.given[number].about.get("pod_uid") == pod.kubelet_uid
