"""Where the programs of a Kubernetes control plane are: named in KUBEBUILDER_ASSETS, as for envtest, or built by ``make kube-assets``.

What needs them is skipped where they are not there, and says so: nothing that it stands for was tried then.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CONTROL_PLANE = ("etcd", "kube-apiserver", "kubectl")
CLUSTER = (*CONTROL_PLANE, "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "coredns", "load")


def folder() -> Path | None:
    """The folder of the programs; None where nobody named one."""
    named = os.environ.get("KUBEBUILDER_ASSETS")
    return Path(named) if named else None


def program(name: str) -> str:
    """One of the programs, as it is run."""
    found = folder()
    assert found is not None, "KUBEBUILDER_ASSETS names no folder"
    return str(found / name)


def missing(names: tuple[str, ...]) -> list[str]:
    """Those that are not there."""
    found = folder()
    return [name for name in names if found is None or not os.access(found / name, os.X_OK)]


needs_control_plane = [
    pytest.mark.kube,
    pytest.mark.skipif(
        bool(missing(CONTROL_PLANE)),
        reason=f"NOTHING WAS TRIED AGAINST A REAL API SERVER: KUBEBUILDER_ASSETS has no {', '.join(missing(CONTROL_PLANE))}; "
        "'make kube-assets' builds them with Go",
    ),
]
