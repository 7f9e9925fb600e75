"""The labels of each role, beside those that Prometheus' own tests expect (discovery/kubernetes/*_test.go)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from collector.prometheus.kubernetes_sd.endpoints import endpoint_group, parts_of, slice_of
from collector.prometheus.kubernetes_sd.groups import Group
from collector.prometheus.kubernetes_sd.pods import Pod, pod_group, pod_of
from collector.prometheus.kubernetes_sd.services import Service, service_group, service_of
from tests.fakes.kubernetes_objects import endpoint_slice, pod, service

RECORDED = Path(__file__).parents[3] / "data" / "kubernetes" / "kube-apiserver-1.34.2"
META = "__meta_kubernetes_"


def short(labels: Any) -> dict[str, str]:
    """Labels without their prefix, and without empty ones: those are the same as absent ones."""
    return {name.removeprefix(META): text for name, text in labels.items() if text}


def members(group: Group) -> list[tuple[str, dict[str, str]]]:
    return [(address, short(labels)) for address, labels in group.members]


def as_pod(document: dict[str, Any]) -> Pod:
    found = pod_of(document)
    assert found is not None
    return found


def as_service(document: dict[str, Any]) -> Service:
    found = service_of(document)
    assert found is not None
    return found


def grouped(document: dict[str, Any], services: list[Any] = [], pods: list[Any] = []) -> Group:  # noqa: B006
    found = slice_of(document)
    assert found is not None
    known = {each.key: each for each in map(as_service, services)}
    return endpoint_group(parts_of(found, known, {each.key: each for each in map(as_pod, pods)}))


def several_ports() -> dict[str, Any]:
    """As ``makeMultiPortPods``."""
    return {
        "metadata": {
            "name": "testpod",
            "namespace": "default",
            "uid": "abc123",
            "labels": {"test/label": "testvalue"},
            "annotations": {"test/annotation": "testannotationvalue"},
            "ownerReferences": [{"kind": "testcontrollerkind", "name": "testcontrollername", "controller": True}],
        },
        "spec": {
            "nodeName": "testnode",
            "containers": [
                {
                    "name": "testcontainer0",
                    "image": "testcontainer0:latest",
                    "ports": [
                        {"name": "testport0", "protocol": "TCP", "containerPort": 9000},
                        {"name": "testport1", "protocol": "UDP", "containerPort": 9001},
                    ],
                },
                {"name": "testcontainer1", "image": "testcontainer1:latest"},
            ],
            "initContainers": [{"name": "initcontainer", "image": "initcontainer:latest"}],
        },
        "status": {
            "podIP": "1.2.3.4",
            "hostIP": "2.3.4.5",
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [
                {"name": "testcontainer0", "containerID": "docker://a1b2c3d4e5f6"},
                {"name": "testcontainer1", "containerID": "containerd://6f5e4d3c2b1a"},
            ],
            "initContainerStatuses": [{"name": "initcontainer", "containerID": "containerd://0a0a"}],
        },
    }


def container(which: int, init: str = "false", **more: str) -> dict[str, str]:
    name = "initcontainer" if init == "true" else f"testcontainer{which}"
    ids = {0: "docker://a1b2c3d4e5f6", 1: "containerd://6f5e4d3c2b1a", 2: "containerd://0a0a"}
    return {
        "pod_container_name": name,
        "pod_container_image": f"{name}:latest",
        "pod_container_init": init,
        "pod_container_id": ids[which],
        **{f"pod_container_port_{key}": text for key, text in more.items()},
    }


def test_pods() -> None:
    group = pod_group(as_pod(several_ports()))
    assert members(group) == [
        ("1.2.3.4:9000", container(0, name="testport0", number="9000", protocol="TCP")),
        ("1.2.3.4:9001", container(0, name="testport1", number="9001", protocol="UDP")),
        ("1.2.3.4", container(1)),
        ("1.2.3.4", container(2, init="true")),
    ]
    assert short(group.shared) == {
        "pod_name": "testpod",
        "namespace": "default",
        "pod_label_test_label": "testvalue",
        "pod_labelpresent_test_label": "true",
        "pod_annotation_test_annotation": "testannotationvalue",
        "pod_annotationpresent_test_annotation": "true",
        "pod_node_name": "testnode",
        "pod_ip": "1.2.3.4",
        "pod_host_ip": "2.3.4.5",
        "pod_ready": "true",
        "pod_phase": "Running",
        "pod_uid": "abc123",
        "pod_controller_kind": "testcontrollerkind",
        "pod_controller_name": "testcontrollername",
    }


def test_pods_of_ipv6_and_pods_without_an_address() -> None:
    six = pod_group(as_pod(pod("a", "fd00::5", ports={"web": 80})))
    assert [address for address, _ in six.members] == ["[fd00::5]:80"]
    assert pod_group(as_pod(pod("a", "", ports={"web": 80}))).members == ()
    assert pod_of({"metadata": {}}) is None


def test_services() -> None:
    found = service("testservice", ports={"testport0": 30900, "testport1": 30901}, labels={"test-label": "testvalue"})
    found["spec"]["ports"][1]["protocol"] = "UDP"
    found["metadata"]["annotations"] = {"test-annotation": "testannotationvalue"}
    group = service_group(as_service(found))
    shared = {"service_type": "ClusterIP", "service_cluster_ip": "10.96.0.1"}
    assert members(group) == [
        (
            f"testservice.shop.svc:{number}",
            {
                **shared,
                "service_port_name": name,
                "service_port_number": str(number),
                "service_port_protocol": protocol,
            },
        )
        for number, name, protocol in ((30900, "testport0", "TCP"), (30901, "testport1", "UDP"))
    ]
    assert short(group.shared) == {
        "namespace": "shop",
        "service_name": "testservice",
        "service_label_test_label": "testvalue",
        "service_labelpresent_test_label": "true",
        "service_annotation_test_annotation": "testannotationvalue",
        "service_annotationpresent_test_annotation": "true",
    }


def test_services_of_other_types() -> None:
    def labels(**spec: Any) -> dict[str, str]:
        status = {"status": {"loadBalancer": {"ingress": spec.pop("ingress")}}} if "ingress" in spec else {}
        ((_, found),) = service_group(as_service({**service("a", ports={"p": 1}, **spec), **status})).members
        return {name: text for name, text in short(found).items() if not name.startswith("service_port_")}

    assert labels(type="ExternalName", externalName="db.example.com") == {
        "service_type": "ExternalName",
        "service_external_name": "db.example.com",
    }
    balancer = {"service_type": "LoadBalancer", "service_cluster_ip": "10.96.0.1"}
    assert labels(type="LoadBalancer", loadBalancerIP="127.0.0.1") == {
        **balancer,
        "service_loadbalancer_ip": "127.0.0.1",
    }
    ingress = [{"ip": "192.168.1.15"}, {"hostname": "x"}, {"ip": "2001:db8::1"}]
    assert labels(type="LoadBalancer", ingress=ingress) == {
        **balancer,
        "service_loadbalancer_ip": "192.168.1.15,2001:db8::1",
    }


def test_endpoints_of_no_pods() -> None:
    """As ``makeEndpointSliceV1``: endpoints that are nothing, nothing said, terminating, and a node."""
    found = {
        "metadata": {
            "name": "testendpoints-x",
            "namespace": "default",
            "uid": "u",
            "labels": {"kubernetes.io/service-name": "testendpoints"},
            "annotations": {"test.annotation": "test"},
        },
        "addressType": "IPv4",
        "ports": [{"name": "testport", "port": 9000, "protocol": "TCP", "appProtocol": "http"}],
        "endpoints": [
            {"addresses": ["1.2.3.4"], "hostname": "h1", "nodeName": "foobar", "zone": "a", "conditions": {}},
            {"addresses": ["3.4.5.6"], "conditions": {"ready": False, "serving": True, "terminating": True}},
            {"addresses": ["4.5.6.7", "4.5.6.8"], "targetRef": {"kind": "Node", "name": "barbaz"}},
        ],
    }
    group = grouped(found)
    of_port = {
        "endpointslice_port_name": "testport",
        "endpointslice_port": "9000",
        "endpointslice_port_protocol": "TCP",
        "endpointslice_port_app_protocol": "http",
        # Those of the role ``endpoints``.
        "endpoint_port_name": "testport",
        "endpoint_port_protocol": "TCP",
    }
    first = {
        "endpointslice_endpoint_hostname": "h1",
        "endpointslice_endpoint_node_name": "foobar",
        "endpointslice_endpoint_zone": "a",
        "endpoint_hostname": "h1",
        "endpoint_node_name": "foobar",
        "endpoint_ready": "true",
    }
    second = {
        "endpointslice_endpoint_conditions_ready": "false",
        "endpointslice_endpoint_conditions_serving": "true",
        "endpointslice_endpoint_conditions_terminating": "true",
        "endpoint_ready": "false",
    }
    node = {
        "endpointslice_address_target_kind": "Node",
        "endpointslice_address_target_name": "barbaz",
        "endpoint_address_target_kind": "Node",
        "endpoint_address_target_name": "barbaz",
        "endpoint_ready": "true",
    }
    assert members(group) == [
        ("1.2.3.4:9000", {**of_port, **first}),
        ("3.4.5.6:9000", {**of_port, **second}),
        ("4.5.6.7:9000", {**of_port, **node}),
        ("4.5.6.8:9000", {**of_port, **node}),
    ]
    assert short(group.shared) == {
        "namespace": "default",
        "endpointslice_address_type": "IPv4",
        "endpointslice_name": "testendpoints-x",
        "endpointslice_label_kubernetes_io_service_name": "testendpoints",
        "endpointslice_labelpresent_kubernetes_io_service_name": "true",
        "endpointslice_annotation_test_annotation": "test",
        "endpointslice_annotationpresent_test_annotation": "true",
        "endpoints_name": "testendpoints",
    }


def test_endpoints_that_are_pods_have_their_labels_and_their_further_ports() -> None:
    one = pod("web-0", "10.0.0.1", ports={"http": 8080, "metrics": 9090}, labels={"tier": "front"})
    web = service("web", ports={"http": 80}, labels={"team": "a"})
    group = grouped(endpoint_slice("web", [one], ports={"http": 8080}), [web], [one])
    (first, declared), (further, undeclared) = members(group)
    assert (first, further) == ("10.0.0.1:8080", "10.0.0.1:9090")
    of_pod = short(as_pod(one).about)
    assert of_pod.items() <= declared.items()
    assert declared["endpointslice_address_target_name"] == declared["pod_name"] == "web-0"
    assert (declared["pod_container_port_name"], declared["pod_container_name"]) == ("http", "app")
    assert undeclared == {
        **of_pod,
        "pod_container_name": "app",
        "pod_container_image": "app:1",
        "pod_container_init": "false",
        "pod_container_port_name": "metrics",
        "pod_container_port_number": "9090",
        "pod_container_port_protocol": "TCP",
    }
    assert (
        short(group.shared).items() >= {"service_name": "web", "service_label_team": "a", "namespace": "shop"}.items()
    )
    assert group.selected_by == {"team": "a"}


def test_of_two_families_of_addresses_the_one_that_the_service_prefers_is_taken() -> None:
    four, six = pod("web-0", "10.0.0.1"), pod("web-0", "fd00::1")
    both = service("web", ports={"http": 80}, ipFamilyPolicy="PreferDualStack", ipFamilies=["IPv6", "IPv4"])
    single = service("web", ports={"http": 80}, ipFamilyPolicy="SingleStack", ipFamilies=["IPv4"])
    first = endpoint_slice("web", [four], ports={"http": 8080})
    second = endpoint_slice("web", [six], ports={"http": 8080}, family="IPv6")
    assert [address for address, _ in grouped(second, [both]).members] == ["[fd00::1]:8080"]
    assert grouped(first, [both]).members == ()
    assert [address for address, _ in grouped(first, [single]).members] == ["10.0.0.1:8080"]


def test_recorded_pods_have_the_labels_of_prometheus() -> None:
    documents = [
        each for file in sorted(RECORDED.glob("pods-page-*.json")) for each in json.loads(file.read_text())["items"]
    ]
    found = [group for each in documents if (group := pod_group(as_pod(each))).members]
    assert found
    for group in found:
        for _, labels in group.members:
            known = short({**group.shared, **labels})
            assert known.keys() >= {"namespace", "pod_name", "pod_ip", "pod_node_name", "pod_container_name", "pod_uid"}
            assert known["pod_ready"] in ("true", "false", "unknown")
