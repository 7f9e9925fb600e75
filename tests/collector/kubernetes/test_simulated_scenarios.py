"""The scenarios with a name show what they say: to the API server, to the kubelets, and in the truth."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fakes.cluster import api_objects, api_pods, counters, events, quantities, scenario, truth
from tests.fakes.cluster.clock import FOREVER, HOUR, MINUTE, SECOND
from tests.fakes.cluster.loads import steady_load
from tests.fakes.cluster.readings import read
from tests.fakes.cluster.recorder import Recorder, shown_pods, states
from tests.fakes.cluster.sync import Sync
from tests.fakes.cluster.world import World, container


def test_a_restart_begins_the_containers_counters_anew_and_not_the_pods() -> None:
    story = scenario.restarts()
    pod = story.pods[0]
    app = pod.container("app")
    assert len(pod.sandboxes) == 1 and len(app.instances) == 7
    assert len({each.container_id for each in app.instances}) == 7
    for before, after in zip(app.instances, app.instances[1:], strict=False):
        assert counters.of_instance(after, "cpu_millicores", after.begin_us) == 0
        moments = (before.end_us, after.begin_us + SECOND)
        first, second = (counters.of_sandbox(pod, pod.sandboxes[0], "cpu_millicores", at_us) for at_us in moments)
        assert second > first
    reasons = [each.reason for each in app.instances]
    assert reasons[-2:] == ["OOMKilled", "Completed"] and set(reasons[:-2]) == {"Error"}
    waits = {
        status["state"]["waiting"]["reason"]
        for document in shown_pods(story)[story.pods[1].uid]
        for status, state in states(document)
        if state == "waiting"
    }
    assert waits == {"ContainerCreating", "CrashLoopBackOff"}


def test_an_evicted_pod_stays_as_a_failed_object_until_it_is_deleted() -> None:
    story = scenario.evictions()
    shown = shown_pods(story)
    for pod in story.pods:
        last = shown[pod.uid][-1]
        assert (last["status"]["phase"], last["status"]["reason"]) == ("Failed", "Evicted")
        # By when it is to be gone, not when it was asked for.
        assert last["metadata"]["deletionTimestamp"] == api_pods.rfc3339(pod.deleted_us + 30 * SECOND)
        assert [state for _, state in states(last)] == ["terminated"]
        assert api_pods.pod(pod, pod.gone_us - 1) and not api_pods.pod(pod, pod.gone_us)
        node = pod.node
        assert node is not None
        assert all(each.pod is not pod for each in read(story.world, node, pod.ended_us).pods)


def test_what_a_lost_node_took_with_it_is_never_told() -> None:
    story = scenario.node_loss()
    kept, lost = story.world.nodes.values()
    shown = shown_pods(story)
    assert len(kept.boots) == 2 and lost.lost_us < lost.gone_us
    for pod in story.world.on_node["node-b"]:
        last = shown[pod.uid][-1]
        assert [state for _, state in states(last)] == ["running"]
        assert "deletionTimestamp" in last["metadata"]
        assert truth.of_pod(pod, lost.lost_us, FOREVER) == truth.Use()
    for pod in story.world.on_node["node-a"]:
        assert len(pod.sandboxes) == 2 and shown[pod.uid][-1]["status"]["containerStatuses"][0]["restartCount"] == 1
    before, after = (api_objects.node(lost, lost.lost_us + wait_us) for wait_us in (39 * SECOND, 40 * SECOND))
    assert before and before["status"]["conditions"][0]["status"] == "True"
    assert after and after["status"]["conditions"][0]["status"] == "Unknown"
    assert api_objects.node(lost, lost.gone_us) is None


def test_nothing_is_told_while_a_kubelet_cannot_be_reached_and_all_at_once_after() -> None:
    world = World()
    world.namespace("shop")
    node = world.node("node-a", status_delay_us=0)
    pod = world.pod("shop", "web", node, [container(load=steady_load(100))])
    begin_us = world.clock.now_us()
    events.silence(world, node, begin_us + MINUTE, begin_us + 3 * MINUTE)
    events.restart(world, pod, "app", begin_us + 2 * MINUTE)
    recorder = Recorder()
    sync = Sync(world, recorder)
    counts = []
    for _ in range(4):
        sync.sync()
        status = recorder.objects["pods", "shop", "web"]["status"]
        counts.append([each["restartCount"] for each in status.get("containerStatuses", [])])
        world.clock.advance(70 * SECOND)
    assert counts == [[], [0], [0], [1]]


def test_a_namespace_of_the_same_name_is_another_one() -> None:
    story = scenario.renamed_namespaces()
    first, second = (each for each in story.world.namespaces if each.name == "team")
    assert first.uid != second.uid and first.gone_us < second.created_us
    tenants = [api_objects.namespace(each, each.created_us) for each in (first, second)]
    assert [each["metadata"]["labels"]["tenant"] for each in tenants if each] == ["acme", "globex"]
    old, new = story.pods
    assert (old.namespace, old.name) == (new.namespace, new.name) and old.uid != new.uid
    tiers = {document["metadata"].get("labels", {}).get("tier") for document in shown_pods(story)[old.uid]}
    assert tiers == {None, "gold"}


def test_containers_start_in_their_order_and_end_for_good() -> None:
    story = scenario.init_and_ephemeral()
    pod = story.pods[0]
    fetch, mesh, migrate, app = (pod.containers[number].instances[0] for number in range(4))
    assert fetch.end_us < mesh.begin_us < migrate.begin_us < migrate.end_us < app.begin_us
    documents = shown_pods(story)[pod.uid]
    last = documents[-1]
    assert [state for _, state in states(last)] == ["terminated", "running", "terminated", "running", "terminated"]
    assert last["spec"]["initContainers"][1]["restartPolicy"] == "Always"
    assert "ephemeralContainers" in last["spec"] and "ephemeralContainers" not in documents[0]["spec"]
    requests = [each["spec"]["containers"][0]["resources"]["requests"]["cpu"] for each in documents]
    assert (requests[0], requests[-1]) == ("500m", "750m")
    use = truth.of_container(pod.container("app"), app.begin_us, app.begin_us + HOUR)
    resized_us = story.begins_us + 3 * MINUTE
    assert use.request_cpu_s == pytest.approx(
        0.5 * (resized_us - app.begin_us) / SECOND + 0.75 * (app.begin_us + HOUR - resized_us) / SECOND
    )
    assert use.request_gpu_s == 3_600
    waits = {
        state["state"]["waiting"]["reason"] for each in documents for state, name in states(each) if name == "waiting"
    }
    assert waits == {"ContainerCreating", "PodInitializing"}


def test_a_mirror_pod_belongs_to_its_node() -> None:
    story = scenario.mirror_pods()
    for pod in story.pods:
        document = api_pods.pod(pod, story.ends_us)
        assert document and pod.node
        named = document["metadata"]
        assert named["uid"] == pod.uid != pod.config_hash
        assert named["annotations"]["kubernetes.io/config.mirror"] == pod.config_hash
        assert named["ownerReferences"] == [
            {"apiVersion": "v1", "kind": "Node", "name": pod.node.name, "uid": pod.node.uid, "controller": True}
        ]


def test_a_deletion_reaches_a_kubelet_when_it_is_back() -> None:
    world = World()
    world.namespace("shop")
    node = world.node("node-a")
    pod = world.pod("shop", "web", node, [container(load=steady_load(100))])
    begin_us = world.clock.now_us()
    events.silence(world, node, begin_us + MINUTE, begin_us + 3 * MINUTE)
    events.delete(world, pod, begin_us + 2 * MINUTE)
    assert pod.deleted_us == begin_us + 2 * MINUTE
    assert begin_us + 3 * MINUTE < pod.containers[0].instances[0].end_us < pod.gone_us


def test_a_pod_that_never_starts_waits_and_uses_nothing() -> None:
    world = World()
    world.namespace("shop")
    node = world.node("node-a")
    pulling = world.pod("shop", "web", node, [container(load=steady_load(9))], waits_for="ImagePullBackOff")
    unplaced = world.pod("shop", "big", None, [container(load=steady_load(9))])
    now_us = world.clock.now_us() + HOUR
    first, second = (api_pods.pod(pod, now_us) for pod in (pulling, unplaced))
    assert first and second
    assert [each["status"]["phase"] for each in (first, second)] == ["Pending", "Pending"]
    assert first["status"]["containerStatuses"][0]["state"] == {"waiting": {"reason": "ImagePullBackOff"}}
    assert second["status"]["conditions"][0]["reason"] == "Unschedulable"
    assert "nodeName" not in second["spec"] and "startTime" not in second["status"]
    assert truth.of_pods(world.pods, 0, now_us) == truth.Use()


def test_what_stays_as_it_was_is_not_written_again() -> None:
    story = scenario.evictions()
    recorder = Recorder()
    sync = Sync(story.world, recorder)
    sync.sync()
    events.relabel(story.world, story.pods[-1], story.ends_us)
    written = len(recorder.past)
    sync.sync()
    assert len(recorder.past) == written
    for before, after in zip(recorder.past, recorder.past[1:], strict=False):
        assert before != after


def test_amounts_are_written_in_their_canonical_form() -> None:
    assert [quantities.cores(each) for each in (0, 250, 1_000, 1_500)] == ["0", "250m", "1", "1500m"]
    assert [quantities.size(each) for each in (0, 1_000, 1 << 20, 3 << 29)] == ["0", "1000", "1Mi", "1536Mi"]


def test_what_could_not_happen_is_refused() -> None:
    world = World()
    node = world.node("node-a")
    world.namespace("shop")
    now_us = world.clock.now_us()
    pod = world.pod("shop", "web", node, [container(load=steady_load(1))])
    refused: list[Callable[[], object]] = [
        lambda: world.node("node-a"),
        lambda: world.namespace("shop"),
        lambda: world.pod("shop", "web", node, [container()]),
        lambda: events.restart(world, pod, "app", now_us),
        lambda: events.evict(world, pod, now_us - 1),
        lambda: events.debug(world, pod, container("second"), now_us + MINUTE),
        lambda: world.clock.set(now_us - 1),
    ]
    for attempt in refused:
        with pytest.raises(ValueError):
            attempt()
    events.delete(world, pod, now_us + MINUTE)
    with pytest.raises(ValueError, match="cannot be deleted"):
        events.delete(world, pod, now_us + 2 * MINUTE)
