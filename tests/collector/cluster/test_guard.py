"""The guard: nothing but declared reading passes, whatever the request looks like."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.cluster.guard import Attributes, Guard, attributes
from collector.cluster.permissions import Permission
from collector.errors import WriteRefused
from tests.fakes.kubernetes_access import asked

DECLARED = (
    Permission("", "pods", ("get", "list", "watch")),
    Permission("", "nodes", ("list",)),
    Permission("", "namespaces", ("get", "list")),
    Permission("", "nodes/stats", ("get",)),
    Permission("apps", "replicasets", ("watch",)),
)
GRANTED = {(verb, one.group, one.resource) for one in DECLARED for verb in one.verbs}
GUARD = Guard(DECLARED)


@pytest.mark.parametrize(
    ("path", "parameters", "expected"),
    [
        ("/api/v1/pods", {}, ("list", "", "pods")),
        ("/api/v1/pods", {"watch": "true"}, ("watch", "", "pods")),
        ("/api/v1/pods", {"watch": "1"}, ("watch", "", "pods")),
        ("/api/v1/pods", {"watch": ""}, ("watch", "", "pods")),
        ("/api/v1/pods", {"watch": "FALSE"}, ("list", "", "pods")),
        ("/api/v1/pods", {"watch": "0"}, ("list", "", "pods")),
        ("/api/v1/watch/pods", {}, ("watch", "", "pods")),
        ("/api/v1/watch/namespaces/shop/pods", {}, ("watch", "", "pods")),
        ("/api/v1/namespaces/shop/pods", {}, ("list", "", "pods")),
        ("/api/v1/namespaces/shop/pods/a", {}, ("get", "", "pods")),
        ("/api/v1/namespaces/shop/pods/a", {"watch": "true"}, ("get", "", "pods")),
        ("/api/v1/namespaces/shop/pods/a/log", {}, ("get", "", "pods/log")),
        ("/api/v1/namespaces", {}, ("list", "", "namespaces")),
        ("/api/v1/namespaces/shop", {}, ("get", "", "namespaces")),
        ("/api/v1/namespaces/shop/status", {}, ("get", "", "namespaces/status")),
        ("/api/v1/nodes/a/stats", {}, ("get", "", "nodes/stats")),
        ("/api/v1/nodes/a/proxy/stats/summary", {}, ("get", "", "nodes/proxy")),
        ("/api/v1/proxy/nodes/a", {}, ("proxy", "", "nodes")),
        ("/apis/apps/v1/replicasets", {}, ("list", "apps", "replicasets")),
        ("/apis/apps/v1/namespaces/shop/replicasets/a", {}, ("get", "apps", "replicasets")),
    ],
)
def test_attributes_are_those_of_the_api_server(
    path: str, parameters: dict[str, str], expected: tuple[str, str, str]
) -> None:
    assert attributes(path, parameters) == expected
    about = asked(path, parameters)
    assert (about.verb, about.group, about.full_resource) == expected


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/version",
        "/healthz",
        "/metrics",
        "/api",
        "/api/v1",
        "/apis/apps/v1",
        "/api/v1/watch",
        "/API/v1/pods",
        "/api/v1/Pods",
        "/api/v1/pods/",
        "/api//v1/pods",
        "//api/v1/pods",
        "/api/v1/./pods",
        "/api/v1/pods/../secrets",
        "/api/v1/pods%2f..%2fsecrets",
        "/api/v1/secrets",
        "/api/v1/namespaces/shop/secrets/key",
        "/api/v1/watch/secrets",
        "/api/v1/nodes/a",
        "/api/v1/nodes/a/proxy",
        "/api/v1/nodes/a/proxy/exec/shop/a/a",
        "/api/v1/nodes/a/PROXY",
        "/api/v1/proxy/nodes/a",
        "/api/v1/proxy/namespaces/shop/pods/a",
        "/api/v1/watch/nodes/a/proxy",
        "/api/v1/namespaces/shop/pods/a/exec",
        "/api/v1/namespaces/shop/pods/a/attach",
        "/api/v1/namespaces/shop/pods/a/portforward",
        "/api/v1/namespaces/shop/services/a/proxy/",
        "/apis/apps/v1/replicasets",
        "/apis/apps/v1/pods",
        "/api/v1/pods?watch=true",
        "/api/v1/pods\n",
        "/api/v1/p\u00f6ds",
    ],
)
def test_what_was_not_declared_is_refused(path: str) -> None:
    with pytest.raises(WriteRefused, match="refused"):
        GUARD.check("GET", path, {})


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "get", ""])
def test_every_method_but_get_is_refused(method: str) -> None:
    with pytest.raises(WriteRefused, match="only read"):
        GUARD.check(method, "/api/v1/pods", {})


@pytest.mark.parametrize(
    "header",
    ["Upgrade", "upgrade", "Sec-WebSocket-Key", "HTTP2-Settings", "Impersonate-User", "X-HTTP-Method-Override"],
)
def test_a_get_that_would_be_more_is_refused(header: str) -> None:
    GUARD.check("GET", "/api/v1/pods", {}, ["Accept", "Connection"])
    with pytest.raises(WriteRefused, match="it has the header"):
        GUARD.check("GET", "/api/v1/pods", {}, ["Accept", header])


def test_the_proxy_is_refused_even_to_a_guard_that_was_told_otherwise() -> None:
    forged = Permission("", "nodes/stats", ("get",))
    object.__setattr__(forged, "resource", "nodes/proxy")
    with pytest.raises(WriteRefused, match="no proxy"):
        Guard([forged]).check("GET", "/api/v1/nodes/a/proxy", {})


#: The last one is empty.
WORDS = (
    "api apis v1 apps pods nodes namespaces secrets replicasets watch proxy exec status stats shop a . .. "
    "%2e%2e %2F pods%2Fexec PODS Proxy deployments finalize log "
)
SEGMENTS = st.sampled_from(WORDS.split(" "))
PATHS = st.one_of(
    st.builds(
        lambda front, parts: front + "/".join(parts),
        st.sampled_from(["/api/v1/", "/apis/apps/v1/", "/", "", "//", "/api/v1/watch/", "/api/v1/namespaces/shop/"]),
        st.lists(SEGMENTS, max_size=6),
    ),
    st.text(max_size=30),
)
PARAMETERS = st.dictionaries(
    st.sampled_from(["watch", "Watch", "limit", "follow"]), st.sampled_from(["", "true", "1", "0", "false", "x"])
)
METHODS = st.sampled_from(["GET", "GET", "GET", "POST", "HEAD", "DELETE", "PATCH"])


@given(METHODS, PATHS, PARAMETERS)
def test_what_passes_is_reading_of_what_was_declared_as_the_server_sees_it(
    method: str, path: str, parameters: dict[str, str]
) -> None:
    with suppress(WriteRefused):
        passed = GUARD.check(method, path, parameters)
        assert method == "GET"
        about = asked(unquote(path), parameters)
        assert (about.verb, about.group, about.full_resource) in GRANTED
        assert passed == Attributes(about.verb, about.group, about.full_resource)
