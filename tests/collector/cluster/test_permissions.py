"""Permissions: what may be declared, what may not, and how declarations come together."""

from __future__ import annotations

import pytest

from collector.cluster.permissions import Permission, union


@pytest.mark.parametrize(
    ("group", "resource", "verbs"),
    [
        ("", "pods", ("create",)),
        ("", "pods", ("get", "delete")),
        ("", "pods", ("*",)),
        ("", "pods", ("GET",)),
        ("", "pods", ()),
        ("", "pods", "get"),
        ("", "*", ("get",)),
        ("*", "pods", ("get",)),
        ("", "pods/*", ("get",)),
        ("", "", ("get",)),
        ("", "Pods", ("get",)),
        ("", "pods/log/more", ("get",)),
        ("", "secrets", ("list",)),
        ("", "nodes/proxy", ("get",)),
        ("", "services/proxy", ("get",)),
        ("", "pods/exec", ("get",)),
        ("", "pods/attach", ("get",)),
        ("", "pods/portforward", ("get",)),
    ],
)
def test_what_must_not_be_granted_cannot_be_declared(group: str, resource: str, verbs: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="refused"):
        Permission(group, resource, verbs)


def test_verbs_are_a_set() -> None:
    assert Permission("", "pods", ("watch", "get", "get")) == Permission("", "pods", ("get", "watch"))


def test_a_union_is_merged_and_sorted() -> None:
    one = (Permission("apps", "replicasets", ("list",)), Permission("", "pods", ("watch",)))
    two = (Permission("", "pods", ("list",)), Permission("", "nodes", ("get",)))
    assert (
        union(one, two)
        == union(two, one)
        == (
            Permission("", "nodes", ("get",)),
            Permission("", "pods", ("list", "watch")),
            Permission("apps", "replicasets", ("list",)),
        )
    )
    assert union() == ()
