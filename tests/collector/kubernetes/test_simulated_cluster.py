"""The simulated cluster keeps its word: what it serves and what it calls true agree, and its forms are the real ones."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes.client.api_client import ApiClient

from tests.fakes.cluster import api_pods, counters, exposition, scenario, truth
from tests.fakes.cluster.clock import FOREVER, MINUTE, SECOND
from tests.fakes.cluster.histories import histories, history
from tests.fakes.cluster.loads import Profile, Resources, steady_load
from tests.fakes.cluster.places import AS_RECORDED, Housekeeping
from tests.fakes.cluster.pods import Pod
from tests.fakes.cluster.readings import read
from tests.fakes.cluster.recorder import Recorder, shown_pods, states
from tests.fakes.cluster.scenario import Scenario
from tests.fakes.cluster.summary import summary
from tests.fakes.cluster.sync import Sync
from tests.fakes.cluster.world import World, container

Json = dict[str, Any]
KINDS = {
    "pods": "V1Pod",
    "nodes": "V1Node",
    "namespaces": "V1Namespace",
    "persistentvolumeclaims": "V1PersistentVolumeClaim",
    "persistentvolumes": "V1PersistentVolume",
    "replicasets.apps": "V1ReplicaSet",
    "deployments.apps": "V1Deployment",
    "statefulsets.apps": "V1StatefulSet",
    "jobs.batch": "V1Job",
    "cronjobs.batch": "V1CronJob",
}


def polls(story: Scenario, interval_us: int) -> Iterator[int]:
    """The instants of a story at which somebody asks, the clock set to each."""
    for now_us in range(story.begins_us, story.ends_us, interval_us):
        story.world.clock.set(now_us)
        yield now_us


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 9)), max_size=5), st.integers(0, 300))
def test_an_integral_is_the_sum_of_all_instants(later: list[tuple[int, int]], until: int) -> None:
    offsets, steps = 0, [(0, 3)]
    for gap, rate in later:
        offsets += gap
        steps.append((offsets, rate))
    profile = Profile(tuple(steps))
    assert profile.integral(until) == sum(profile.at(instant) for instant in range(until))


def test_a_profile_that_goes_back_or_below_zero_is_refused() -> None:
    for steps in ([], [(1, 1)], [(0, 1), (0, 2)], [(0, -1)], [(0, 1), (9, 1), (5, 1)]):
        with pytest.raises(ValueError, match="steps of a profile"):
            Profile(tuple(steps))


@given(histories(), st.floats(0, 1))
@settings(max_examples=30)
def test_the_truth_of_parts_is_the_truth_of_the_whole(story: Scenario, where: float) -> None:
    middle_us = story.begins_us + int(where * (story.ends_us - story.begins_us))
    for pod in story.pods:
        whole = truth.of_pod(pod, story.begins_us, story.ends_us)
        parts = [truth.of_pod(pod, story.begins_us, middle_us), truth.of_pod(pod, middle_us, story.ends_us)]
        assert whole.cpu_s == pytest.approx(sum(part.cpu_s for part in parts), rel=1e-12)
        assert whole.request_cpu_s == pytest.approx(sum(part.request_cpu_s for part in parts), rel=1e-12)
        assert whole.transmit_bytes == pytest.approx(sum(part.transmit_bytes for part in parts), rel=1e-12)
        inner = [truth.of_container(each, story.begins_us, story.ends_us) for each in pod.containers]
        assert whole.cpu_s >= sum(each.cpu_s for each in inner) * (1 - 1e-12)
        assert whole.running_s == pytest.approx(sum(each.running_s for each in inner), rel=1e-12)


@given(histories())
@settings(max_examples=40)
def test_all_counters_at_their_end_are_the_truth(story: Scenario) -> None:
    """Summed over every instance and sandbox, node by node."""
    end_us = story.ends_us
    for pod in story.pods:
        used = truth.of_pod(pod, story.begins_us, end_us)
        millicore_us = sum(counters.of_sandbox(pod, each, "cpu_millicores", end_us) for each in pod.sandboxes)
        assert millicore_us / 1e9 == pytest.approx(used.cpu_s, rel=1e-9)
        for what, exact in (("read_bytes_s", used.read_bytes), ("write_bytes_s", used.write_bytes)):
            total = sum(counters.of_sandbox(pod, each, what, end_us) for each in pod.sandboxes)
            assert total / SECOND == pytest.approx(exact, rel=1e-9)
        for what, exact in (("receive_bytes_s", used.receive_bytes), ("transmit_bytes_s", used.transmit_bytes)):
            total = sum(counters.of_traffic(pod, each, what, end_us) for each in pod.sandboxes)
            assert pod.host_network or total / SECOND == pytest.approx(exact, rel=1e-9)
        for one, instance in pod.instances:
            exact = truth.of_instance(one, instance, story.begins_us, end_us).cpu_s
            assert counters.of_instance(instance, "cpu_millicores", end_us) / 1e9 == pytest.approx(exact, rel=1e-9)


@given(histories(nodes_max=2, pods_max=8))
@settings(max_examples=15)
def test_what_a_summary_shows_is_the_truth_up_to_its_reading(story: Scenario) -> None:
    for now_us in polls(story, 37 * SECOND + 1):
        for node in story.world.nodes.values():
            readings = read(story.world, node, now_us)
            page = summary(readings)
            shown = {each["podRef"]["uid"]: each for each in page["pods"]}
            for seen in readings.pods:
                if not seen.containers:
                    assert seen.pod.kubelet_uid not in shown
                    continue
                answer = shown[seen.pod.kubelet_uid]
                assert ("cpu" in answer) == (seen.reading is not None)
                if seen.reading is not None:
                    used = truth.of_pod(seen.pod, seen.sandbox.begin_us, seen.reading.taken_us)
                    assert answer["cpu"]["usageCoreNanoSeconds"] / 1e9 == pytest.approx(used.cpu_s, rel=1e-9)
                if seen.network_us is not None and not seen.pod.host_network:
                    used = truth.of_pod(seen.pod, seen.sandbox.begin_us, seen.network_us)
                    assert answer["network"]["rxBytes"] == pytest.approx(used.receive_bytes, abs=1.001)
                for answered, (one, instance, reading) in zip(answer["containers"], seen.containers, strict=True):
                    if reading is not None:
                        exact = truth.of_instance(one, instance, 0, reading.taken_us).cpu_s
                        assert answered["cpu"]["usageCoreNanoSeconds"] / 1e9 == pytest.approx(exact, rel=1e-9)


@given(histories(), st.floats(0, 1))
@settings(max_examples=25)
def test_a_node_counts_all_that_ran_on_it_since_its_boot(story: Scenario, where: float) -> None:
    now_us = story.begins_us + int(where * (story.ends_us - story.begins_us))
    for node in story.world.nodes.values():
        readings = read(story.world, node, now_us)
        taken_us, booted_us = readings.root.taken_us, readings.booted_us
        pods = story.world.on_node[node.name]
        used = truth.of_pods(pods, booted_us, taken_us)
        page = summary(readings)["node"]
        own = {one["name"]: one["cpu"]["usageCoreNanoSeconds"] for one in page["systemContainers"]}
        assert own["pods"] / 1e9 == pytest.approx(used.cpu_s, rel=1e-9)
        assert own["kubelet"] == node.system.cpu_millicores.at(0) * (taken_us - booted_us)
        assert page["cpu"]["usageCoreNanoSeconds"] == own["pods"] + own["kubelet"]
        passed = node.traffic.receive_bytes_s.at(0) * (taken_us - booted_us) / SECOND + used.receive_bytes
        assert page["network"]["rxBytes"] == pytest.approx(passed, abs=1.001)
        for seen in readings.pods:
            if seen.pod.host_network and seen.network_us is not None:
                assert readings.network(seen, seen.network_us) == readings.host_network(seen.network_us)


def test_a_kubelet_stamps_by_its_own_clock() -> None:
    pages = []
    for offset_us in (0, 7 * SECOND):
        world = World(seed=1)
        world.namespace("shop")
        node = world.node("node-a", clock_offset_us=offset_us)
        pod = world.pod("shop", "web", node, [container(load=steady_load(10))])
        page = summary(read(world, node, world.clock.now_us() + MINUTE))
        (shown,) = page["pods"]
        (one,) = shown["containers"]
        document = api_pods.pod(pod, world.clock.now_us() + MINUTE)
        assert document
        (status,) = document["status"]["containerStatuses"]
        times = [page["node"]["cpu"]["time"], shown["cpu"]["time"], one["cpu"]["time"], shown["network"]["time"]]
        pages.append([*times, one["startTime"], shown["startTime"], status["state"]["running"]["startedAt"]])
    moved = [int(after[-3:-1]) - int(before[-3:-1]) for before, after in zip(*pages, strict=True)]
    assert {each % 60 for each in moved} == {7}


@given(histories(nodes_max=2))
@settings(max_examples=15)
def test_only_what_runs_is_shown_and_no_reading_is_from_the_future(story: Scenario) -> None:
    for now_us in polls(story, 61 * SECOND):
        for node in story.world.nodes.values():
            shown = {
                (each["podRef"]["uid"], one["name"]): one
                for each in summary(read(story.world, node, now_us))["pods"]
                for one in each["containers"]
            }
            running = {
                (pod.kubelet_uid, one.name)
                for pod in story.world.on_node[node.name]
                for one, instance in pod.instances
                if instance.runs(now_us)
            }
            assert set(shown) == running
            latest = api_pods.rfc3339(now_us + node.clock_offset_us)
            assert all(one["cpu"]["time"] <= latest for one in shown.values() if "cpu" in one)


@given(st.text(max_size=5), st.integers(0, 10**9), st.integers(0, 10**9), st.sampled_from([0.0, 1.0]))
def test_housekeeping_reads_at_its_own_instants(key: str, begin_us: int, after_us: int, jitter: float) -> None:
    keeping = Housekeeping(jitter=jitter)
    taken_us = keeping.last(key, begin_us, begin_us + after_us)
    if taken_us is None:
        assert after_us < keeping.interval_us
        return
    assert begin_us <= taken_us <= begin_us + after_us
    assert begin_us + after_us - taken_us < (2 if jitter else 1) * keeping.interval_us
    # Until the next one, the same is told.
    assert keeping.last(key, begin_us, taken_us) == taken_us


def test_a_young_container_has_no_numbers_unless_the_runtime_tells_them() -> None:
    world = World()
    world.namespace("shop")
    for name, told in (("node-a", False), ("node-b", True)):
        node = world.node(name, runtime_stats=told, housekeeping=Housekeeping())
        made = [container(load=steady_load(1_000, 1 << 20), requests=Resources(100))]
        pod = world.pod("shop", f"web-{name}", node, made)
        begin_us = made[0].instances[0].begin_us
        (answer,) = summary(read(world, node, begin_us + 1_000))["pods"]
        (one,) = answer["containers"]
        assert one["startTime"] == api_pods.rfc3339(made[0].instances[0].created_us)
        assert one.get("cpu", {}).get("usageCoreNanoSeconds") == (1_000_000 if told else None)
        assert pod.qos == "Burstable"


def test_on_a_recorded_node_a_young_container_is_ahead_of_its_pod_and_of_cadvisor() -> None:
    world = World()
    world.namespace("shop")
    node = world.node("node-a", **AS_RECORDED)
    made = [container(load=steady_load(1_000))]
    world.pod("shop", "report", node, made)
    instance = made[0].instances[0]
    first_us = node.housekeeping.first(instance.container_id, instance.begin_us)
    readings = read(world, node, instance.begin_us + 5 * SECOND)
    (pod,) = summary(readings)["pods"]
    assert pod["containers"][0]["cpu"]["usageCoreNanoSeconds"] == 5 * 10**9
    assert pod["cpu"]["usageCoreNanoSeconds"] == 0
    value = exposition.go_float((first_us - instance.begin_us) / SECOND)
    assert f"{value} {first_us // 1000}" in exposition.cadvisor(readings)
    # After the second reading both are cAdvisor's.
    (pod,) = summary(read(world, node, instance.begin_us + 60 * SECOND))["pods"]
    assert 0 < pod["cpu"]["usageCoreNanoSeconds"] < 60 * 10**9 > pod["containers"][0]["cpu"]["usageCoreNanoSeconds"]


@given(histories())
@settings(max_examples=25)
def test_objects_have_the_form_of_the_real_ones(story: Scenario) -> None:
    """They go through the official client's models and lose nothing on the way: no field is misnamed."""
    client, recorder = ApiClient(), Recorder()
    sync = Sync(story.world, recorder)
    for _ in polls(story, 5 * MINUTE):
        sync.sync()
        for (resource, _, _), document in recorder.objects.items():
            model = client.deserialize(json.dumps(document), KINDS[resource], "application/json")
            assert_holds(client.sanitize_for_serialization(model), document, resource)


def assert_holds(again: Any, document: Any, place: str) -> None:
    """Everything in a document is in what a model made of it; times may be written otherwise, empty things left out."""
    if isinstance(document, dict):
        for name, value in document.items():
            if value not in ({}, [], None):
                assert name in again, f"{place}.{name}"
                assert_holds(again[name], value, f"{place}.{name}")
    elif isinstance(document, list):
        assert len(again) == len(document), place
        for number, value in enumerate(document):
            assert_holds(again[number], value, f"{place}[{number}]")
    elif not (isinstance(document, str) and document.endswith("Z")):
        assert again == document, place


@given(histories())
@settings(max_examples=25)
def test_the_api_tells_every_life_that_a_kubelet_could_tell(story: Scenario) -> None:
    shown = shown_pods(story)
    for pod in story.pods:
        told: dict[str, tuple[str, str]] = {}
        counts: dict[str, int] = {}
        for document in shown[pod.uid]:
            for status, state in states(document):
                assert status["restartCount"] >= counts.get(status["name"], 0)
                counts[status["name"]] = status["restartCount"]
                for end in (status["state"], status["lastState"]):
                    if "terminated" in end:
                        life = end["terminated"]
                        told[life["containerID"]] = (life["startedAt"], life["finishedAt"])
                assert (state == "waiting") == ("containerID" not in status) or status["lastState"]
        offset_us = pod.node.clock_offset_us if pod.node else 0
        for _, instance in pod.instances:
            if heard(pod, instance.end_us):
                life = tuple(api_pods.rfc3339(at_us + offset_us) for at_us in (instance.begin_us, instance.end_us))
                assert told.get(f"containerd://{instance.container_id}") == life


def heard(pod: Pod, at_us: int) -> bool:
    """Whether the kubelet could tell of an instant as soon as it wanted to."""
    assert pod.node is not None
    tells_us = at_us + pod.node.status_delay_us
    return pod.node.down(tells_us) is None and tells_us < pod.gone_us


@given(histories())
@settings(max_examples=20)
def test_what_is_written_step_by_step_is_what_stands_at_the_end(story: Scenario) -> None:
    recorder = Recorder()
    sync = Sync(story.world, recorder)
    for now_us in polls(story, 3 * MINUTE):
        sync.sync()
        pods = [document for (resource, _, _), document in recorder.objects.items() if resource == "pods"]
        expected = [api_pods.pod(pod, now_us) for pod in story.pods]
        assert sorted(pods, key=str) == sorted((each for each in expected if each), key=str)


def test_the_same_seed_is_the_same_history() -> None:
    pages = []
    for _ in range(2):
        story = history(7)
        pages.append([read_page(story, story.begins_us + 9 * MINUTE, name) for name in story.world.nodes])
    assert pages[0] == pages[1]
    assert pages[0] != [read_page(history(8), story.begins_us + 9 * MINUTE, name) for name in story.world.nodes]


def read_page(story: Scenario, now_us: int, node: str) -> str:
    return exposition.cadvisor(read(story.world, story.world.nodes[node], now_us))


def test_a_job_that_comes_and_goes_between_two_looks_is_told_all_the_same() -> None:
    story = scenario.short_jobs(5, 20, 10)
    shown = shown_pods(story)
    assert len(shown) == len(story.pods) == 10
    for pod in story.pods:
        assert [each["status"]["phase"] for each in shown[pod.uid]][-1] == "Succeeded"
        ((_, instance),) = pod.instances
        use = truth.of_pod(pod, 0, FOREVER, told_seconds=True)
        assert instance.end_us - instance.begin_us == 5 * SECOND
        assert use.request_cpu_s == 0.25 * 5.0


def test_lifetimes_by_told_seconds_are_those_that_the_objects_show() -> None:
    for seed in range(20):
        story = history(seed)
        shown = shown_pods(story)
        for pod in story.pods:
            lives = {}
            for document in shown[pod.uid]:
                for status, _ in states(document):
                    for end in (status["state"], status["lastState"]):
                        if "terminated" in end:
                            times = (end["terminated"]["startedAt"], end["terminated"]["finishedAt"])
                            lives[end["terminated"]["containerID"]] = times
            if pod.node and all(heard(pod, instance.end_us) for _, instance in pod.instances):
                told_s = sum(whole_seconds(finish) - whole_seconds(start) for start, finish in lives.values())
                assert truth.of_pod(pod, 0, FOREVER, told_seconds=True).running_s == told_s


def whole_seconds(written: str) -> int:
    return int(datetime.datetime.fromisoformat(written).timestamp())
