"""Whatever happens in whatever order: in the end the sink knows what the server knows, and was told what vanished."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.cluster.client import connect
from collector.cluster.config import ClusterConfig
from collector.cluster.reflector import Reflector
from collector.cluster.roles import cluster_role
from tests.collector.cluster.conftest import PERMISSIONS, PODS, Notes, parse, pod
from tests.fakes.kubernetes_api import FakeKubernetesApi

NAMES = st.sampled_from("abcdef")
ACTS = st.one_of(
    st.tuples(st.just("put"), NAMES, st.sampled_from("xyz")),
    st.tuples(st.just("put"), NAMES, st.sampled_from("xyz")),
    st.tuples(st.just("delete"), NAMES),
    st.tuples(st.just("recreate"), NAMES),
    st.tuples(st.just("elsewhere")),
    st.tuples(st.just("drop")),
    st.tuples(st.just("end")),
    st.tuples(st.just("compact")),
    st.tuples(st.just("garble"), st.sampled_from([b"{\n", b'{"type":"ERROR","object":{"code":410}}\n'])),
    st.tuples(st.just("fail"), st.sampled_from([0, 401, 410, 429, 500, 503])),
    st.tuples(st.just("rotate")),
    st.tuples(st.just("settle")),
)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeKubernetesApi]:
    with FakeKubernetesApi(tmp_path_factory.mktemp("api")) as running:
        running.allow(cluster_role("agent", PERMISSIONS)["rules"])
        yield running


def settled(server: FakeKubernetesApi, notes: Notes) -> None:
    there = dict(parse(found) for found in server.objects("pods"))
    notes.wait(lambda: notes.present == there and server.watching("pods") == 1)


def play(server: FakeKubernetesApi, notes: Notes, act: tuple[str, ...]) -> None:
    match act:
        case "put", name, image:
            server.put("pods", pod(name, image=image))
        case ("delete" | "recreate") as kind, name:
            known = {found["metadata"]["name"] for found in server.objects("pods")}
            if name in known:
                server.delete("pods", "shop", name)
            if kind == "recreate":
                server.put("pods", pod(name))
        case ("elsewhere",):
            server.put("nodes", {"metadata": {"name": f"node-{server.storage.revision}"}})
        case ("drop",):
            server.drop_watches()
        case ("end",):
            server.end_watches()
        case ("compact",):
            server.compact()
        case "garble", line:
            server.send_on_watches(line)  # type: ignore[arg-type]
        case "fail", status:
            server.fail_next(int(status), 1)
        case ("rotate",):
            server.rotate_token()
        case ("settle",):
            settled(server, notes)


@settings(max_examples=60)
@given(acts=st.lists(ACTS, max_size=25), by_status=st.booleans(), bookmarks=st.booleans(), splits=st.booleans())
def test_in_the_end_the_sink_knows_what_the_server_knows(
    lasting: FakeKubernetesApi, acts: list[tuple[str, ...]], by_status: bool, bookmarks: bool, splits: bool
) -> None:
    server = lasting
    for found in server.objects("pods"):
        server.delete("pods", "shop", found["metadata"]["name"])
    server.expires_by_status, server.splits_lines = by_status, splits
    server.bookmark_interval_s = 0.01 if bookmarks else 60
    api = connect(ClusterConfig(kubeconfig=server.kubeconfig, page_limit=2, backoff_s_max=0.01), PERMISSIONS)
    notes = Notes()
    reflector = Reflector(api, PODS, parse, notes)
    reflector.start()
    try:
        for act in acts:
            play(server, notes, act)
        settled(server, notes)
    finally:
        reflector.stop()
        reflector.join()
        api.close()
        notes.wait(lambda: server.watching("pods") == 0)
        while server.failure() is not None:
            pass
    check(notes)


def check(notes: Notes) -> None:
    """Every object that was there and is not any more was told as removed, once."""
    there: set[str] = set()
    for call, told in notes.calls:
        match call:
            case "changed":
                there.add(told[0])
            case "removed":
                there.discard(told[0])
            case _:
                listed = {uid for uid, _ in told}
                assert there <= listed, "what vanished was not told"
                there = listed
    assert there == set(notes.present)
    assert len(set(notes.removed_uids)) == len(notes.removed_uids), "told twice"
