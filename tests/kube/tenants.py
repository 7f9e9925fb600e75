"""Tenants' pods with known loads, and what they themselves counted of it: the kernel's account of their process, and bytes written down.

A pod tells its count as its container's termination message, which a kubelet puts into the pod's status.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from tests.kube.controlplane import Manifest
from tests.kube.node import PAUSE

MIB = 1 << 20


@dataclass(frozen=True)
class Counted:
    """What ``tests/kube/load`` counted, over all runs of its container."""

    runs: int = 0
    cpu_s: float = 0.0
    life_s: float = 0.0
    resident_bytes: int = 0
    written_bytes: int = 0
    read_bytes: int = 0
    sent_bytes: int = 0

    def __add__(self, other: Counted) -> Counted:
        return Counted(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


def spec(arguments: Sequence[str], *, millicores: int, restarts: str = "Never") -> Manifest:
    """The specification of a pod with one load and a volume."""
    container = {
        "name": "load",
        "image": PAUSE,
        "imagePullPolicy": "Never",
        "args": ["-volume=/data", *arguments],
        "resources": {"requests": {"cpu": f"{millicores}m", "memory": "32Mi"}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    return {
        "restartPolicy": restarts,
        "terminationGracePeriodSeconds": 5,
        "automountServiceAccountToken": False,
        # The load is nobody in particular, and may write to its volume.
        "securityContext": {"fsGroup": 65_532},
        "containers": [container],
        "volumes": [{"name": "data", "emptyDir": {}}],
    }


def pod(namespace: str, name: str, arguments: Sequence[str], *, millicores: int, restarts: str = "Never") -> Manifest:
    """A pod with one load."""
    metadata = {"name": name, "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": spec(arguments, millicores=millicores, restarts=restarts),
    }


def job(namespace: str, name: str, count: int, arguments: Sequence[str], *, millicores: int) -> Manifest:
    """A job whose pods come two at a time."""
    template = {"spec": spec(arguments, millicores=millicores)}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"completions": count, "parallelism": 2, "template": template},
    }


def counted(pods: Sequence[Manifest]) -> Counted:
    """What pods that are over counted."""
    total = Counted()
    for each in pods:
        (container,) = each["status"]["containerStatuses"]
        total += Counted(**json.loads(container["state"]["terminated"]["message"]))
    return total


def is_over(pods: Sequence[Manifest]) -> bool:
    """Whether all of some pods have ended, and there are any."""
    return bool(pods) and all(each["status"].get("phase") in ("Succeeded", "Failed") for each in pods)


def lived_s(each: Manifest) -> float:
    """Seconds for which a pod that never restarted ran, as the API server tells it."""
    (container,) = each["status"]["containerStatuses"]
    ended: dict[str, Any] = container["state"]["terminated"]
    begun, over = (datetime.fromisoformat(ended[name]) for name in ("startedAt", "finishedAt"))
    return (over - begun).total_seconds()
