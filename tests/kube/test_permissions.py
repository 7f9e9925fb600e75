"""What the agent's service account may do on a real API server: all that it needs, and nothing else, least of all a write."""

from __future__ import annotations

import json
import shlex
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import httpx
import pytest
import yaml

from tests.helm.charts import Manifest, ci, of_kind
from tests.kube.assets import needs_control_plane
from tests.kube.controlplane import ControlPlane
from tests.kube.releases import Release, installed, namespace

pytestmark = needs_control_plane

VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
#: What discovery does not list: verbs and subresources by which one becomes somebody else, or reaches a node.
BESIDE = [
    ("", "users", "impersonate"),
    ("", "groups", "impersonate"),
    ("", "serviceaccounts", "impersonate"),
    ("rbac.authorization.k8s.io", "clusterroles", "escalate"),
    ("rbac.authorization.k8s.io", "clusterroles", "bind"),
    ("certificates.k8s.io", "signers", "approve"),
    *(("", f"nodes/{each}", verb) for each in ("proxy", "log", "stats", "metrics", "spec", "configz", "pods", "checkpoint") for verb in VERBS),
]  # fmt: skip


@pytest.fixture(scope="module")
def release(plane: ControlPlane) -> Iterator[Release]:
    with installed(plane, "agent", ci("agent", "kubernetes"), "reader") as running:
        yield running


@pytest.fixture(scope="module")
def account(release: Release) -> str:
    return next(each["metadata"]["name"] for each in of_kind(release.objects(), "ServiceAccount"))


@pytest.fixture(scope="module")
def agent(plane: ControlPlane, release: Release, account: str) -> Iterator[httpx.Client]:
    """Speaks for the service account, with a token that the API server made."""
    with speaking(plane, release.namespace, account) as client:
        yield client


@contextmanager
def speaking(plane: ControlPlane, where: str, account: str) -> Iterator[httpx.Client]:
    config = yaml.safe_load(plane.account(where, account).read_text())
    token = Path(config["users"][0]["user"]["tokenFile"]).read_text()
    context = ssl.create_default_context(cafile=str(plane.api.authority.file))
    with httpx.Client(
        base_url=plane.api.url, verify=context, headers={"Authorization": f"Bearer {token}"}, timeout=30
    ) as client:
        yield client


def resources(plane: ControlPlane) -> Iterator[tuple[str, str]]:
    """Every (group, resource or subresource) that the server serves."""
    with plane.api.client() as client:
        groups = client.get("/apis").json()["groups"]
        served = [("", "/api/v1"), *((each["name"], f"/apis/{each['preferredVersion']['groupVersion']}") for each in groups)]  # fmt: skip
        for group, path in served:
            for each in client.get(path).json()["resources"]:
                yield group, each["name"]


def may(agent: httpx.Client, group: str, resource: str, verb: str) -> bool:
    name, _, subresource = resource.partition("/")
    attributes = {"group": group, "resource": name, "subresource": subresource, "verb": verb}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}}  # fmt: skip
    answer = agent.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", json=review)
    assert answer.status_code == 201, answer.text
    return bool(answer.json()["status"]["allowed"])


def test_it_may_do_what_the_collectors_declare_and_nothing_else(plane: ControlPlane, agent: httpx.Client) -> None:
    declared = json.loads((Path(__file__).parents[2] / "helm/agent/files/permissions.json").read_text())["kubernetes"]
    rules = [*declared["always"], *declared["usage"]["summary"], *declared["file_io"]]
    expected = {(rule["group"], rule["resource"], verb) for rule in rules for verb in rule["verbs"]}
    asked = {(group, name, verb) for (group, name), verb in product(resources(plane), VERBS)} | set(BESIDE)
    assert len(asked) > 600
    plane.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody", "namespace": "default"}})
    with speaking(plane, "default", "nobody") as nobody:
        # Whoever is logged in may ask about itself, and every service account may read the authorities of the cluster.
        given = {each for each in asked if may(nobody, *each)}
    assert len(given) < 10
    assert {each for each in asked if may(agent, *each)} - given == expected


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v1/namespaces/default/pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}),
        ("POST", "/api/v1/namespaces/reader/serviceaccounts/{account}/token", {"kind": "TokenRequest"}),
        ("POST", "/api/v1/namespaces/default/events", {"apiVersion": "v1", "kind": "Event"}),
        ("DELETE", "/api/v1/namespaces/default", None),
        ("PATCH", "/api/v1/namespaces/default", {"metadata": {"labels": {"tenant": "me"}}}),
        (
            "PATCH",
            "/apis/apps/v1/namespaces/reader/deployments/reader-meterbook-agent/scale",
            {"spec": {"replicas": 0}},
        ),
        ("PUT", "/apis/rbac.authorization.k8s.io/v1/clusterroles/cluster-admin", {}),
        ("GET", "/api/v1/namespaces/reader/secrets", None),
        ("GET", "/api/v1/namespaces/kube-system/configmaps", None),
        ("GET", "/api/v1/nodes/any/proxy/metrics", None),
        ("GET", "/metrics", None),
        ("GET", "/logs", None),
    ],
)
def test_what_it_tries_beyond_that_is_forbidden(
    agent: httpx.Client, account: str, method: str, path: str, body: Manifest | None
) -> None:
    answer = agent.request(
        method,
        path.format(account=account),
        content=json.dumps(body) if body is not None else None,
        headers={"Content-Type": "application/merge-patch+json" if method == "PATCH" else "application/json"},
    )
    assert answer.status_code == 403 and "forbidden" in answer.text, answer.text


#: Values, and what is set beside them: what the notes offer to try follows from them.
NOTED = {
    "noted": ("kubernetes", ""),
    "metrics": ("kubernetes", 'config.sources=[{"kind": "kubernetes", "cluster": "x", "usage": "resource"}]'),
    "extra": ("kubernetes", 'rbac.extraRules=[{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]'),
    "spaces": ("namespaces", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", NOTED)
def test_the_commands_of_the_notes_say_what_the_notes_say(plane: ControlPlane, name: str) -> None:
    values, setting = NOTED[name]
    for each in ("shop", "checkout"):
        namespace(plane, each)
    more = ["--set-json", setting] if setting else []
    with installed(plane, "agent", ci("agent", values), name, more=more) as release:
        notes = release.notes()
        listing = [shlex.split(line)[1:] for line in notes.splitlines() if "auth can-i --list" in line]
        listed = [plane.kubectl(*each).stdout for each in listing]
        tried = answers(plane, notes)
    assert tried["no"] >= 11 and tried["yes"] >= 2
    # Each Role is listed where it is, with what the sources read.
    assert len(listed) == (2 if values == "namespaces" else 1)
    assert all("pods" in each for each in listed) and any(
        "endpointslices" in each or "nodes" in each for each in listed
    )


def answers(plane: ControlPlane, notes: str) -> dict[str, int]:
    """How many of the questions in notes the server answers as the notes say; the test fails at one that it answers otherwise."""
    expected, tried = "", {"no": 0, "yes": 0}
    for line in notes.splitlines():
        if "(each answers " in line:
            expected = line.partition("(each answers ")[2].partition(")")[0]
        elif expected and line.strip().startswith("kubectl auth can-i"):
            done = plane.kubectl(*shlex.split(line)[1:])
            assert done.stdout.strip() == expected, (line, done.stderr)
            tried[expected] += 1
        elif not line.strip():
            expected = ""
    return tried
