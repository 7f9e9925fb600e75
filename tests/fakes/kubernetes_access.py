"""Who a fake API server knows and what it lets them do: bearer tokens, client certificates, and rules of RBAC.

Follows "Authenticating" and "Using RBAC Authorization" of the Kubernetes documentation; the attributes of a request
are those of ``k8s.io/apiserver/pkg/endpoints/request`` (RequestInfo), the sentence of a refusal is that of
``k8s.io/apiserver/pkg/endpoints/handlers/responsewriters`` (ForbiddenMessage).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.kubernetes_storage import Refusal

USER = "system:serviceaccount:meterbook:agent"


@dataclass(frozen=True)
class Asked:
    """What a request is about. ``resource`` is empty where it is about no resource, such as ``/version``."""

    verb: str
    group: str = ""
    version: str = ""
    namespace: str | None = None
    resource: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def full_resource(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def asked(path: str, parameters: dict[str, str]) -> Asked:
    """The attributes of a GET."""
    parts = [part for part in path.strip("/").split("/") if part]
    if len(parts) < 3 or parts[0] not in ("api", "apis") or (parts[0] == "apis" and len(parts) < 4):
        return Asked("get")
    group, version, *rest = parts[1:] if parts[0] == "apis" else ("", *parts[1:])
    verb = ""
    if rest[0] in ("proxy", "watch") and len(rest) > 1:
        verb, *rest = rest
    namespace = None
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in ("status", "finalize"):
            rest = rest[2:]
    resource, name, subresource, *_ = (*rest, "", "")
    if not verb:
        watches = parameters.get("watch", "false").lower() not in ("false", "0")
        verb = "get" if name else "watch" if watches else "list"
    return Asked(verb, group, version, namespace, resource, name, subresource)


class Access:
    """The tokens that are known and the rules that hold for their one service account."""

    def __init__(self, token_file: Path) -> None:
        self.rules: list[dict[str, Any]] = []
        #: Those of Roles, by the namespace in which they hold.
        self.rules_in: dict[str, list[dict[str, Any]]] = {}
        self._token_file = token_file
        self.rotate()

    def rotate(self) -> None:
        """A new token in the file; the old one is unknown from now on."""
        self._token = secrets.token_urlsafe(24)
        self._token_file.write_text(self._token + "\n")

    def knows(self, token: str | None) -> bool:
        return token is not None and secrets.compare_digest(token, self._token)

    def allows(self, verb: str, group: str, resource: str, namespace: str | None = None) -> bool:
        def covers(rule: dict[str, Any], field: str, value: str) -> bool:
            return value in rule.get(field, ()) or "*" in rule.get(field, ())

        return any(
            covers(rule, "verbs", verb) and covers(rule, "apiGroups", group) and covers(rule, "resources", resource)
            for rule in (*self.rules, *self.rules_in.get(namespace or "", ()))
        )

    def check(self, about: Asked) -> None:
        """Raises Refusal for what no rule allows."""
        if not about.resource:
            if about.verb == "get":
                return
        elif self.allows(about.verb, about.group, about.full_resource, about.namespace):
            return
        what = f"{about.resource}.{about.group}" if about.group else about.resource
        named = f'{what} "{about.name}"' if about.name else what
        scope = f'in the namespace "{about.namespace}"' if about.namespace else "at the cluster scope"
        raise Refusal(
            403,
            "Forbidden",
            f'{named} is forbidden: User "{USER}" cannot {about.verb} resource "{about.full_resource}" '
            f'in API group "{about.group}" {scope}',
        )
