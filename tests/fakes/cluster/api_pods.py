"""A pod as the API server shows it at an instant, in the form of k8s.io/api/core/v1 v0.34.

The specification and the metadata are as they are now; the status is what the kubelet told last: a little late, by its own
clock, in whole seconds, and not at all while it is down. What happened on a node that is lost is never told.
"""

from __future__ import annotations

from typing import Any

from tests.fakes.cluster.api_objects import metadata, reference
from tests.fakes.cluster.clock import SECOND
from tests.fakes.cluster.pods import Container, Instance, Pod
from tests.fakes.cluster.quantities import written
from tests.fakes.cluster.timestamps import rfc3339

Json = dict[str, Any]


def pod(thing: Pod, at_us: int) -> Json | None:
    """The object, or None while there is none."""
    if not thing.created_us <= at_us < thing.gone_us:
        return None
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(thing, at_us),
        "spec": _spec(thing, at_us),
        "status": _status(thing, told_until(thing, at_us)),
    }


def told_until(thing: Pod, at_us: int) -> int:
    """Up to when the API server knows, at an instant, what happened in a pod."""
    if thing.node is None:
        return at_us
    told_us = at_us - thing.node.status_delay_us
    down = thing.node.down(at_us)
    return told_us if down is None else min(told_us, down.begin_us - 1)


def _metadata(thing: Pod, at_us: int) -> Json:
    annotations = dict(thing.annotations.at(at_us))
    if thing.config_hash:
        annotations |= {
            "kubernetes.io/config.hash": thing.config_hash,
            "kubernetes.io/config.mirror": thing.config_hash,
            "kubernetes.io/config.seen": rfc3339(thing.created_us),
            "kubernetes.io/config.source": "file",
        }
    found = metadata(thing.name, thing.uid, thing.created_us, thing.labels.at(at_us), annotations)
    found["namespace"] = thing.namespace
    if thing.config_hash and thing.node is not None:
        owner = {"apiVersion": "v1", "kind": "Node", "name": thing.node.name, "uid": thing.node.uid, "controller": True}
        found["ownerReferences"] = [owner]
    elif thing.owner is not None:
        found["ownerReferences"] = [reference(thing.owner)]
    if thing.deleted_us <= at_us:
        # The instant by which it is to be gone, not that of the request.
        found["deletionTimestamp"] = rfc3339(thing.deleted_us + thing.grace_s * SECOND)
        found["deletionGracePeriodSeconds"] = thing.grace_s
    return found


def _spec(thing: Pod, at_us: int) -> Json:
    spec: Json = {
        "containers": [_container(each, at_us) for each in thing.containers if each.role == "app"],
        "restartPolicy": thing.restart_policy,
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": "default",
        "schedulerName": "default-scheduler",
        "enableServiceLinks": True,
        "securityContext": {},
    }
    before = [_container(each, at_us) for each in thing.containers if each.role in ("init", "sidecar")]
    if before:
        spec["initContainers"] = before
    joined = [each for each in thing.containers if each.role == "ephemeral" and each.latest(at_us) >= 0]
    if joined:
        spec["ephemeralContainers"] = [_container(each, at_us) for each in joined]
    if thing.claims:
        spec["volumes"] = [
            {"name": claim.name, "persistentVolumeClaim": {"claimName": claim.name}} for claim in thing.claims
        ]
    if thing.host_network:
        spec["hostNetwork"] = True
    if thing.node is not None:
        spec["nodeName"] = thing.node.name
    return spec


def _container(each: Container, at_us: int) -> Json:
    found: Json = {
        "name": each.name,
        "image": each.image,
        "imagePullPolicy": "IfNotPresent",
        "resources": _resources(each, at_us),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }
    if each.role == "sidecar":
        found["restartPolicy"] = "Always"
    return found


def _resources(each: Container, at_us: int) -> Json:
    pair = {"limits": written(each.limits.at(at_us)), "requests": written(each.requests.at(at_us))}
    return {name: amounts for name, amounts in pair.items() if amounts}


def _status(thing: Pod, told_us: int) -> Json:
    status: Json = {"phase": _phase(thing, told_us), "qosClass": thing.qos}
    scheduled = {
        "type": "PodScheduled",
        "status": "True" if thing.node else "False",
        "lastProbeTime": None,
        "lastTransitionTime": rfc3339(thing.created_us),
    }
    if thing.node is None:
        scheduled |= {"reason": "Unschedulable", "message": "0/1 nodes are available: 1 Insufficient cpu."}
    status["conditions"] = [scheduled]
    if thing.node is None or thing.accepted_us > told_us:
        return status
    status["startTime"] = _stamp(thing, thing.accepted_us)
    status["hostIP"] = "127.0.0.1"
    status["hostIPs"] = [{"ip": "127.0.0.1"}]
    ready = status["phase"] == "Running" and all(
        each.running(told_us) is not None for each in thing.containers if each.role == "app"
    )
    status["conditions"].append(
        {
            "type": "Ready",
            "status": "True" if ready else "False",
            "lastProbeTime": None,
            "lastTransitionTime": _stamp(thing, _last_change(thing, told_us)),
        }
    )
    if thing.ended_us <= told_us and thing.reason:
        status |= {"reason": thing.reason, "message": thing.message}
    for field, roles in (
        ("initContainerStatuses", ("init", "sidecar")),
        ("containerStatuses", ("app",)),
        ("ephemeralContainerStatuses", ("ephemeral",)),
    ):
        shown = [
            _container_status(thing, each, told_us)
            for each in thing.containers
            if each.role in roles and (each.role != "ephemeral" or each.latest(told_us) >= 0)
        ]
        if shown:
            status[field] = shown
    return status


def _phase(thing: Pod, told_us: int) -> str:
    if thing.ended_us <= told_us:
        return thing.ended_as
    started = any(each.latest(told_us) >= 0 for each in thing.containers if each.role == "app")
    return "Running" if started else "Pending"


def _last_change(thing: Pod, told_us: int) -> int:
    times = [thing.accepted_us]
    for _, instance in thing.instances:
        times += (instance.begin_us, instance.end_us)
    return max(time_us for time_us in times if time_us <= told_us)


def _container_status(thing: Pod, each: Container, told_us: int) -> Json:
    number = each.latest(told_us)
    status: Json = {
        "name": each.name,
        "image": each.image,
        "imageID": "",
        "ready": False,
        "started": False,
        "restartCount": max(0, number),
        "lastState": {},
    }
    if number < 0:
        status["state"] = {"waiting": {"reason": _waits_for(thing, each)}}
        return status
    current = each.instances[number]
    before = each.instances[number - 1] if number else None
    status["containerID"] = f"containerd://{current.container_id}"
    status["imageID"] = f"sha256:{0:064x}"
    if current.end_us > told_us:
        status |= {"state": {"running": {"startedAt": _stamp(thing, current.begin_us)}}, "started": True, "ready": True}
        resources = _resources(each, told_us)
        if resources and each.role != "ephemeral":
            status["resources"] = resources
            status["allocatedResources"] = resources.get("requests", {})
    elif _starts_again(thing, each, number, told_us):
        after = "ContainerCreating" if current.reason == "Unknown" else "CrashLoopBackOff"
        status["state"] = {"waiting": {"reason": after}}
        before = current
    else:
        status["state"] = {"terminated": _terminated(thing, current)}
        status["ready"] = each.role == "init" and current.exit_code == 0
    if before is not None:
        status["lastState"] = {"terminated": _terminated(thing, before)}
    return status


def _waits_for(thing: Pod, each: Container) -> str:
    first = next(one for one in thing.containers if one.role != "ephemeral")
    return each.waits_for if each is first or each.waits_for != "ContainerCreating" else "PodInitializing"


def _starts_again(thing: Pod, each: Container, number: int, told_us: int) -> bool:
    """Whether it waits for its next start; one that comes within seconds is not waited for."""
    if thing.ended_us <= told_us or thing.deleted_us <= told_us or each.role in ("init", "ephemeral"):
        return False
    if number + 1 < len(each.instances):
        return each.instances[number + 1].begin_us - each.instances[number].end_us >= 10 * SECOND
    failed = each.instances[number].exit_code != 0
    return thing.restart_policy == "Always" or (thing.restart_policy == "OnFailure" and failed)


def _terminated(thing: Pod, instance: Instance) -> Json:
    return {
        "exitCode": instance.exit_code,
        "reason": instance.reason,
        "startedAt": _stamp(thing, instance.begin_us),
        "finishedAt": _stamp(thing, instance.end_us),
        "containerID": f"containerd://{instance.container_id}",
    }


def _stamp(thing: Pod, at_us: int) -> str:
    """An instant by the clock of the pod's node."""
    assert thing.node is not None
    return rfc3339(at_us + thing.node.clock_offset_us)
