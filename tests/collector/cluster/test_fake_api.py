"""The fake API server keeps the rules of the real one: what the other tests rest on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from collector.cluster.refusals import Expired
from collector.errors import PermanentError, TransientError
from tests.collector.cluster.conftest import PODS, Connect, pod
from tests.fakes.kubernetes_api import FakeKubernetesApi


def names(body: bytes) -> list[str]:
    return [found["metadata"]["name"] for found in json.loads(body)["items"]]


def metadata(body: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(body)["metadata"]
    return found


def test_pages_are_as_of_one_revision(server: FakeKubernetesApi, connected: Connect) -> None:
    api = connected()
    for name in "abcd":
        server.put("pods", pod(name))
    first = api.get(PODS, {"limit": "2"})
    assert names(first) == ["a", "b"]
    assert metadata(first)["remainingItemCount"] == 2
    server.delete("pods", "shop", "c")
    server.put("pods", pod("d", image="new"))
    server.put("pods", pod("e"))
    second = api.get(PODS, {"limit": "5", "continue": metadata(first)["continue"]})
    assert names(second) == ["c", "d"]
    assert json.loads(second)["items"][1]["spec"] == {}
    assert metadata(second) == {"resourceVersion": metadata(first)["resourceVersion"]}
    assert names(api.get(PODS)) == ["a", "b", "d", "e"]


def test_an_expired_page_offers_to_go_on_inconsistently(server: FakeKubernetesApi, connected: Connect) -> None:
    for name in "abc":
        server.put("pods", pod(name))
    api = connected()
    token = metadata(api.get(PODS, {"limit": "1"}))["continue"]
    server.delete("pods", "shop", "b")
    server.compact()
    with pytest.raises(Expired, match="The provided continue parameter is too old"):
        api.get(PODS, {"continue": token})
    with pytest.raises(PermanentError, match="continue key is not valid"):
        api.get(PODS, {"continue": "made up"})
    with pytest.raises(PermanentError, match="not allowed when using continue"):
        api.get(PODS, {"continue": token, "resourceVersion": "1"})


def test_resource_versions_of_lists(server: FakeKubernetesApi, connected: Connect) -> None:
    api = connected()
    server.put("pods", pod("a"))
    server.put("pods", pod("b"))
    assert names(api.get(PODS, {"resourceVersion": "1001", "resourceVersionMatch": "Exact"})) == ["a"]
    assert names(api.get(PODS, {"resourceVersion": "1001", "resourceVersionMatch": "NotOlderThan"})) == ["a", "b"]
    assert names(api.get(PODS, {"resourceVersion": "0", "limit": "1"})) == ["a", "b"], "the cache knows no pages"
    with pytest.raises(TransientError, match="Too large resource version"):
        api.get(PODS, {"resourceVersion": "9999"})
    server.compact()
    with pytest.raises(Expired):
        api.get(PODS, {"resourceVersion": "1001", "resourceVersionMatch": "Exact"})


def lines(api: Any, **parameters: str) -> list[dict[str, Any]]:
    with api.watch(PODS, {"timeoutSeconds": "0.1", **parameters}) as watch:
        return [json.loads(line) for line in watch]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [found["type"] for found in events]


def test_a_watch_begins_where_it_is_told_to(server: FakeKubernetesApi, connected: Connect) -> None:
    api = connected()
    server.put("pods", pod("a"))
    server.put("pods", pod("a", image="new"))
    server.put("pods", pod("a", image="new"))
    server.delete("pods", "shop", "a")
    server.put("pods", pod("b"))
    assert server.storage.revision == 1004, "what changes nothing is no change"
    assert kinds(lines(api)) == kinds(lines(api, resourceVersion="0")) == ["ADDED"]
    assert kinds(lines(api, resourceVersion="1001")) == ["MODIFIED", "DELETED", "ADDED"]
    gone = lines(api, resourceVersion="1002")[0]["object"]
    assert (gone["kind"], gone["spec"], gone["metadata"]["resourceVersion"]) == ("Pod", {"image": "new"}, "1003")
    assert lines(api, resourceVersion="1004") == []


def test_a_watch_of_the_forgotten_past(server: FakeKubernetesApi, connected: Connect) -> None:
    api = connected()
    server.put("pods", pod("a"))
    server.compact()
    (event,) = lines(api, resourceVersion="1000")
    assert event["type"] == "ERROR" and event["object"]["code"] == 410 and event["object"]["reason"] == "Expired"
    assert event["object"]["message"] == "too old resource version: 1000 (1001)"
    assert lines(api, resourceVersion="1001") == []
    server.expires_by_status = True
    with pytest.raises(Expired, match="too old resource version"):
        lines(api, resourceVersion="1000")


def test_bookmarks_come_to_those_who_ask(server: FakeKubernetesApi, connected: Connect) -> None:
    api = connected()
    server.bookmark_interval_s = 0.01
    assert lines(api, resourceVersion="1000") == []
    found = lines(api, resourceVersion="1000", allowWatchBookmarks="true")[-1]
    assert found["type"] == "BOOKMARK" and found["object"]["metadata"]["resourceVersion"] == "1000"


def test_another_uid_is_another_object(server: FakeKubernetesApi, connected: Connect) -> None:
    for uid in ("one", "two"):
        given = pod("a")
        given["metadata"]["uid"] = uid
        server.put("pods", given)
    assert kinds(lines(connected(), resourceVersion="1000")) == ["ADDED", "DELETED", "ADDED"]


def test_items_of_custom_resources_say_what_they_are(server: FakeKubernetesApi, connected: Connect) -> None:
    server.put("pods", pod("a"))
    server.put("podmonitors.monitoring.coreos.com", pod("web"))
    api = connected()
    assert "kind" not in json.loads(api.get(PODS))["items"][0]
    (item,) = json.loads(api.get("/apis/monitoring.coreos.com/v1/podmonitors"))["items"]
    assert (item["kind"], item["apiVersion"]) == ("PodMonitor", "monitoring.coreos.com/v1")


def test_namespaces_are_apart(server: FakeKubernetesApi, connected: Connect) -> None:
    server.put("pods", pod("a"))
    server.put("pods", pod("b", "other"))
    api = connected()
    assert names(api.get("/api/v1/namespaces/other/pods")) == ["b"]
    with api.watch("/api/v1/namespaces/other/pods", {"timeoutSeconds": "0.1"}) as watch:
        assert [json.loads(line)["object"]["metadata"]["name"] for line in watch] == ["b"]
    with pytest.raises(ValueError, match="does not fit"):
        server.put("nodes", pod("a"))


def test_kubelets_ask_who_may_do_what(server: FakeKubernetesApi) -> None:
    token = server.token_file.read_text().strip()
    assert server.authorized(token, "get", "", "nodes/stats")
    assert not server.authorized(token, "get", "", "nodes/proxy")
    assert not server.authorized(token, "create", "", "pods")
    assert not server.authorized("another", "get", "", "nodes/stats")
    assert not server.authorized(None, "get", "", "nodes/stats")
    server.rotate_token()
    assert not server.authorized(token, "get", "", "nodes/stats")


def test_rules_of_a_role_with_wildcards_are_understood(server: FakeKubernetesApi) -> None:
    server.allow([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}])
    assert server.authorized(server.token_file.read_text().strip(), "delete", "apps", "replicasets")


def test_what_it_does_not_have_is_refused(server: FakeKubernetesApi, connected: Connect) -> None:
    with pytest.raises(PermanentError, match="the fake server has no labelSelector"):
        connected().get(PODS, {"labelSelector": "a=b"})
