"""The client against a server: what is asked, what is refused, and that every request ends."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from collector.cluster.client import KubernetesApi
from collector.cluster.refusals import Expired, Forbidden, Garbled, Throttled
from collector.errors import PermanentError, SourceError, ThrottledError, TransientError, WriteRefused
from tests.collector.cluster.conftest import PODS, Connect, pod
from tests.fakes.http_target import FakeTarget, chunked, fake_target, page
from tests.fakes.kubernetes_api import FakeKubernetesApi


def test_one_object_and_a_list(server: FakeKubernetesApi, connected: Connect) -> None:
    server.put("pods", pod("a"))
    api = connected()
    assert json.loads(api.get("/api/v1/namespaces/shop/pods/a"))["metadata"]["name"] == "a"
    assert [found["metadata"]["name"] for found in json.loads(api.get(PODS, {"limit": "1"}))["items"]] == ["a"]
    assert server.requests[-1].parameters == {"limit": "1"}
    assert server.requests[-1].user_agent == "meterbook-agent"


def test_many_threads_ask_at_once(server: FakeKubernetesApi, connected: Connect) -> None:
    api = connected()
    watches = [api.watch(PODS, {}) for _ in range(25)]
    assert json.loads(api.get(PODS))["items"] == [], "watches take no connection away"
    for watch in watches:
        with watch:
            watch.close()
            assert list(watch) == []


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/secrets",
        "/api/v1/nodes/a/proxy/stats/summary",
        "/api/v1/pods/../secrets",
        "/api/v1/pods%2f..%2fsecrets",
        "/api/v1//pods",
        "/version",
        "@elsewhere.example/api/v1/pods",
        ":pass@elsewhere.example/api/v1/pods",
        ".elsewhere.example/api/v1/pods",
        "/api/v1/pods#/../../..",
        "/api/v1/pods?watch=true&watch=false",
    ],
)
def test_what_was_not_declared_is_never_sent(server: FakeKubernetesApi, connected: Connect, path: str) -> None:
    with pytest.raises((WriteRefused, httpx.InvalidURL)):
        connected().get(path)
    assert server.requests == []


def test_only_get_leaves_the_client(server: FakeKubernetesApi, connected: Connect) -> None:
    client = connected()._client
    for method in ("POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
        with pytest.raises(WriteRefused):
            client.request(method, server.address + PODS)
    with pytest.raises(WriteRefused, match="it has the header upgrade"):
        client.get(server.address + PODS, headers={"Connection": "Upgrade", "Upgrade": "websocket"})
    with pytest.raises(WriteRefused, match="was not declared"):
        client.get(server.address + "/api/v1/configmaps")
    assert server.requests == []


def test_a_refusal_by_rbac_names_the_permission_to_grant(server: FakeKubernetesApi, connected: Connect) -> None:
    server.allow([])
    api = connected()
    with pytest.raises(PermanentError, match=r'our role lacks list on pods \(apiGroups: \[""\]\): pods is forbidden'):
        api.get(PODS)
    with pytest.raises(PermanentError, match=r'our role lacks watch on replicasets.apps \(apiGroups: \["apps"\]\)'):
        api.watch("/apis/apps/v1/replicasets", {})


def test_what_is_not_installed(server: FakeKubernetesApi, connected: Connect) -> None:
    server.absent_groups = {"monitoring.coreos.com"}
    with pytest.raises(PermanentError, match="status 404, not 200: the server could not find"):
        connected().get("/apis/monitoring.coreos.com/v1/podmonitors")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, PermanentError),
        (403, Forbidden),
        (404, PermanentError),
        (410, Expired),
        (429, Throttled),
        (500, TransientError),
        (503, TransientError),
        (504, TransientError),
        (0, TransientError),
    ],
)
def test_statuses_become_errors(
    server: FakeKubernetesApi, connected: Connect, status: int, error: type[SourceError]
) -> None:
    server.fail_next(status, 1)
    api = connected()
    with pytest.raises(SourceError) as caught:
        api.get(PODS)
    assert type(caught.value) is error
    assert str(caught.value).startswith(f"{server.address}{PODS} ")
    api.get(PODS)


@pytest.mark.parametrize(("asked_s", "waits_s"), [(None, 0.0), (7, 7.0), (10_000, 120.0)])
def test_a_server_that_has_too_much_to_do_says_when_to_come_again(
    server: FakeKubernetesApi, connected: Connect, asked_s: int | None, waits_s: float
) -> None:
    server.fail_next(429, 1, retry_after_s=asked_s)
    with pytest.raises(ThrottledError) as caught:
        connected().get(PODS)
    assert isinstance(caught.value, Throttled) and caught.value.retry_after_s == waits_s


def test_an_answer_is_bounded(server: FakeKubernetesApi, connected: Connect) -> None:
    server.put("pods", pod("a", image="x" * 5_000))
    api = connected(answer_bytes_max=5_000)
    with pytest.raises(PermanentError, match="more than answer_bytes_max 5000 bytes"):
        api.get(PODS)
    assert connected(answer_bytes_max=6_000).get(PODS)


@pytest.fixture
def odd(target: FakeTarget, tmp_path: Path, connected: Connect) -> Callable[..., KubernetesApi]:
    """A client of a server that answers as it is told."""

    def make(prefix: str = "", **settings: float) -> KubernetesApi:
        file = tmp_path / "odd"
        file.write_text(
            json.dumps(
                {
                    "current-context": "odd",
                    "clusters": [{"name": "odd", "cluster": {"server": f"http://{target.address}{prefix}"}}],
                    "users": [{"name": "odd", "user": {"token": "s3cret"}}],
                    "contexts": [{"name": "odd", "context": {"cluster": "odd", "user": "odd"}}],
                }
            )
        )
        return connected(kubeconfig=file, **settings)

    return make


@pytest.mark.parametrize("way", ["hang", "drip", "drip_headers"])
def test_every_request_ends(odd: Callable[..., KubernetesApi], target: FakeTarget, way: str) -> None:
    target.answer = getattr(target, way)
    with pytest.raises(TransientError, match=r"did not answer completely within 0\.2 s"):
        odd(timeout_s=0.2).get(PODS)


def test_a_silent_watch_ends(odd: Callable[..., KubernetesApi], target: FakeTarget) -> None:
    def begin_and_say_nothing(handler: object) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")  # type: ignore[attr-defined]
        target.hang(handler)  # type: ignore[arg-type]

    target.answer = begin_and_say_nothing
    with odd(idle_s=0.2).watch(PODS, {}) as watch, pytest.raises(TransientError, match=r"said nothing for 0\.2 s"):
        list(watch)


def test_a_watch_outlives_the_deadline_of_a_request(odd: Callable[..., KubernetesApi], target: FakeTarget) -> None:
    goes_on = threading.Event()

    def lines(handler: object) -> None:
        write = handler.wfile.write  # type: ignore[attr-defined]
        write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n")
        goes_on.wait()
        write(b"4\r\ntwo\n\r\n0\r\n\r\n")

    target.answer = lines
    api = odd(timeout_s=0.2, idle_s=60)
    with api.watch(PODS, {}) as watch:
        read = iter(watch)
        assert next(read) == b"one"
        target.answer = target.hang
        with pytest.raises(TransientError, match="did not answer"):  # another request, until its deadline has passed
            api.get(PODS)
        goes_on.set()
        assert list(read) == [b"two"]


def test_events_are_lines_however_they_are_cut(odd: Callable[..., KubernetesApi], target: FakeTarget) -> None:
    def lines(handler: object) -> None:
        write = handler.wfile.write  # type: ignore[attr-defined]
        write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in (b"on", b"e\n\ntw", b"o\nthree\nfo", b"ur", b"\n"):
            write(b"%x\r\n%s\r\n" % (len(piece), piece))
        write(b"0\r\n\r\n")

    target.answer = lines
    with odd().watch(PODS, {}) as watch:
        assert list(watch) == [b"one", b"two", b"three", b"four"]


@pytest.mark.parametrize(
    ("body", "broken", "error", "reason"),
    [
        (b"x" * 2_000, False, Garbled, "more than line_bytes_max 1024 bytes"),
        (b'{"type"', False, Garbled, "ended in the middle of an event"),
        (b"one\n", True, TransientError, "broke off"),
    ],
)
def test_streams_that_make_no_sense(
    odd: Callable[..., KubernetesApi],
    target: FakeTarget,
    body: bytes,
    broken: bool,
    error: type[SourceError],
    reason: str,
) -> None:
    target.answer = chunked(body, broken=broken)
    with odd(line_bytes_max=1_024).watch(PODS, {}) as watch, pytest.raises(error, match=reason):
        list(watch)


def test_an_api_behind_a_path(odd: Callable[..., KubernetesApi], target: FakeTarget) -> None:
    target.answer = page(b"{}", "application/json")
    api = odd(prefix="/k8s/clusters/c-1")
    assert api.get(PODS) == b"{}"
    assert target.requests[0][1] == "/k8s/clusters/c-1/api/v1/pods"
    for path in ("/api/v1/secrets", "/../../../api/v1/pods", "/../c-2/api/v1/pods"):
        with pytest.raises(WriteRefused):
            api.get(path)
    assert len(target.requests) == 1


def test_redirects_are_not_followed(odd: Callable[..., KubernetesApi], target: FakeTarget) -> None:
    with fake_target() as elsewhere:

        def redirect(handler: object) -> None:
            head = f"HTTP/1.1 302 Found\r\nLocation: http://{elsewhere.address}/\r\nContent-Length: 0\r\n\r\n"
            handler.wfile.write(head.encode())  # type: ignore[attr-defined]

        target.answer = redirect
        with pytest.raises(PermanentError, match="redirects are not followed") as caught:
            odd().get(PODS)
        assert elsewhere.requests == []
    assert "s3cret" not in str(caught.value)


def test_a_page_in_place_of_a_status_is_not_repeated(odd: Callable[..., KubernetesApi], target: FakeTarget) -> None:
    target.answer = page(b"<html>s3cret", "text/html", status=502)
    with pytest.raises(TransientError, match=r"status 502$"):
        odd().get(PODS)


def test_a_watch_is_closed_from_another_thread(server: FakeKubernetesApi, connected: Connect) -> None:
    server.put("pods", pod("a"))
    reading, lines = threading.Event(), []
    with connected().watch(PODS, {"resourceVersion": "0"}) as watch:

        def read() -> None:
            for line in watch:
                lines.append(line)
                reading.set()

        reader = threading.Thread(target=read)
        reader.start()
        reading.wait()
        watch.close()
        watch.close()
        reader.join()
    assert len(lines) == 1
