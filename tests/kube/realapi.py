"""A real API server as the other side of a simulated cluster: a world's objects are written into it, and its kubelets ask it who may read them.

Objects are written as their makers write them: nodes, pods and namespaces with POST, what kubelets tell of them with a patch of ``status``.
The server gives UIDs and times of creation, and the world takes the UIDs over. A kubelet asks with TokenReview and
SubjectAccessReview, as "Kubelet authentication/authorization" says. While the server is down, both wait for it.
"""

from __future__ import annotations

import copy
import time
from contextlib import suppress
from typing import Any

import httpx

from tests.fakes.certificates import Authority
from tests.fakes.cluster.kubelet import Known
from tests.fakes.cluster.world import World
from tests.fakes.kubernetes_storage import resource
from tests.kube.controlplane import ApiServer

Json = dict[str, Any]

_GIVEN = ("uid", "creationTimestamp", "resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds")
_PATIENCE_S = 60.0


class RealApi:
    """What :class:`tests.fakes.cluster.sync.Sync` and the kubelets need of an API server."""

    def __init__(self, server: ApiServer, world: World) -> None:
        self.authority: Authority = server.authority
        self.access: Known = self
        self._client = server.client()
        self._world = world
        self._known: set[str] = set()

    def close(self) -> None:
        """Let go of its connections."""
        self._client.close()

    def put(self, resource_name: str, object: Json) -> None:
        """Create an object, or have its labels and its status be as given."""
        kind, given = resource(resource_name), copy.deepcopy(object)
        given |= {"apiVersion": kind.api_version, "kind": kind.kind}
        for name in _GIVEN:
            given["metadata"].pop(name, None)
        status = given.pop("status", None)
        path, name = self._path(resource_name, given["metadata"].get("namespace")), given["metadata"]["name"]
        if f"{path}/{name}" not in self._known:
            made = self._ask("POST", path, given)
            self._known.add(f"{path}/{name}")
            self._take_over(resource_name, made["metadata"])
        else:
            kept = {key: given["metadata"].get(key, {}) for key in ("labels", "annotations")}
            self._ask("PATCH", f"{path}/{name}", {"metadata": kept})
        if status is not None and resource_name != "namespaces":
            self._ask("PATCH", f"{path}/{name}/status", {"status": status})

    def delete(self, resource_name: str, namespace: str | None, name: str) -> None:
        """The object is gone, at once."""
        path = self._path(resource_name, namespace)
        self._ask("DELETE", f"{path}/{name}?gracePeriodSeconds=0", None)
        self._known.discard(f"{path}/{name}")

    def knows(self, token: str) -> bool:
        """Whether a token is anybody's."""
        return bool(self._reviewed(token).get("authenticated"))

    def authorized(self, token: str, verb: str, group: str, full_resource: str) -> bool:
        """Whether whoever has the token may do that to nodes."""
        user = self._reviewed(token)["user"]
        name, _, subresource = full_resource.partition("/")
        attributes = {"verb": verb, "group": group, "resource": name, "subresource": subresource}
        spec = {
            "user": user["username"],
            "uid": user["uid"],
            "groups": user["groups"],
            "resourceAttributes": attributes,
        }
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        with suppress(httpx.TransportError):
            self._ready(time.monotonic() + _PATIENCE_S)
        answer = self._ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    def _reviewed(self, token: str) -> Json:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        found: Json = self._ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)["status"]
        return found

    def _path(self, resource_name: str, namespace: str | None) -> str:
        kind = resource(resource_name)
        root = f"/apis/{kind.api_version}" if "/" in kind.api_version else f"/api/{kind.api_version}"
        return f"{root}/namespaces/{namespace}/{kind.plural}" if namespace else f"{root}/{kind.plural}"

    def _take_over(self, resource_name: str, made: Json) -> None:
        things: dict[str, list[Any]] = {
            "pods": self._world.pods,
            "nodes": list(self._world.nodes.values()),
            "namespaces": self._world.namespaces,
        }
        for thing in things.get(resource_name, ()):
            if thing.name == made["name"] and getattr(thing, "namespace", None) == made.get("namespace"):
                thing.uid = made["uid"]

    def _ready(self, give_up_s: float) -> None:
        """Wait until the server knows what it kept: before that it answers that nobody may do anything."""
        while self._client.get("/readyz").status_code != 200 and time.monotonic() < give_up_s:
            time.sleep(0.05)

    def _ask(self, method: str, path: str, body: Json | None) -> Json:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        give_up_s, broken = time.monotonic() + _PATIENCE_S, False
        while True:
            try:
                if broken:
                    self._ready(give_up_s)
                answer = self._client.request(method, path, json=body, headers={"Content-Type": kind})
            except httpx.TransportError:
                broken = True
                if time.monotonic() > give_up_s:
                    raise
            else:
                if broken and answer.status_code == 409 and method == "POST" and body is not None:
                    # The server was killed after it had kept the object and before it could say so.
                    return self._ask("GET", f"{path}/{body['metadata']['name']}", None)
                # While it starts, the server knows nobody's roles yet.
                if answer.status_code not in (403, 429, 500, 503) or time.monotonic() > give_up_s:
                    assert answer.is_success, f"{method} {path}: {answer.text}"
                    found: Json = answer.json()
                    return found
            time.sleep(0.05)
