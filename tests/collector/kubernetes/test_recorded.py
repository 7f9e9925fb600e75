"""Answers recorded from the real kubelet, cAdvisor and API server are understood."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.errors import TransientError
from collector.kubernetes import objects
from collector.kubernetes.book import Book, Measurement, Subject
from collector.kubernetes.pages import READ, WRITTEN, FileIo, Lightest
from collector.kubernetes.summary import CONTAINER_CPU, POD_CPU, POD_RECEIVED, PodUsage, Usage, usage
from meterbook.wire.instants import SECOND_US

RECORDED = Path(__file__).parents[2] / "data" / "kubernetes"
KUBELET = RECORDED / "kubelet-1.34.2"
POLLS = sorted(KUBELET.glob("cgroup*/*-summary.json"))


def asked_us(file: Path) -> int:
    answers = json.loads((file.parent / "answers.json").read_text())
    return int(answers[file.name]["answered_s"] * SECOND_US)


def summary(file: Path) -> Usage:
    return usage("node", file.read_bytes(), asked_us(file))


def named(found: Usage, name: str) -> PodUsage:
    (pod,) = (pod for pod in found.pods if pod.name == name)
    return pod


@pytest.mark.parametrize("file", POLLS, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_every_summary_is_understood(file: Path) -> None:
    found = summary(file)
    assert found.node
    assert len(found.pods) >= 3
    document = json.loads(file.read_text())
    told = {pod["podRef"]["uid"]: pod for pod in document["pods"]}
    assert {pod.uid for pod in found.pods} == told.keys()
    for pod in found.pods:
        cpu = [value.value for value in pod.values if value.metric is POD_CPU]
        parts = [value.value for value in pod.values if value.metric is CONTAINER_CPU]
        assert len(parts) == sum(1 for each in told[pod.uid]["containers"] if "usageCoreNanoSeconds" in each["cpu"])
        assert cpu
        assert cpu[0] >= sum(parts) - 1e-9
        for value in pod.values:
            assert asked_us(file) - 180 * SECOND_US < value.time_us <= asked_us(file) + SECOND_US


def test_a_job_of_five_seconds_is_seen_by_its_container() -> None:
    """Its pod's own cgroup still shows nothing (the recording has 0 for it, and 1.35 s for its container)."""
    found = named(summary(KUBELET / "cgroup1" / "3-job-runs-on-summary.json"), "report-fj8cv")
    (cpu,) = (value for value in found.values if value.metric is POD_CPU)
    assert cpu.value == pytest.approx(1.353, abs=0.01)


@pytest.mark.parametrize("version", ["cgroup1", "cgroup2"])
def test_counters_of_pods_never_fall(version: str) -> None:
    """Over restarts, ended containers and all: fed to the book poll after poll, every series rises."""
    book, values = Book("node"), dict[int, list[float]]()
    for place, file in enumerate(sorted((KUBELET / version).glob("*-summary.json"))):
        found = summary(file)
        measured = [
            Measurement(Subject((("uid", pod.uid),)), each.metric, each.labels, each.start_us, each.time_us, each.value)
            for pod in found.pods
            for each in pod.values
            if each.metric.kind == "counter"
        ]
        samples, _ = book.write(measured, asked_us(file), stored=place > 0)
        for row in samples.to_pylist():
            values.setdefault(row["series_id"], []).append(row["value"])
    shown = [[each for each in history if each == each] for history in values.values()]
    assert len(shown) > 20
    assert all(history == sorted(history) for history in shown)


def test_static_pods_go_by_the_uid_of_their_kubelet() -> None:
    found = named(summary(KUBELET / "cgroup1" / "3-job-runs-on-summary.json"), "static-web-node-a")
    pods = [objects.pod(each) for each in documents("pods-page-*.json")]
    (mirror,) = (pod for pod in pods if pod is not None and pod.name == "static-web-node-a")
    assert found.uid == mirror.kubelet_uid != mirror.uid


def documents(pattern: str) -> Iterator[dict[str, Any]]:
    files = sorted((RECORDED / "kube-apiserver-1.34.2").glob(pattern))
    assert files
    for file in files:
        yield from json.loads(file.read_text())["items"]


def test_pods_of_the_api_server() -> None:
    pods = [pod for each in documents("pods-page-*.json") if (pod := objects.pod(each)) is not None]
    assert len(pods) == len({pod.uid for pod in pods}) >= 5
    ended = [run for pod in pods for each in pod.containers for run in each.instances if run.finished_us is not None]
    assert ended
    assert all(
        run.finished_us is not None and 0 <= run.finished_us - run.started_us < 3_600 * SECOND_US for run in ended
    )


def test_nodes_claims_and_volumes_of_the_api_server() -> None:
    nodes = [objects.node(each) for each in documents("nodes.json")]
    assert all(node is not None and node.ready and node.port == 10_250 and node.addresses for node in nodes)
    assert all(node is not None and dict(node.capacity)["cpu"] > 0 for node in nodes)
    claims = [objects.claim(each) for each in documents("persistentvolumeclaims.json")]
    volumes = [objects.volume(each) for each in documents("persistentvolumes.json")]
    assert any(claim is not None and claim.capacity_bytes for claim in claims)
    assert all(volume is not None and volume.capacity_bytes for volume in volumes)


@pytest.mark.parametrize(
    "file", sorted(KUBELET.glob("cgroup*/*-cadvisor.txt")), ids=lambda file: f"{file.parent.name}-{file.stem}"
)
def test_bytes_read_and_written(file: Path) -> None:
    found = FileIo("node", 100_000).added(Usage((), ()), file.read_bytes(), asked_us(file))
    values = [value for pod in found.pods for value in pod.values]
    assert {value.metric for value in values} <= {READ, WRITTEN}
    assert all(dict(value.labels)["quality"] == "best_effort" and value.start_us for value in values)
    if file.name.startswith("1-before") and file.parent.name == "cgroup1":
        (database,) = (pod for pod in found.pods if pod.name == "db-0")
        assert database.uid == "8049b8a0-89ee-4224-b309-a534b5572908"
        assert {(value.metric.name, value.value) for value in database.values} == {
            (READ.name, 101_195_776),
            (WRITTEN.name, 201_326_592),
        }


@pytest.mark.parametrize(
    "file", sorted(KUBELET.glob("cgroup*/*-resource.txt")), ids=lambda file: f"{file.parent.name}-{file.stem}"
)
def test_the_lightest_page(file: Path) -> None:
    found = Lightest("node", 100_000).read(file.read_bytes(), asked_us(file), {("shop", "db-0"): "8049"})
    assert {value.metric.name for value in found.node} == {
        "node_cpu_usage_seconds_total",
        "node_memory_working_set_bytes",
    }
    for pod in found.pods:
        assert pod.uid == ("8049" if pod.name == "db-0" and pod.namespace == "shop" else f"{pod.namespace}/{pod.name}")
        assert all(value.start_us for value in pod.values if value.metric is CONTAINER_CPU)


def test_the_hosts_traffic_is_not_a_pods() -> None:
    found = named(summary(KUBELET / "cgroup1" / "1-before-summary.json"), "agent-jfrkq")
    interfaces = {dict(value.labels)["interface"] for value in found.values if value.metric is POD_RECEIVED}
    assert len(interfaces) > 1  # which is why host_network is looked at
    hosts = [objects.pod(each) for each in documents("pods-page-*.json")]
    assert any(pod is not None and pod.host_network and pod.name.startswith("agent-") for pod in hosts)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"node": 7}',
        b'{"node": {}, "pods": [{}]}',
        b'{"node": {"cpu": {"usageCoreNanoSeconds": "x"}}}',
    ],
)
def test_what_is_no_summary(body: bytes) -> None:
    with pytest.raises(TransientError, match="answered no summary"):
        usage("node", body, 0)


def test_a_container_that_could_not_be_started_never_ran() -> None:
    """Its runtime says that it began in 1970 (StartError)."""
    (document,) = [each for each in documents("pods-page-*.json") if each["metadata"]["name"] == "client"]
    (status,) = document["status"]["containerStatuses"]
    ended = {"startedAt": "1970-01-01T00:00:00Z", "finishedAt": "2026-11-21T22:50:00Z", "reason": "StartError"}
    status["state"], status["lastState"] = {"terminated": ended}, {}
    pod = objects.pod(document)
    assert pod is not None
    assert pod.containers[0].instances == ()


def test_only_a_node_has_mirror_pods() -> None:
    """An annotation can be written by anybody, to be taken for somebody else's pod."""
    (document,) = [each for each in documents("pods-page-*.json") if each["metadata"]["name"] == "client"]
    document["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "somebody-elses-uid"}
    pod = objects.pod(document)
    assert pod is not None
    assert pod.kubelet_uid == pod.uid


def test_a_counter_that_begins_anew_in_silence_is_given_as_it_stands() -> None:
    """As those of a node's interface do; only a pod's own CPU is known never to fall."""
    book = Book("node")
    given = []
    for poll, value in enumerate((9e9, 1e6, 2e6)):
        found = Measurement(Subject(()), POD_RECEIVED, (), 1, (poll + 1) * SECOND_US, value)
        samples, _ = book.write([found], (poll + 1) * SECOND_US, stored=poll > 0)
        given += samples["value"].to_pylist()
    assert given == [9e9, 1e6, 2e6]
