"""What a fake API server keeps: objects, the history of their changes, and who watches.

Follows "Kubernetes API Concepts" (sections "Resource versions", "Efficient detection of changes", "Watch bookmarks",
"Retrieving large results sets in chunks") and what ``k8s.io/apiserver`` makes of it: one revision counts the changes
of all resources, as etcd's does; a list is as of one revision, and its later pages are as of the same; the past can
be asked for until it is compacted.
"""

from __future__ import annotations

import base64
import bisect
import copy
import datetime
import json
import threading
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any

#: Changes kept per resource before the oldest are compacted, as the real watch cache does.
HISTORY_MAX = 50_000

_BUILT_IN = {
    "": (
        "v1",
        {
            "pods": "Pod",
            "nodes": "Node",
            "namespaces": "Namespace",
            "persistentvolumeclaims": "PersistentVolumeClaim",
            "persistentvolumes": "PersistentVolume",
            "services": "Service",
            "endpoints": "Endpoints",
        },
    ),
    "apps": (
        "v1",
        {
            "replicasets": "ReplicaSet",
            "deployments": "Deployment",
            "statefulsets": "StatefulSet",
            "daemonsets": "DaemonSet",
        },
    ),
    "batch": ("v1", {"jobs": "Job", "cronjobs": "CronJob"}),
    "discovery.k8s.io": ("v1", {"endpointslices": "EndpointSlice"}),
    "monitoring.coreos.com": ("v1", {"podmonitors": "PodMonitor", "servicemonitors": "ServiceMonitor"}),
}
_CLUSTER_WIDE = {"nodes", "namespaces", "persistentvolumes"}


@dataclass(frozen=True)
class Resource:
    """One kind of object: ``pods``, or ``replicasets.apps`` as kubectl writes it."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def namespaced(self) -> bool:
        return self.plural not in _CLUSTER_WIDE

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


RESOURCES = {
    (group, plural): Resource(group, version, plural, kind)
    for group, (version, kinds) in _BUILT_IN.items()
    for plural, kind in kinds.items()
}


def resource(text: str) -> Resource:
    """The resource of a name. Raises KeyError for one that the fake does not know."""
    plural, _, group = text.partition(".")
    return RESOURCES[(group, plural)]


class Refusal(Exception):
    """An answer other than 200: the fields of a Status object."""

    def __init__(self, code: int, reason: str, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.metadata = metadata

    def status(self) -> dict[str, Any]:
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }


Key = tuple[str, str]


@dataclass(frozen=True)
class _Change:
    revision: int
    line: bytes
    key: Key
    before: bytes | None


@dataclass
class _Collection:
    objects: dict[Key, bytes] = field(default_factory=dict)
    uids: dict[Key, str] = field(default_factory=dict)
    changes: list[_Change] = field(default_factory=list)
    compacted: int = 0
    streams: list[Stream] = field(default_factory=list)


class Stream:
    """The lines that one watch has yet to be sent."""

    def __init__(self, namespace: str | None) -> None:
        self.namespace = namespace
        self.lines: deque[bytes] = deque()
        self.over = False


def _dump(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def event(kind: str, body: bytes) -> bytes:
    """One line of a watch."""
    return b'{"type":"%s","object":%s}\n' % (kind.encode(), body)


class Storage:
    """All objects; every method may be called from any thread."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.revision = 1_000
        self._collections: dict[Resource, _Collection] = {found: _Collection() for found in RESOURCES.values()}

    def put(self, kind: Resource, given: dict[str, Any]) -> None:
        """Create or replace; what changes nothing is no change, and another UID is another object."""
        metadata = copy.copy(given["metadata"])
        metadata.pop("resourceVersion", None)
        key = (metadata.get("namespace") or "", metadata["name"])
        if bool(key[0]) != kind.namespaced:
            raise ValueError(f"{kind.plural} {key[1]}: namespace {key[0]!r} does not fit")
        with self.changed:
            held = self._collections[kind]
            metadata.setdefault("uid", held.uids.get(key) or str(uuid.uuid4()))
            before = held.objects.get(key)
            if before is not None and held.uids[key] != metadata["uid"]:
                self.delete(kind, key)
                before = None
            old = json.loads(before)["metadata"] if before is not None else {}
            now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            metadata.setdefault("creationTimestamp", old.get("creationTimestamp", now))
            rest = {name: value for name, value in given.items() if name not in ("kind", "apiVersion", "metadata")}
            document = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata, **rest}
            metadata["resourceVersion"] = old.get("resourceVersion", "")
            if before is not None and json.loads(_dump(document)) == json.loads(before):
                return
            self.revision += 1
            metadata["resourceVersion"] = str(self.revision)
            held.objects[key] = body = _dump(document)
            held.uids[key] = metadata["uid"]
            self._record(held, key, event("ADDED" if before is None else "MODIFIED", body), before)

    def delete(self, kind: Resource, key: Key) -> None:
        """Remove an object. Raises KeyError where there is none."""
        with self.changed:
            held = self._collections[kind]
            before = held.objects.pop(key)
            del held.uids[key]
            last = json.loads(before)
            self.revision += 1
            last["metadata"]["resourceVersion"] = str(self.revision)
            self._record(held, key, event("DELETED", _dump(last)), before)

    def _record(self, held: _Collection, key: Key, line: bytes, before: bytes | None) -> None:
        held.changes.append(_Change(self.revision, line, key, before))
        if len(held.changes) > HISTORY_MAX:
            dropped = len(held.changes) - HISTORY_MAX // 2
            held.compacted = held.changes[dropped - 1].revision
            del held.changes[:dropped]
        for stream in held.streams:
            if stream.namespace in (None, key[0]):
                stream.lines.append(line)
        self.changed.notify_all()

    def compact(self) -> None:
        """Forget the past: continue tokens and resource versions from before now have expired."""
        with self.changed:
            for held in self._collections.values():
                held.changes.clear()
                held.compacted = self.revision

    def objects(self, kind: Resource) -> list[dict[str, Any]]:
        """The objects as they are now, in the order of a list."""
        with self.changed:
            return [json.loads(body) for _, body in sorted(self._collections[kind].objects.items())]

    def get(self, kind: Resource, key: Key) -> bytes | None:
        with self.changed:
            return self._collections[kind].objects.get(key)

    def page(self, kind: Resource, namespace: str | None, parameters: dict[str, str]) -> bytes:
        """One page of a list. Raises Refusal."""
        limit, token = int(parameters.get("limit") or 0), parameters.get("continue", "")
        version, match = parameters.get("resourceVersion", ""), parameters.get("resourceVersionMatch", "")
        with self.changed:
            revision, start = self._start(version, match, token)
            if revision < self._collections[kind].compacted:
                raise (
                    _expired_page(start)
                    if token
                    else Refusal(410, "Expired", f"The resourceVersion for the provided list is too old: {revision}")
                )
            held = self._objects_at(kind, revision)
            keys = sorted(key for key in held if namespace in (None, key[0]))
        # A list at "any" version comes from the cache, which knows no pages.
        limit = 0 if version == "0" and not match else limit
        keys = keys[bisect.bisect_right(keys, start) :]
        shown = keys[:limit] if limit else keys
        metadata: dict[str, Any] = {"resourceVersion": str(revision)}
        if len(shown) < len(keys):
            metadata |= {"continue": _token(revision, shown[-1]), "remainingItemCount": len(keys) - len(shown)}
        head = {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata, "items": []}
        # The real server gives the items of its own kinds without kind and apiVersion, those of CRDs with them.
        own = kind.group != "monitoring.coreos.com"
        cut = len(_dump({"kind": kind.kind, "apiVersion": kind.api_version})) if own else 1
        items = b",".join(b"{" + held[key][cut:] for key in shown)
        return _dump(head)[:-2] + items + b"]}"

    def _start(self, version: str, match: str, token: str) -> tuple[int, Key]:
        """The revision of a list, and the key after which it goes on."""
        if token:
            if version:
                raise Refusal(400, "BadRequest", "specifying resource version is not allowed when using continue")
            try:
                document = json.loads(base64.b64decode(token, validate=True))
                key: Key = (document["start"][0], document["start"][1])
                return document["rv"] if document["rv"] >= 0 else self.revision, key
            except (ValueError, KeyError, TypeError) as error:
                raise Refusal(400, "BadRequest", f"continue key is not valid: {error}") from None
        if version and not version.isdigit():
            raise Refusal(400, "BadRequest", f"Invalid value: {version!r}: resourceVersion is not a number")
        if match not in ("", "Exact", "NotOlderThan") or (match and not version):
            raise Refusal(422, "Invalid", f"resourceVersionMatch is forbidden: {match!r}")
        if int(version or 0) > self.revision:
            raise Refusal(504, "Timeout", f"Too large resource version: {version}, current: {self.revision}")
        return (int(version) if match == "Exact" else self.revision), ("", "")

    def _objects_at(self, kind: Resource, revision: int) -> dict[Key, bytes]:
        held = self._collections[kind]
        objects = dict(held.objects)
        for change in reversed(held.changes):
            if change.revision <= revision:
                break
            if change.before is None:
                objects.pop(change.key, None)
            else:
                objects[change.key] = change.before
        return objects

    def watch(self, kind: Resource, namespace: str | None, version: str) -> Stream:
        """A stream of what changes from a resource version on. Raises Refusal where that has expired."""
        if version and not version.isdigit():
            raise Refusal(400, "BadRequest", f"Invalid value: {version!r}: resourceVersion is not a number")
        stream = Stream(namespace)
        with self.changed:
            held = self._collections[kind]
            if int(version or 0) == 0:
                present = sorted(held.objects.items())
                stream.lines.extend(event("ADDED", body) for key, body in present if namespace in (None, key[0]))
            elif int(version) < held.compacted:
                raise Refusal(410, "Expired", f"too old resource version: {version} ({held.compacted})")
            else:
                first = bisect.bisect_right(held.changes, int(version), key=lambda change: change.revision)
                since = held.changes[first:]
                stream.lines.extend(change.line for change in since if namespace in (None, change.key[0]))
            held.streams.append(stream)
        return stream

    def streams(self, kind: Resource) -> int:
        """How many watches are open."""
        with self.changed:
            return len(self._collections[kind].streams)

    def unwatch(self, kind: Resource, stream: Stream) -> None:
        with self.changed:
            self._collections[kind].streams.remove(stream)


def _token(revision: int, key: Key) -> str:
    return base64.b64encode(_dump({"v": "meta.k8s.io/v1", "rv": revision, "start": list(key)})).decode()


def _expired_page(start: Key) -> Refusal:
    return Refusal(
        410,
        "Expired",
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
        "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
        "modified, or deleted between the time the first chunk was returned and now may show up in the list.",
        **{"continue": _token(-1, start)},
    )
