"""Where the cgroups of pods and containers are, as the two drivers name them.

The names are those of kubernetes 1.34, pkg/kubelet/cm/cgroup_manager_linux.go (``ToSystemd``, ``ToCgroupfs``) and of containerd, whose
scopes are ``cri-containerd-<id>.scope``.
"""

from __future__ import annotations

from tests.fakes.cluster.places import Node
from tests.fakes.cluster.pods import Pod


def pods_path(node: Node) -> str:
    """The cgroup above all pods."""
    return "/kubepods.slice" if node.cgroup_driver == "systemd" else "/kubepods"


def pod_path(node: Node, pod: Pod) -> str:
    """The cgroup of a pod; guaranteed ones stand directly below the one above all."""
    quality = pod.qos.lower()
    level = "" if quality == "guaranteed" else quality
    if node.cgroup_driver == "cgroupfs":
        return "/".join(part for part in ("/kubepods", level, f"pod{pod.kubelet_uid}") if part)
    uid = pod.kubelet_uid.replace("-", "_")
    if not level:
        return f"/kubepods.slice/kubepods-pod{uid}.slice"
    return f"/kubepods.slice/kubepods-{level}.slice/kubepods-{level}-pod{uid}.slice"


def container_path(node: Node, pod: Pod, container_id: str) -> str:
    """The cgroup of a container, or of a sandbox's pause container."""
    scope = f"cri-containerd-{container_id}.scope" if node.cgroup_driver == "systemd" else container_id
    return f"{pod_path(node, pod)}/{scope}"
