"""Namespaces and their labels, by which monitors are selected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from collector.prometheus.kubernetes_sd.groups import Labels
from collector.prometheus.kubernetes_sd.meta import texts


@dataclass(frozen=True)
class Namespace:
    """A namespace; its key is its name."""

    uid: str
    key: str
    labels: Labels


def namespace_of(document: dict[str, Any]) -> Namespace | None:
    """A namespace of the API server; None for what is none."""
    meta = document.get("metadata") or {}
    if not meta.get("uid"):
        return None
    return Namespace(str(meta["uid"]), str(meta.get("name", "")), texts(meta.get("labels")))
