"""Whether a cluster lets us read what was declared: asked by reading a little of it, since to ask for a review would be a write.

Of collections a page of one object is asked for. Of what only has a name, such as a node's statistics, something is asked for that is
not there: the server decides who may ask before it looks, so that "not found" is a yes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from collector.cluster.client import KubernetesApi, connect
from collector.cluster.config import ClusterConfig
from collector.cluster.permissions import Permission
from collector.cluster.refusals import Forbidden
from collector.errors import PermanentError

_NOBODY = "meterbook-doctor-asks"


def lacking(config: ClusterConfig, granted: Iterable[tuple[str, Permission]]) -> Iterator[str]:
    """A sentence for each permission that the cluster does not give, of those in ``granted`` with their namespaces.

    Raises SourceError where the cluster cannot be asked at all.
    """
    asked = list(dict.fromkeys(granted))
    api = connect(config, [permission for _, permission in asked])
    try:
        for namespace, permission in asked:
            try:
                _read(api, namespace, permission)
            except Forbidden as error:
                yield str(error)
    finally:
        api.close()


def _read(api: KubernetesApi, namespace: str, permission: Permission) -> None:
    base = f"/apis/{permission.group}/v1" if permission.group else "/api/v1"
    place = f"{base}/namespaces/{namespace}" if namespace else base
    resource, _, part = permission.resource.partition("/")
    if "list" in permission.verbs and not part:
        api.get(f"{place}/{resource}", {"limit": "1"})
        return
    try:
        api.get(f"{place}/{resource}/{_NOBODY}" + (f"/{part}" if part else ""))
    except Forbidden:
        raise
    except PermanentError as error:
        if "status 404" not in str(error):
            raise
