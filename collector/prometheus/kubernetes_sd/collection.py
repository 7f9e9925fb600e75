"""One collection of the API, always nearly current, as values by namespace and name.

The version of a collection grows only when a value is another than before: a pod whose heartbeat is new is the same pod to us, and a
list that was taken anew changes nothing by itself. So whoever derives something looks at the version first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from collector.cluster.client import KubernetesApi, connect
from collector.cluster.config import ClusterConfig
from collector.cluster.permissions import Permission
from collector.cluster.reflector import Reflector


class Keyed(Protocol):
    """An object of the API as a value; two of one key are never there at a time, those of different ``uid`` are different."""

    @property
    def uid(self) -> str:
        """The object's UID."""

    @property
    def key(self) -> str:
        """Namespace and name."""


T = TypeVar("T", bound=Keyed)


@dataclass(frozen=True)
class Kind(Generic[T]):
    """What is listed and watched: a resource of one version of a group, and how its objects become values."""

    permission: Permission
    version: str
    parse: Callable[[dict[str, Any]], T | None]

    def path(self, namespace: str = "") -> str:
        """Path of the collection, in one namespace or in all."""
        group = self.permission.group
        root = f"/apis/{group}/{self.version}" if group else f"/api/{self.version}"
        return (
            f"{root}/namespaces/{namespace}/{self.permission.resource}"
            if namespace
            else f"{root}/{self.permission.resource}"
        )


class Collection(Generic[T]):
    """The objects of one kind, in some namespaces or in all. Safe for threads."""

    def __init__(self, api: KubernetesApi, kind: Kind[T], namespaces: Sequence[str] = ()) -> None:
        """Begins to list and watch at once."""
        self._kind = kind
        paths = [kind.path(namespace) for namespace in dict.fromkeys(namespaces)] or [kind.path()]
        self._shelves: list[_Shelf[T]] = [_Shelf() for _ in paths]
        self._reflectors = [
            Reflector(api, path, kind.parse, shelf) for path, shelf in zip(paths, self._shelves, strict=True)
        ]
        for reflector in self._reflectors:
            reflector.start()

    @property
    def version(self) -> int:
        """Another number whenever something has changed."""
        return sum(shelf.version for shelf in self._shelves)

    @property
    def is_listed(self) -> bool:
        """Whether all objects have been listed once: before that, one that is not known may well be there."""
        return all(reflector.synced.is_set() for reflector in self._reflectors)

    @property
    def trouble(self) -> str:
        """Why the collection cannot be listed and watched just now; empty when it can."""
        return "; ".join(filter(None, (reflector.problem for reflector in self._reflectors)))

    @property
    def problem(self) -> str:
        """Why what is known may not be current; empty when it is."""
        return self.trouble or ("" if self.is_listed else f"{self._kind.permission.resource} have not been listed yet")

    def all(self) -> dict[str, T]:
        """The objects as they are now, by namespace and name."""
        found: dict[str, T] = {}
        for shelf in self._shelves:
            found |= shelf.copy()
        return found

    def stop(self) -> None:
        """Ask for the end; ``join`` waits for it."""
        for reflector in self._reflectors:
            reflector.stop()

    def join(self) -> None:
        """Wait for the end."""
        for reflector in self._reflectors:
            reflector.join()


class Watching:
    """The collections of one cluster that somebody watches."""

    def __init__(
        self, config: ClusterConfig, permissions: Iterable[Permission], namespaces: Sequence[str] = ()
    ) -> None:
        """Raises PermanentError where the cluster cannot be reached at all as configured. Nothing is read yet."""
        self._api = connect(config, permissions)
        self._namespaces = namespaces
        self._collections: list[Collection[Any]] = []

    def collection(self, kind: Kind[T]) -> Collection[T]:
        """The objects of a kind, in the namespaces that there are for us; watched from now on."""
        made = Collection(self._api, kind, self._namespaces)
        self._collections.append(made)
        return made

    @property
    def trouble(self) -> str:
        """Why something of the cluster cannot be listed and watched just now; empty when all can."""
        return "; ".join(filter(None, (each.trouble for each in self._collections)))

    @property
    def problem(self) -> str:
        """Why what is known of the cluster may not be current; empty when it is."""
        return "; ".join(filter(None, (each.problem for each in self._collections)))

    def close(self) -> None:
        """Let go of the cluster; safe to call twice."""
        for each in self._collections:
            each.stop()
        for each in self._collections:
            each.join()
        self._collections = []
        self._api.close()


class _Shelf(Generic[T]):
    """What one reflector tells."""

    def __init__(self) -> None:
        self.version = 0
        self._objects: dict[str, T] = {}
        self._lock = threading.Lock()

    def replace(self, present: list[T]) -> None:
        with self._lock:
            # An equal value stays the object that it was: what was derived from it holds.
            found = {value.key: self._same(value) for value in present}
            changed = found.keys() != self._objects.keys() or any(found[key] is not self._objects[key] for key in found)
            self._objects = found
            self.version += changed

    def changed(self, value: T) -> None:
        with self._lock:
            if self._same(value) is value:
                self._objects[value.key] = value
                self.version += 1

    def removed(self, value: T) -> None:
        with self._lock:
            held = self._objects.get(value.key)
            if held is not None and held.uid == value.uid:
                del self._objects[value.key]
                self.version += 1

    def copy(self) -> dict[str, T]:
        with self._lock:
            return dict(self._objects)

    def _same(self, value: T) -> T:
        held = self._objects.get(value.key)
        return held if held is not None and held == value else value
