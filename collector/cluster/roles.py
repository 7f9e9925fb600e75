"""The roles that grant exactly what the collectors declare, ready for ``kubectl apply``.

The documents are a function of the declarations: the same ones give the same bytes, so that a committed role can be
compared with what the code needs. Their form is that of "Using RBAC Authorization" (rbac.authorization.k8s.io/v1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from collector.cluster.permissions import Permission, union

_RBAC = "rbac.authorization.k8s.io"
_KINDS = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}


def cluster_role(name: str, permissions: Iterable[Permission]) -> dict[str, Any]:
    """A ClusterRole with one rule for each group and set of verbs, its resources sorted."""
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": _rules(permissions),
    }


def service_account(
    name: str, namespace: str, permissions: Iterable[Permission], namespaces: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """A ServiceAccount, the role it needs and the binding between them, all of one name.

    The role is a ClusterRole, or a Role in each of ``namespaces`` where nothing outside of them is read.
    """
    account: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": namespace},
    }
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    if not namespaces:
        return [account, cluster_role(name, permissions), _binding("ClusterRole", {"name": name}, subject)]
    rules = _rules(permissions)
    documents = [account]
    for each in sorted(set(namespaces)):
        metadata = {"name": name, "namespace": each}
        documents.append({"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": rules})
        documents.append(_binding("Role", metadata, subject))
    return documents


def together(texts: Iterable[str]) -> str:
    """What several sources need as one stream: roles of the same name become one, since a second would replace the first.

    What is no YAML of RBAC stands at the end, as it is.
    """
    documents: dict[tuple[str, str, str], dict[str, Any]] = {}
    others: list[str] = []
    for text in dict.fromkeys(filter(None, texts)):
        found = list(yaml.safe_load_all(text))
        if not all(isinstance(each, dict) and each.get("kind") in _KINDS for each in found):
            others.append(text)
            continue
        for each in found:
            metadata = each["metadata"]
            first = documents.setdefault((metadata.get("namespace", ""), each["kind"], metadata["name"]), each)
            if "rules" in each:
                first["rules"] = _rules([*_granted(first["rules"]), *_granted(each["rules"])])
    return "\n".join(filter(None, (as_yaml(list(documents.values())) if documents else "", *others)))


def granted(text: str) -> list[tuple[str, Permission]]:
    """What documents of roles grant: each permission with the namespace in which it holds, empty for everywhere."""
    documents = [each for each in yaml.safe_load_all(text) if isinstance(each, dict) and each.get("kind") in _KINDS]
    return [
        (each["metadata"].get("namespace", ""), permission)
        for each in documents
        for permission in _granted(each.get("rules", ()))
    ]


def _rules(permissions: Iterable[Permission]) -> list[dict[str, Any]]:
    resources: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for permission in union(permissions):
        resources.setdefault((permission.group, permission.verbs), []).append(permission.resource)
    return [
        {"apiGroups": [group], "resources": found, "verbs": list(verbs)}
        for (group, verbs), found in sorted(resources.items())
    ]


def _granted(rules: Iterable[dict[str, Any]]) -> list[Permission]:
    return [
        Permission(rule["apiGroups"][0], resource, tuple(rule["verbs"]))
        for rule in rules
        for resource in rule["resources"]
    ]


def _binding(kind: str, metadata: dict[str, str], subject: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": f"{kind}Binding",
        "metadata": dict(metadata),
        "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": metadata["name"]},
        "subjects": [dict(subject)],
    }


def as_yaml(documents: Sequence[dict[str, Any]]) -> str:
    """The documents as one stream of YAML."""
    text: str = yaml.safe_dump_all(documents, sort_keys=False, default_flow_style=False, explicit_start=True)
    return text
