"""Roles: exactly what was declared, written down the same way every time."""

from __future__ import annotations

import yaml
from hypothesis import given
from hypothesis import strategies as st

from collector.cluster.permissions import VERBS, Permission, union
from collector.cluster.roles import as_yaml, cluster_role, service_account, together
from tests.fakes.kubernetes_api import RESOURCES

_KNOWN = sorted(RESOURCES)
permissions = st.lists(
    st.builds(
        lambda known, verbs: Permission(known[0], known[1], tuple(verbs)),
        st.sampled_from(_KNOWN),
        st.sets(st.sampled_from(VERBS), min_size=1),
    ),
    max_size=12,
)


@given(permissions, st.randoms())
def test_a_role_grants_what_was_declared_and_nothing_else(declared: list[Permission], random: object) -> None:
    role = cluster_role("agent", declared)
    granted = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert granted == {(one.group, one.resource, verb) for one in declared for verb in one.verbs}
    shuffled = list(declared)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert as_yaml([cluster_role("agent", shuffled)]) == as_yaml([role])


@given(permissions)
def test_one_rule_for_each_group_and_set_of_verbs(declared: list[Permission]) -> None:
    rules = cluster_role("agent", declared)["rules"]
    kinds = [(*rule["apiGroups"], tuple(rule["verbs"])) for rule in rules]
    assert len(set(kinds)) == len(kinds) == len({(one.group, one.verbs) for one in union(declared)})
    assert all(rule["resources"] == sorted(set(rule["resources"])) for rule in rules)


def test_the_role_as_it_is_committed() -> None:
    text = as_yaml(
        service_account(
            "meterbook-agent",
            "meterbook",
            [
                Permission("", "pods", ("get", "list", "watch")),
                Permission("", "nodes/stats", ("get",)),
                Permission("", "nodes", ("list", "watch", "get")),
            ],
        )
    )
    assert (
        text
        == """---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: meterbook-agent
  namespace: meterbook
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: meterbook-agent
rules:
- apiGroups:
  - ''
  resources:
  - nodes/stats
  verbs:
  - get
- apiGroups:
  - ''
  resources:
  - nodes
  - pods
  verbs:
  - get
  - list
  - watch
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: meterbook-agent
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: meterbook-agent
subjects:
- kind: ServiceAccount
  name: meterbook-agent
  namespace: meterbook
"""
    )
    assert len(list(yaml.safe_load_all(text))) == 3


def test_in_some_namespaces_there_are_roles_of_these_alone() -> None:
    declared = [Permission("", "pods", ("list",))]
    found = service_account("agent", "meterbook", declared, ("b", "a", "b"))
    assert [(each["kind"], each["metadata"].get("namespace")) for each in found] == [
        ("ServiceAccount", "meterbook"),
        ("Role", "a"),
        ("RoleBinding", "a"),
        ("Role", "b"),
        ("RoleBinding", "b"),
    ]
    assert {each["metadata"]["name"] for each in found} == {"agent"}
    for each in found:
        if each["kind"] == "Role":
            assert each["rules"] == cluster_role("agent", declared)["rules"]
        if each["kind"] == "RoleBinding":
            assert each["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "agent"}
            assert each["subjects"] == [{"kind": "ServiceAccount", "name": "agent", "namespace": "meterbook"}]


@given(permissions, permissions)
def test_what_two_sources_need_is_one_role(first: list[Permission], second: list[Permission]) -> None:
    """A second ClusterRole of the same name would take the first one's place."""
    texts = [as_yaml(service_account("agent", "meterbook", declared)) for declared in (first, second)]
    assert together(["", *texts, texts[0]]) == as_yaml(service_account("agent", "meterbook", union(first, second)))


def test_what_is_no_role_of_a_cluster_stays_as_it_is() -> None:
    role = as_yaml(service_account("agent", "meterbook", [Permission("", "pods", ("list",))]))
    policy = '{"Version": "2012-10-17"}'
    assert together([policy, role, policy]) == f"{role}\n{policy}"
    assert together([]) == ""


def test_roles_of_namespaces_and_of_the_cluster_stand_beside_each_other() -> None:
    wide = service_account("agent", "meterbook", [Permission("", "nodes", ("list",))])
    narrow = service_account("agent", "meterbook", [Permission("", "pods", ("list",))], ["shop"])
    found = list(yaml.safe_load_all(together([as_yaml(wide), as_yaml(narrow)])))
    assert sorted(each["kind"] for each in found) == [
        "ClusterRole",
        "ClusterRoleBinding",
        "Role",
        "RoleBinding",
        "ServiceAccount",
    ]
