"""The reflector against a server with every fault: the sink always comes to know what is there and what is gone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from collector.cluster import reflector as reflecting
from collector.cluster.reflector import Reflector
from tests.collector.cluster.conftest import PODS, Connect, Notes, parse, pod
from tests.fakes.kubernetes_api import FakeKubernetesApi

Reflect = Callable[..., tuple[Reflector[tuple[str, str]], Notes]]


def uids(server: FakeKubernetesApi) -> dict[str, str]:
    """What a sink should know."""
    return dict(parse(found) for found in server.objects("pods"))


def asked(server: FakeKubernetesApi) -> list[str]:
    """``list`` and ``watch``, in the order in which they were asked for."""
    return ["watch" if "watch" in request.parameters else "list" for request in server.requests]


def settled(server: FakeKubernetesApi, notes: Notes) -> None:
    """Until the sink knows what is there and a watch waits for more."""
    notes.wait(lambda: notes.present == uids(server) and server.watching("pods") == 1)


def test_a_list_by_pages_and_then_a_watch(server: FakeKubernetesApi, connected: Connect, reflect: Reflect) -> None:
    for number in range(7):
        server.put("pods", pod(f"pod-{number}"))
    reflector, notes = reflect(connected(page_limit=3))
    settled(server, notes)
    assert asked(server) == ["list", "list", "list", "watch"]
    assert [request.parameters.get("limit") for request in server.requests] == ["3", "3", "3", None]
    assert [call for call, _ in notes.calls] == ["replace"]
    watch = server.requests[-1].parameters
    assert watch["allowWatchBookmarks"] == "true" and watch["resourceVersion"] == "1007"
    assert 300 <= int(watch["timeoutSeconds"]) <= 600
    assert reflector.synced.is_set() and reflector.problem == ""


def test_changes_as_they_come(server: FakeKubernetesApi, connected: Connect, reflect: Reflect) -> None:
    server.splits_lines = True
    _, notes = reflect(connected())
    settled(server, notes)
    server.put("pods", pod("a", image="one"))
    server.put("pods", pod("a", image="two"))
    (uid,) = uids(server)
    server.delete("pods", "shop", "a")
    notes.wait(lambda: len(notes.calls) == 4)
    assert notes.calls[1:] == [("changed", (uid, "one")), ("changed", (uid, "two")), ("removed", (uid, "two"))]


def test_the_last_state_is_told_even_if_it_was_never_shown(
    server: FakeKubernetesApi, connected: Connect, reflect: Reflect
) -> None:
    server.put("pods", pod("a", image="running"))
    _, notes = reflect(connected())
    settled(server, notes)
    uid = next(iter(uids(server)))
    gone = {**server.objects("pods")[0], "spec": {"image": "ended"}}
    line = b'{"type":"DELETED","object":%s}\n' % json.dumps(gone).encode()
    server.send_on_watches(line)
    notes.wait(lambda: notes.removed_uids == [uid])
    assert notes.calls[-1] == ("removed", (uid, "ended"))


def test_a_broken_watch_goes_on_where_it_was(server: FakeKubernetesApi, connected: Connect, reflect: Reflect) -> None:
    server.put("pods", pod("a"))
    _, notes = reflect(connected())
    settled(server, notes)
    server.put("pods", pod("b"))
    notes.wait(lambda: notes.present == uids(server))
    server.drop_watches()
    server.put("pods", pod("c"))
    server.delete("pods", "shop", "a")
    settled(server, notes)
    assert "list" not in asked(server)[1:]
    assert server.requests[-1].parameters["resourceVersion"] >= "1002"


def test_a_watch_that_ends_goes_on_without_a_problem(
    server: FakeKubernetesApi, connected: Connect, reflect: Reflect
) -> None:
    server.bookmark_interval_s = 0.01
    reflector, notes = reflect(connected())
    for _ in range(3):
        settled(server, notes)
        count = len(server.requests)
        server.end_watches()
        notes.wait(lambda count=count: len(server.requests) > count)  # type: ignore[misc]
        assert reflector.problem == ""
    assert asked(server).count("list") == 1


def test_a_bookmark_is_a_place_to_go_on_from(server: FakeKubernetesApi, connected: Connect, reflect: Reflect) -> None:
    server.bookmark_interval_s = 0.01
    reflector, notes = reflect(connected())
    settled(server, notes)
    server.put("nodes", {"metadata": {"name": "node-a"}})
    notes.wait(lambda: reflector._version == "1001")
    server.compact()
    server.drop_watches()
    server.put("pods", pod("a"))
    settled(server, notes)
    assert asked(server).count("list") == 1, "the past before the bookmark is not needed"


@pytest.mark.parametrize("by_status", [False, True])
def test_a_past_that_was_forgotten_is_listed_anew(
    server: FakeKubernetesApi, connected: Connect, reflect: Reflect, by_status: bool
) -> None:
    server.expires_by_status = by_status
    server.put("pods", pod("old"))
    reflector, notes = reflect(connected())
    settled(server, notes)
    server.put("pods", pod("again", image="first"))  # one was listed, one came by the watch
    settled(server, notes)
    before = uids(server)
    server.fail_next(503, 1)
    server.drop_watches()
    server.delete("pods", "shop", "old")
    server.delete("pods", "shop", "again")
    server.put("pods", pod("again", image="second"))
    server.compact()
    settled(server, notes)
    assert set(notes.removed_uids) == set(before), "also the one whose name is in use again"
    assert [call for call, _ in notes.calls][-3:] == ["removed", "removed", "replace"]
    notes.wait(lambda: reflector.problem == "")
    assert asked(server).count("list") == 2


def test_a_list_that_expires_on_the_way_begins_anew(
    server: FakeKubernetesApi, connected: Connect, reflect: Reflect
) -> None:
    for number in range(4):
        server.put("pods", pod(f"pod-{number}"))
    api = connected(page_limit=2)
    really, compactions = api.get, iter([True, True, False])

    def get(path: str, parameters: dict[str, str]) -> bytes:
        if "continue" in parameters and next(compactions, False):
            server.put("pods", pod("pod-0", image=str(len(server.requests))))
            server.compact()
        return really(path, parameters)

    api.get = get  # type: ignore[method-assign]
    _, notes = reflect(api)
    settled(server, notes)
    assert asked(server) == ["list"] * 6 + ["watch"]
    assert [call for call, _ in notes.calls] == ["replace"]


def test_a_list_that_always_expires_is_asked_for_in_one_page(
    server: FakeKubernetesApi, connected: Connect, reflect: Reflect
) -> None:
    for number in range(4):
        server.put("pods", pod(f"pod-{number}"))
    api = connected(page_limit=2)
    really = api.get

    def get(path: str, parameters: dict[str, str]) -> bytes:
        if "continue" in parameters:
            server.put("pods", pod("pod-0", image=str(len(server.requests))))
            server.compact()
        return really(path, parameters)

    api.get = get  # type: ignore[method-assign]
    _, notes = reflect(api)
    settled(server, notes)
    lists = [request.parameters for request in server.requests if "watch" not in request.parameters]
    assert lists[-1] == {} and len(lists) == 2 * reflecting.EXPIRED_LISTS_MAX + 1


@pytest.mark.parametrize(
    "line",
    [
        b"{\n",
        b"[]\n",
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        b'{"type":"NEWS","object":{}}\n',
        b'{"type":"ADDED"}\n',
        b'{"type":"ADDED","object":{}}\n',
        b'{"type":"ADDED","object":{"metadata":{"resourceVersion":"9"}}}\n',
        b'{"type":"ADDED","object":{"metadata":{"uid":"a","resourceVersion":9},"spec":{}}}\n',
        b'{"type":"BOOKMARK","object":{"metadata":{}}}\n',
        b'{"type":"ERROR","object":{}}\n',
        b'{"type":"ERROR","object":{"code":500,"message":"internal"}}\n',
        b'{"type":"MODIFIED","object":{"metadata":{"uid":"a","resourceVersion":"9"},"spec":null}}\n',
    ],
)
def test_what_makes_no_sense_is_a_fault_of_the_stream(
    server: FakeKubernetesApi, connected: Connect, reflect: Reflect, line: bytes
) -> None:
    server.put("pods", pod("a"))
    reflector, notes = reflect(connected())
    settled(server, notes)
    server.send_on_watches(line)
    notes.wait(lambda: asked(server).count("list") == 2)
    server.put("pods", pod("b"))
    settled(server, notes)
    notes.wait(lambda: reflector.problem == "")
    assert notes.removed_uids == []


def test_a_problem_is_told_with_its_beginning_until_it_is_over(
    server: FakeKubernetesApi, connected: Connect, reflect: Reflect
) -> None:
    server.allow([])
    reflector, notes = reflect(connected())
    notes.wait(lambda: len(server.requests) > 3)
    first = reflector.problem
    assert "our role lacks list on pods" in first and "(since 20" in first and not reflector.synced.is_set()
    server.allow([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}])
    notes.wait(lambda: "our role lacks watch on pods" in reflector.problem)
    refused = reflector.problem
    before = asked(server).count("list")
    while asked(server).count("list") < before + 3:
        # However often it is listed: without a watch it is not current, and has not been since.
        assert reflector.problem == refused
    server.allow([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}])
    server.put("pods", pod("a"))
    settled(server, notes)
    notes.wait(lambda: reflector.problem == "")


def test_retry_after_is_honoured(
    server: FakeKubernetesApi, connected: Connect, reflect: Reflect, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    server.fail_next(429, 1, retry_after_s=9)
    reflector = Reflector(connected(), PODS, parse, Notes())
    monkeypatch.setattr(reflector._over, "wait", lambda seconds: waits.append(seconds) or reflector._over.set())
    reflector._run()
    assert len(waits) == 1 and 9 <= waits[0] <= 9.05
    assert "asks for fewer requests (429)" in reflector.problem


def test_tries_are_spread_and_become_rarer(
    server: FakeKubernetesApi, connected: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest: list[float] = []
    server.stop()
    reflector = Reflector(connected(backoff_s_max=3), PODS, parse, Notes())
    monkeypatch.setattr(reflecting.random, "uniform", lambda low, high: longest.append(high) or low)
    monkeypatch.setattr(reflector._over, "wait", lambda _: len(longest) == 6 and reflector._over.set())
    reflector._run()
    assert longest == [0.5, 1, 2, 3, 3, 3]


def test_watches_that_stay_silent_make_it_list_anew(
    server: FakeKubernetesApi, connected: Connect, reflect: Reflect
) -> None:
    _, notes = reflect(connected(idle_s=0.01))
    notes.wait(lambda: asked(server).count("list") == 2)
    order = asked(server)
    assert order[: order.index("list", 1)] == ["list", *["watch"] * reflecting.SILENT_WATCHES_MAX]


def test_a_bug_in_a_sink_does_not_blind_for_ever(
    server: FakeKubernetesApi, connected: Connect, reflect: Reflect
) -> None:
    reflector, notes = reflect(connected())
    settled(server, notes)
    really, failures = notes.changed, iter([True])

    def changed(value: tuple[str, str]) -> None:
        if next(failures, False):
            raise KeyError("s3cret")
        really(value)

    notes.changed = changed  # type: ignore[method-assign]
    problems: set[str] = set()
    server.put("pods", pod("a"))
    notes.wait(lambda: problems.add(reflector.problem) or notes.present == uids(server))  # type: ignore[func-returns-value]
    assert notes.calls[-1][0] == "replace"
    assert "s3cret" not in "".join(problems)


def test_objects_of_no_interest_are_left_out(server: FakeKubernetesApi, connected: Connect, reflect: Reflect) -> None:
    def only_kept(document: dict[str, Any]) -> tuple[str, str] | None:
        return parse(document) if document["spec"].get("image") == "kept" else None

    server.put("pods", pod("a", image="kept"))
    server.put("pods", pod("b"))
    first = server.objects("pods")[0]["metadata"]["uid"]
    _, notes = reflect(connected(), parse=only_kept)
    notes.wait(lambda: set(notes.present) == {first} and server.watching("pods") == 1)
    server.put("pods", pod("a", image="other"))
    notes.wait(lambda: notes.removed_uids == [first])
    server.put("pods", pod("a", image="kept"))
    notes.wait(lambda: set(notes.present) == {first})


def test_too_many_objects_are_a_problem(server: FakeKubernetesApi, connected: Connect, reflect: Reflect) -> None:
    for number in range(3):
        server.put("pods", pod(f"pod-{number}"))
    reflector, notes = reflect(connected(objects_max=2))
    notes.wait(lambda: "has more than objects_max 2 objects" in reflector.problem)
    assert notes.calls == []


def test_a_kind_that_is_not_installed_is_told_and_found_once_it_is(
    server: FakeKubernetesApi, connected: Connect, reflect: Reflect
) -> None:
    server.absent_groups = {"monitoring.coreos.com"}
    reflector, notes = reflect(connected(), "/apis/monitoring.coreos.com/v1/podmonitors")
    notes.wait(lambda: "status 404" in reflector.problem)
    server.absent_groups = set()
    server.put("podmonitors.monitoring.coreos.com", {**pod("web"), "kind": "PodMonitor"})
    notes.wait(lambda: len(notes.present) == 1)


def test_it_ends_when_it_is_told_to(server: FakeKubernetesApi, connected: Connect, reflect: Reflect) -> None:
    reflector, notes = reflect(connected())
    settled(server, notes)
    reflector.stop()
    assert reflector.join()
    notes.wait(lambda: server.watching("pods") == 0)
    server.put("pods", pod("a"))
    assert notes.present == {}


def test_it_ends_while_it_waits_for_the_next_try(
    server: FakeKubernetesApi, connected: Connect, reflect: Reflect
) -> None:
    server.fail_next(429, 1, retry_after_s=100)
    reflector, notes = reflect(connected())
    notes.wait(lambda: "429" in reflector.problem)
    reflector.stop()
    assert reflector.join()


def test_it_ends_before_it_began(connected: Connect) -> None:
    reflector = Reflector(connected(), PODS, parse, Notes())
    reflector.stop()
    assert reflector.join()
