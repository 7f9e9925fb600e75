"""Names of labels that discovery makes of objects: ``__meta_kubernetes_pod_label_app_kubernetes_io_name``.

What a label may not have in its name becomes an underscore, as in Prometheus ("Configuration", section ``<kubernetes_sd_config>``).
A cluster uses few names for many objects, so each is made once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

PREFIX = "__meta_kubernetes_"
NAMESPACE = f"{PREFIX}namespace"
_NO_NAME = re.compile(r"[^a-zA-Z0-9_]")


def plain(name: str) -> str:
    """The name of a label or annotation as part of a name: ``app.kubernetes.io/name`` -> ``app_kubernetes_io_name``."""
    return _NO_NAME.sub("_", name)


def about(kind: str, metadata: Mapping[str, Any]) -> dict[str, str]:
    """Name, labels and annotations of an object, each of the latter with a label that says that it is there."""
    found = {f"{PREFIX}{kind}_name": str(metadata.get("name", ""))}
    for sort in ("label", "annotation"):
        for name, text in texts(metadata.get(f"{sort}s")).items():
            named, present = _names(kind, sort, name)
            found[named], found[present] = text, "true"
    return found


def texts(found: Any) -> dict[str, str]:
    """Labels or annotations as they are."""
    return {str(name): str(text) for name, text in (found or {}).items()}


@lru_cache(maxsize=1 << 16)
def _names(kind: str, sort: str, name: str) -> tuple[str, str]:
    return f"{PREFIX}{kind}_{sort}_{plain(name)}", f"{PREFIX}{kind}_{sort}present_{plain(name)}"
