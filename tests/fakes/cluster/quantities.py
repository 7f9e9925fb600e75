"""Amounts of resources as the API server writes them back: the canonical form of resource.Quantity.

The largest suffix that leaves no fraction (k8s.io/apimachinery, pkg/api/resource/quantity.go): 1500m, 2, 128Mi, 1Gi.
"""

from __future__ import annotations

from tests.fakes.cluster.loads import Resources

_BINARY = (("Ei", 60), ("Pi", 50), ("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10))


def cores(millicores: int) -> str:
    """CPU."""
    return str(millicores // 1000) if millicores % 1000 == 0 else f"{millicores}m"


def size(count: int) -> str:
    """Bytes."""
    for suffix, power in _BINARY:
        if count and count % (1 << power) == 0:
            return f"{count >> power}{suffix}"
    return str(count)


def written(resources: Resources) -> dict[str, str]:
    """Requests or limits; what is not said is left out."""
    found = {}
    if resources.cpu_millicores is not None:
        found["cpu"] = cores(resources.cpu_millicores)
    if resources.ephemeral_bytes is not None:
        found["ephemeral-storage"] = size(resources.ephemeral_bytes)
    if resources.memory_bytes is not None:
        found["memory"] = size(resources.memory_bytes)
    if resources.gpus is not None:
        found["nvidia.com/gpu"] = str(resources.gpus)
    return found
