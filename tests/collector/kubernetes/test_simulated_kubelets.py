"""The simulated kubelets answer as real ones do, over HTTPS: who may ask, in which form, and in which ways they fail."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.cluster import events, exposition, scenario, truth
from tests.fakes.cluster.clock import MINUTE, SECOND
from tests.fakes.cluster.cluster import READER, SimulatedCluster
from tests.fakes.cluster.histories import histories
from tests.fakes.cluster.kubelet import Fault
from tests.fakes.cluster.loads import Resources, steady_load
from tests.fakes.cluster.places import Housekeeping
from tests.fakes.cluster.readings import read
from tests.fakes.cluster.scenario import Scenario
from tests.fakes.cluster.summary import summary
from tests.fakes.cluster.world import World, container, traffic

Json = dict[str, Any]

_CPU = {"time", "usageNanoCores", "usageCoreNanoSeconds", "psi"}
_MEMORY = {
    "time",
    "availableBytes",
    "usageBytes",
    "workingSetBytes",
    "rssBytes",
    "pageFaults",
    "majorPageFaults",
    "psi",
}
_FS = {"time", "availableBytes", "capacityBytes", "usedBytes", "inodesFree", "inodes", "inodesUsed"}
_INTERFACE = {"name", "rxBytes", "rxErrors", "txBytes", "txErrors"}
#: The fields of k8s.io/kubelet/pkg/apis/stats/v1alpha1/types.go (v0.34), by where they stand; * is an entry of a list.
FIELDS: dict[str, set[str]] = {
    "": {"node", "pods"},
    "node": {
        *(
            "nodeName",
            "systemContainers",
            "startTime",
            "cpu",
            "memory",
            "io",
            "network",
            "fs",
            "runtime",
            "rlimit",
            "swap",
        ),
    },
    "node.runtime": {"imageFs", "containerFs"},
    "node.rlimit": {"time", "maxpid", "curproc"},
    "pods.*": {
        *("podRef", "startTime", "containers", "cpu", "memory", "io", "network", "volume", "ephemeral-storage"),
        *("process_stats", "swap"),
    },
    "pods.*.podRef": {"name", "namespace", "uid"},
    "pods.*.process_stats": {"process_count"},
    "pods.*.volume.*": _FS | {"name", "pvcRef", "volumeHealthStats"},
    "pvcRef": {"name", "namespace"},
    "containers.*": {
        "name",
        "startTime",
        "cpu",
        "memory",
        "io",
        "accelerators",
        "rootfs",
        "logs",
        "userDefinedMetrics",
        "swap",
    },
    "systemContainers.*": {"name", "startTime", "cpu", "memory", "io", "swap"},
    "cpu": _CPU,
    "memory": _MEMORY,
    "network": {"time", "interfaces"} | _INTERFACE,
    "interfaces.*": _INTERFACE,
    "swap": {"time", "swapAvailableBytes", "swapUsageBytes"},
    **dict.fromkeys(("fs", "imageFs", "containerFs", "rootfs", "logs", "ephemeral-storage"), _FS),
}
#: Fields that are not left out when empty (no ``omitempty``).
REQUIRED = {
    "": {"node", "pods"},
    "node": {"nodeName", "startTime"},
    "pods.*": {"podRef", "startTime", "containers"},
    "containers.*": {"name", "startTime"},
}


def fields_of(place: str) -> str:
    """The longest end of a place that FIELDS knows."""
    parts = place.split(".") if place else []
    return next(
        end
        for end in (".".join(parts[start:]) for start in range(len(parts) + 1))
        if end in FIELDS and (end or not parts)
    )


def assert_fields(document: Any, place: str = "") -> None:
    if isinstance(document, list):
        for each in document:
            assert_fields(each, f"{place}.*")
    elif isinstance(document, dict):
        known = fields_of(place)
        assert set(document) <= FIELDS[known], place
        assert REQUIRED.get(known, set()) <= set(document), place
        for name, value in document.items():
            assert_fields(value, f"{place}.{name}".strip("."))
    elif isinstance(document, int):
        assert document >= 0, place


class Client:
    """Asks kubelets as an agent would."""

    def __init__(self, cluster: SimulatedCluster) -> None:
        self.cluster = cluster
        self.timeout_s = 30.0
        self.context = ssl.create_default_context(cafile=str(cluster.api.ca_file))

    def connect(self, node: str) -> http.client.HTTPSConnection:
        port = self.cluster.world.nodes[node].port
        return http.client.HTTPSConnection("127.0.0.1", port, context=self.context, timeout=self.timeout_s)

    def ask(
        self, node: str, path: str, *, method: str = "GET", token: str | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = self.connect(node)
        token = self.cluster.token if token is None else token
        try:
            connection.request(method, path, headers={"Authorization": f"Bearer {token}", **headers})
            answer = connection.getresponse()
            return answer.status, answer.msg, answer.read()
        finally:
            connection.close()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A pod on each of two nodes, five minutes on."""
    world = World()
    world.namespace("shop")
    for name in ("node-a", "node-b"):
        node = world.node(name)
        made = [container(load=steady_load(500, 1 << 20, 1_000, 1_000), requests=Resources(100, 1 << 20))]
        world.pod("shop", f"web-{name}", node, made, traffic=traffic(1_000, 1_000))
    with SimulatedCluster(world, tmp_path) as cluster:
        cluster.advance(5 * MINUTE)
        cluster.api.allow(READER)
        yield Client(cluster)


@given(histories(nodes_max=2, pods_max=8))
@settings(max_examples=15)
def test_a_summary_has_the_fields_of_the_published_types(story: Scenario) -> None:
    for now_us in range(story.begins_us, story.ends_us, 4 * MINUTE + 3):
        for node in story.world.nodes.values():
            readings = read(story.world, node, now_us)
            assert_fields(summary(readings))
            assert_fields(summary(readings, only_cpu_and_memory=True))


@given(histories(nodes_max=1, pods_max=8))
@settings(max_examples=15)
def test_all_endpoints_tell_the_same(story: Scenario) -> None:
    (node,) = story.world.nodes.values()
    for now_us in range(story.begins_us + MINUTE, story.ends_us, 4 * MINUTE + 3):
        readings = read(story.world, node, now_us)
        short = samples(exposition.resource(readings))
        full = samples(exposition.cadvisor(readings))
        for pod in summary(readings)["pods"]:
            named = {"namespace": pod["podRef"]["namespace"], "pod": pod["podRef"]["name"]}
            if "cpu" in pod:
                seconds = pod["cpu"]["usageCoreNanoSeconds"] / 1e9
                assert short["pod_cpu_usage_seconds_total", frozenset(named.items())] == seconds
                ids = {dict(labels)["id"] for name, labels in full if frozenset(named.items()) <= labels}
                uid = pod["podRef"]["uid"]
                assert all(uid in one or uid.replace("-", "_") in one for one in ids)
            for one in pod["containers"]:
                labels = named | {"container": one["name"]}
                if "cpu" in one:
                    seconds = one["cpu"]["usageCoreNanoSeconds"] / 1e9
                    assert short["container_cpu_usage_seconds_total", frozenset(labels.items())] == seconds
                    shown = [value for (name, found), value in full.items() if is_cpu_of(name, found, labels)]
                    assert (
                        shown == [seconds] or not seconds or (node.runtime_stats and (not shown or shown[0] <= seconds))
                    )


def is_cpu_of(name: str, found: frozenset[tuple[str, str]], labels: dict[str, str]) -> bool:
    return name == "container_cpu_usage_seconds_total" and frozenset(labels.items()) <= found


def samples(page: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    found = {}
    for family in text_string_to_metric_families(page):
        for one in family.samples:
            key = (one.name, frozenset(one.labels.items()))
            assert key not in found
            found[key] = one.value
    return found


@given(st.floats(0, 1e300) | st.integers(0, 2**53))
def test_numbers_are_written_as_go_does_and_lose_nothing(value: float) -> None:
    assert float(exposition.go_float(value)) == value


def test_numbers_in_the_form_of_go() -> None:
    written = {
        0: "0",
        1.5: "1.5",
        999999: "999999",
        1e6: "1e+06",
        1234567.5: "1.2345675e+06",
        2e-5: "2e-05",
        1e21: "1e+21",
    }
    assert {value: exposition.go_float(value) for value in written} == written


def test_only_a_known_token_with_a_grant_is_answered(client: Client) -> None:
    assert client.ask("node-a", "/stats/summary")[0] == 200
    assert client.ask("node-a", "/stats/summary", token="guess")[0] == 401
    assert client.ask("node-a", "/stats/summary", token="")[0] == 401
    client.cluster.api.allow([{"apiGroups": [""], "resources": ["nodes/stats"], "verbs": ["get"]}])
    assert client.ask("node-a", "/stats/summary")[0] == 200
    status, _, body = client.ask("node-a", "/metrics/cadvisor")
    assert status == 403 and b"subresource(s)=[metrics]" in body
    client.cluster.api.rotate_token()
    assert client.ask("node-a", "/stats/summary")[0] == 200
    assert client.cluster.kubelets.forbidden_requests == []


def test_whatever_needs_the_proxy_is_refused_and_noted(client: Client) -> None:
    paths = ["/exec/shop/web/app?command=id", "/run/shop/web/app", "/pods", "/containerLogs/shop/web/app"]
    assert [client.ask("node-a", path)[0] for path in paths] == [403] * 4
    assert client.ask("node-a", "/stats/summary", Upgrade="websocket")[0] == 403
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert client.ask("node-a", "/stats/summary", method=method)[0] == 405
    assert len(client.cluster.kubelets.forbidden_requests) == 9
    assert client.ask("node-a", "/metrics/unknown")[0] == 404


def test_pages_are_zipped_for_those_who_can_read_it(client: Client) -> None:
    plain = client.ask("node-a", "/metrics/cadvisor")
    zipped = client.ask("node-a", "/metrics/cadvisor", **{"Accept-Encoding": "gzip"})
    assert zipped[1]["Content-Encoding"] == "gzip" and gzip.decompress(zipped[2]) == plain[2]
    assert plain[1]["Content-Type"].startswith("text/plain; version=0.0.4")


def test_the_date_of_an_answer_is_by_the_nodes_clock(client: Client) -> None:
    client.cluster.world.nodes["node-b"].clock_offset_us = 7 * SECOND
    dates = [client.ask(node, "/stats/summary")[1]["Date"] for node in ("node-a", "node-b")]
    assert dates == ["Thu, 01 Jan 2026 00:05:00 GMT", "Thu, 01 Jan 2026 00:05:07 GMT"]


def test_each_fault_is_of_one_kubelet_and_passes(client: Client) -> None:
    kubelets = client.cluster.kubelets
    kubelets.fault("node-a", Fault(status=500, times=1))
    assert [client.ask("node-a", "/stats/summary")[0] for _ in range(2)] == [500, 200]
    kubelets.fault("node-a", Fault(keep_bytes=100))
    with pytest.raises(http.client.IncompleteRead):
        client.ask("node-a", "/stats/summary")
    kubelets.fault("node-a", Fault(wrong_certificate=True))
    with pytest.raises(ssl.SSLCertVerificationError):
        client.ask("node-a", "/stats/summary")
    kubelets.fault("node-a", Fault(refuses=True))
    with pytest.raises(ConnectionRefusedError):
        client.ask("node-a", "/stats/summary")
    assert client.ask("node-b", "/stats/summary")[0] == 200
    kubelets.fault("node-a", None)
    assert client.ask("node-a", "/stats/summary")[0] == 200


def test_a_slow_kubelet_keeps_its_client_waiting(client: Client) -> None:
    client.cluster.kubelets.fault("node-a", Fault(delay_s=600))
    client.timeout_s = 0.3
    with pytest.raises(TimeoutError):
        client.ask("node-a", "/stats/summary")
    client.timeout_s = 30
    assert client.ask("node-b", "/stats/summary")[0] == 200


def ask_again(kept: http.client.HTTPSConnection) -> None:
    try:
        kept.request("GET", "/stats/summary")
        kept.getresponse()
    finally:
        kept.close()


def test_a_node_that_is_down_refuses_and_comes_back_at_its_old_address(client: Client) -> None:
    cluster = client.cluster
    node = cluster.world.nodes["node-a"]
    kept = client.connect("node-a")
    kept.connect()
    events.reboot(cluster.world, node, cluster.now_us + 10 * SECOND, takes_us=MINUTE)
    port = node.port
    cluster.advance(30 * SECOND)
    with pytest.raises(ConnectionRefusedError):
        client.ask("node-a", "/stats/summary")
    with pytest.raises((OSError, http.client.HTTPException)):
        ask_again(kept)
    cluster.advance(2 * MINUTE)
    page = json.loads(client.ask("node-a", "/stats/summary")[2])
    assert node.port == port
    assert page["node"]["startTime"] == "2026-01-01T00:05:40Z"
    ((_, first), (_, second)) = cluster.world.pods[0].instances
    assert first.reason == "Unknown" and first.end_us < second.begin_us
    (shown,) = (each for each in page["pods"])
    assert shown["cpu"]["usageCoreNanoSeconds"] < 120 * 500_000_000


def test_a_silent_node_takes_connections_and_says_nothing(client: Client) -> None:
    cluster = client.cluster
    events.lose(cluster.world, cluster.world.nodes["node-a"], cluster.now_us + SECOND)
    cluster.advance(2 * SECOND)
    with socket.create_connection(("127.0.0.1", cluster.world.nodes["node-a"].port)) as raw:
        raw.settimeout(0.2)
        with pytest.raises(TimeoutError):
            raw.recv(1)


def test_the_api_server_shows_where_the_kubelets_are(client: Client) -> None:
    for node in client.cluster.api.objects("nodes"):
        port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
        assert port == client.cluster.world.nodes[node["metadata"]["name"]].port != 10250
        assert node["status"]["addresses"][0] == {"type": "InternalIP", "address": "127.0.0.1"}


def test_time_can_pass_by_itself(tmp_path: Path) -> None:
    story = scenario.short_jobs(5, 10, 3)
    with SimulatedCluster(story.world, tmp_path) as cluster:
        cluster.follow(2_000, sync_interval_s=0.001)
        with cluster.api.storage.changed:
            # The last job's object goes when all is over.
            assert cluster.api.storage.changed.wait_for(lambda: cluster.now_us >= story.ends_us, 60)
        cluster.world.clock.follow(0)
        cluster.sync()
        assert cluster.api.objects("pods") == []


@pytest.mark.parametrize(("driver", "wanted"), [("cgroupfs", "/kubepods/burstable/pod{uid}/{id}"), ("systemd", None)])
def test_static_pods_are_known_to_the_kubelet_by_their_hash(driver: str, wanted: str | None) -> None:
    story = scenario.mirror_pods()
    pod = next(each for each in story.pods if each.node and each.node.cgroup_driver == driver)
    assert pod.node is not None
    readings = read(story.world, pod.node, story.ends_us)
    uids = {each["podRef"]["uid"] for each in summary(readings)["pods"]}
    assert pod.config_hash in uids and pod.uid not in uids
    runtime_id = pod.containers[0].instances[-1].container_id
    slice_ = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid}.slice/cri-containerd-{id}.scope"
    assert (wanted or slice_).format(uid=pod.config_hash, id=runtime_id) in exposition.cadvisor(readings)


@pytest.mark.parametrize("shown", ["right", "zero", "missing"])
def test_file_bytes_are_what_the_node_says_of_them(shown: str) -> None:
    world = World()
    world.namespace("shop")
    devices = ("/dev/sda", "/dev/sdb")
    node = world.node("node-a", file_io=shown, devices=devices, housekeeping=Housekeeping(immediate=True))
    pod = world.pod("shop", "web", node, [container(load=steady_load(1, 1, 1_000, 3_000))])
    page = samples(exposition.cadvisor(read(world, node, world.clock.now_us() + MINUTE)))
    found: dict[str, float] = {}
    seen: set[str] = set()
    for (name, labels), value in page.items():
        if name.startswith("container_fs_") and ("container", "app") in labels:
            found[name] = found.get(name, 0) + value
            seen.add(dict(labels)["device"])
    instance = pod.containers[0].instances[0]
    taken_us = node.housekeeping.last(instance.container_id, instance.begin_us, world.clock.now_us() + MINUTE)
    use = truth.of_instance(pod.containers[0], instance, 0, taken_us or 0)
    exact = {"container_fs_reads_bytes_total": use.read_bytes, "container_fs_writes_bytes_total": use.write_bytes}
    assert use.read_bytes > 0
    wanted = {
        "right": {name: int(value) for name, value in exact.items()},
        "zero": dict.fromkeys(exact, 0),
        "missing": {},
    }
    assert found == wanted[shown]
    assert seen == (set() if shown == "missing" else set(devices))
