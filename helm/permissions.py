"""What each kind of source reads of a cluster, for the agent's chart: written from what the collectors declare, and from nothing else.

    python -m helm.permissions > helm/agent/files/permissions.json

The chart makes a role of it that grants what the sources in its values need and no more. Tests hold the file to the declarations, and
every role that is rendered to what ``meterbook agent role`` prints for the same configuration.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from collector.cluster.permissions import Permission, union
from collector.kubernetes.inventory import PERMISSIONS
from collector.kubernetes.kubelet import CADVISOR, NEEDS, RESOURCE, SUMMARY
from collector.prometheus.kubernetes_sd.permissions import BY_ROLE
from collector.prometheus.monitors.permissions import NAMESPACES, POD_MONITORS, SERVICE_MONITORS

FILE = Path(__file__).parent / "agent" / "files" / "permissions.json"


def declared() -> dict[str, Any]:
    """By kind of source, and then by the setting on which it depends."""
    return {
        "kubernetes": {
            "always": _written(PERMISSIONS),
            "usage": {"summary": _written([NEEDS[SUMMARY]]), "resource": _written([NEEDS[RESOURCE]])},
            "file_io": _written([NEEDS[CADVISOR]]),
        },
        "prometheus": {role: _written(permissions) for role, permissions in BY_ROLE.items()},
        "prometheus_monitors": {
            "ServiceMonitor": _written([SERVICE_MONITORS, *BY_ROLE["endpoints"]]),
            "PodMonitor": _written([POD_MONITORS, *BY_ROLE["pod"]]),
            "namespace_selector": _written([NAMESPACES]),
        },
    }


def text() -> str:
    """The file."""
    return json.dumps(declared(), indent=2) + "\n"


def _written(permissions: Iterable[Permission]) -> list[dict[str, Any]]:
    return [{"group": each.group, "resource": each.resource, "verbs": list(each.verbs)} for each in union(permissions)]


if __name__ == "__main__":
    sys.stdout.write(text())
