"""What a collector reads of a cluster, declared: a group, a resource and some of get, list and watch.

Each use declares its permissions in a tuple at the top of its module. Roles are made from them (``roles``) and the
client is limited by them (``guard``), so the three cannot drift apart. What must never be granted cannot even be
declared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

#: All that reading takes. Verbs as RBAC has them ("Authorization", section "Determine the request verb").
VERBS = ("get", "list", "watch")

#: Doors and not things: whoever may get ``nodes/proxy`` or ``pods/exec`` runs commands through a WebSocket, which is a
#: GET ("Kubernetes RBAC Good Practices", section "Access to proxy subresource of Nodes").
DOORS = frozenset({"proxy", "exec", "attach", "portforward"})

_GROUP = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)?")
_RESOURCE = re.compile(r"([a-z][a-z0-9]*)(?:/([a-z][a-z0-9]*))?")


@dataclass(frozen=True, order=True)
class Permission:
    """Verbs on a resource as RBAC writes it: ``pods``, ``nodes/stats``; the group of the core API is empty.

    Raises ValueError for a verb that does not read, for wildcards, for secrets and for ``DOORS``.
    """

    group: str
    resource: str
    verbs: tuple[str, ...]

    def __post_init__(self) -> None:
        what = f"permission on {self.resource!r} of group {self.group!r}"
        found = _RESOURCE.fullmatch(self.resource)
        if not _GROUP.fullmatch(self.group) or found is None:
            raise ValueError(f"{what} refused: it must name one group and one resource, such as pods or nodes/stats")
        if found[1] == "secrets" or found[2] in DOORS:
            raise ValueError(f"{what} refused: collectors read no secrets and go through no proxy")
        wrong = [verb for verb in self.verbs if verb not in VERBS]
        if wrong or not self.verbs:
            raise ValueError(f"{what} refused: verbs must be some of {', '.join(VERBS)}, not {', '.join(wrong)!r}")
        object.__setattr__(self, "verbs", tuple(sorted(set(self.verbs))))


def union(*declared: Iterable[Permission]) -> tuple[Permission, ...]:
    """All that is declared, one permission per resource, sorted."""
    verbs: dict[tuple[str, str], set[str]] = {}
    for permissions in declared:
        for permission in permissions:
            verbs.setdefault((permission.group, permission.resource), set()).update(permission.verbs)
    return tuple(Permission(group, resource, tuple(found)) for (group, resource), found in sorted(verbs.items()))
