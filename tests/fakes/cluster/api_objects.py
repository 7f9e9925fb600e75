"""Nodes, namespaces, claims, volumes and owners as the API server shows them at an instant, in the forms of k8s.io/api v0.34.

Each function gives the object, or None while there is none.
"""

from __future__ import annotations

from typing import Any

from tests.fakes.cluster.clock import SECOND
from tests.fakes.cluster.places import Claim, Namespace, Node, Owner
from tests.fakes.cluster.quantities import cores, size
from tests.fakes.cluster.timestamps import rfc3339

Json = dict[str, Any]

#: The resource, as RBAC writes it with its group, and the version of each kind of owner.
OWNERS = {
    "ReplicaSet": ("replicasets.apps", "apps/v1"),
    "Deployment": ("deployments.apps", "apps/v1"),
    "StatefulSet": ("statefulsets.apps", "apps/v1"),
    "DaemonSet": ("daemonsets.apps", "apps/v1"),
    "Job": ("jobs.batch", "batch/v1"),
    "CronJob": ("cronjobs.batch", "batch/v1"),
}
#: How long the control plane waits for a silent kubelet (``node-monitor-grace-period``).
GRACE_US = 40 * SECOND


def metadata(name: str, uid: str, created_us: int, labels: dict[str, str], annotations: dict[str, str]) -> Json:
    """What every object has; empty maps are left out."""
    found: Json = {"name": name, "uid": uid, "creationTimestamp": rfc3339(created_us)}
    if labels:
        found["labels"] = dict(labels)
    if annotations:
        found["annotations"] = dict(annotations)
    return found


def reference(owner: Owner) -> Json:
    """The entry in ownerReferences."""
    return {
        "apiVersion": OWNERS[owner.kind][1],
        "kind": owner.kind,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def node(thing: Node, at_us: int) -> Json | None:
    if not thing.created_us <= at_us < thing.gone_us:
        return None
    down = thing.down(at_us)
    unknown_us = down.begin_us + GRACE_US if down and down.begin_us + GRACE_US <= at_us else None
    spec: Json = {"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24"]}
    if thing.provider_id:
        spec["providerID"] = thing.provider_id
    if unknown_us is not None:
        key = "node.kubernetes.io/unreachable"
        spec["taints"] = [
            {"key": key, "effect": effect, "timeAdded": rfc3339(unknown_us)} for effect in ("NoSchedule", "NoExecute")
        ]
    labels, annotations = thing.labels.at(at_us), thing.annotations.at(at_us)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": metadata(thing.name, thing.uid, thing.created_us, labels, annotations),
        "spec": spec,
        "status": {
            "capacity": _amounts(thing, 0, 0),
            "allocatable": _amounts(thing, thing.reserved_millicores, thing.reserved_bytes),
            "conditions": [_ready(thing, at_us, unknown_us)],
            "addresses": [
                {"type": "InternalIP", "address": "127.0.0.1"},
                {"type": "Hostname", "address": thing.name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": thing.port}},
            "nodeInfo": {
                "machineID": thing.uid.replace("-", ""),
                "systemUUID": thing.uid,
                "bootID": f"{thing.uid[:-4]}{sum(boot <= at_us for boot in thing.boots):04x}",
                "kernelVersion": "6.12.0",
                "osImage": "Debian GNU/Linux 13 (trixie)",
                "containerRuntimeVersion": "containerd://2.1.4",
                "kubeletVersion": "v1.34.2",
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": "amd64",
            },
        },
    }


def _amounts(thing: Node, reserved_millicores: int, reserved_bytes: int) -> dict[str, str]:
    found = {
        "cpu": cores(thing.cpu_millicores - reserved_millicores),
        "ephemeral-storage": size(thing.ephemeral_bytes - (thing.ephemeral_bytes // 10 if reserved_bytes else 0)),
        "hugepages-2Mi": "0",
        "memory": size(thing.memory_bytes - reserved_bytes),
        "pods": str(thing.pods_max),
    }
    return found | ({"nvidia.com/gpu": str(thing.gpus)} if thing.gpus else {})


def _ready(thing: Node, at_us: int, unknown_us: int | None) -> Json:
    if unknown_us is not None:
        return {
            "type": "Ready",
            "status": "Unknown",
            "lastHeartbeatTime": rfc3339(unknown_us - GRACE_US),
            "lastTransitionTime": rfc3339(unknown_us),
            "reason": "NodeStatusUnknown",
            "message": "Kubelet stopped posting node status.",
        }
    booted = rfc3339(thing.booted_us(at_us))
    return {
        "type": "Ready",
        "status": "True",
        "lastHeartbeatTime": booted,
        "lastTransitionTime": booted,
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
    }


def namespace(thing: Namespace, at_us: int) -> Json | None:
    if not thing.created_us <= at_us < thing.gone_us:
        return None
    deleted = thing.deleted_us <= at_us
    found = metadata(thing.name, thing.uid, thing.created_us, thing.labels.at(at_us), thing.annotations.at(at_us))
    if deleted:
        found["deletionTimestamp"] = rfc3339(thing.deleted_us)
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": found,
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Terminating" if deleted else "Active"},
    }


def claim(thing: Claim, at_us: int) -> Json | None:
    if not thing.created_us <= at_us < thing.gone_us:
        return None
    capacity = {"storage": size(thing.capacity_bytes)}
    named = metadata(thing.name, thing.uid, thing.created_us, thing.labels.at(at_us), {})
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": named | {"namespace": thing.namespace, "finalizers": ["kubernetes.io/pvc-protection"]},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": capacity},
            "storageClassName": thing.storage_class,
            "volumeMode": "Filesystem",
            "volumeName": thing.volume,
        },
        "status": {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": capacity},
    }


def volume(thing: Claim, at_us: int) -> Json | None:
    """The volume of a claim; it goes with it (``Delete``)."""
    if not thing.created_us <= at_us < thing.gone_us:
        return None
    bound = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": thing.namespace,
        "name": thing.name,
        "uid": thing.uid,
    }
    uid = f"{thing.uid[:-1]}{'0' if thing.uid[-1] != '0' else '1'}"
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": metadata(thing.volume, uid, thing.created_us, {}, {}),
        "spec": {
            "capacity": {"storage": size(thing.capacity_bytes)},
            "accessModes": ["ReadWriteOnce"],
            "claimRef": bound,
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": thing.storage_class,
            "volumeMode": "Filesystem",
            "csi": {"driver": "disk.csi.example.com", "volumeHandle": thing.uid},
        },
        "status": {"phase": "Bound"},
    }


def owner(thing: Owner, at_us: int) -> Json | None:
    if not thing.created_us <= at_us < thing.gone_us:
        return None
    named = metadata(thing.name, thing.uid, thing.created_us, thing.labels.at(at_us), thing.annotations.at(at_us))
    named["namespace"] = thing.namespace
    if thing.parent is not None:
        named["ownerReferences"] = [reference(thing.parent)]
    spec, status = _owner_spec(thing), _OWNER_STATUS[thing.kind]
    return {
        "apiVersion": OWNERS[thing.kind][1],
        "kind": thing.kind,
        "metadata": named,
        "spec": spec,
        "status": dict(status),
    }


_OWNER_STATUS: dict[str, Json] = {
    "ReplicaSet": {"replicas": 1},
    "Deployment": {"replicas": 1},
    "StatefulSet": {"replicas": 1, "availableReplicas": 1},
    "DaemonSet": {
        "currentNumberScheduled": 1,
        "desiredNumberScheduled": 1,
        "numberMisscheduled": 0,
        "numberReady": 1,
    },
    "Job": {"active": 1},
    "CronJob": {},
}


def _owner_spec(thing: Owner) -> Json:
    """No more of it than has to be there."""
    labels = {"app": thing.name}
    template: Json = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "shop:1.4"}]}}
    if thing.kind == "CronJob":
        template["spec"]["restartPolicy"] = "Never"
        return {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}}
    if thing.kind == "Job":
        template["spec"]["restartPolicy"] = "Never"
        return {"template": template}
    spec: Json = {"selector": {"matchLabels": labels}, "template": template}
    if thing.kind == "DaemonSet":
        return spec
    if thing.kind == "StatefulSet":
        spec["serviceName"] = thing.name
    return spec | {"replicas": 1}
