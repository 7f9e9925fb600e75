"""The groups of addresses that each role finds in a cluster.

A finder watches what its role is made of. Asked again and again, it says which groups came and went since it was asked last,
and nothing at all as long as no collection has changed.
"""

from __future__ import annotations

from typing import Protocol

from collector.prometheus.kubernetes_sd.collection import Collection, Kind, Watching
from collector.prometheus.kubernetes_sd.endpoints import Parts, Slice, endpoint_group, parts_of, slice_of
from collector.prometheus.kubernetes_sd.groups import Change, Group, Groups
from collector.prometheus.kubernetes_sd.permissions import PODS, SERVICES, SLICES
from collector.prometheus.kubernetes_sd.pods import Pod, pod_group, pod_of
from collector.prometheus.kubernetes_sd.services import Service, service_group, service_of

POD_KIND = Kind(PODS, "v1", pod_of)
SERVICE_KIND = Kind(SERVICES, "v1", service_of)
SLICE_KIND = Kind(SLICES, "v1", slice_of)


class Finder(Protocol):
    """Finds groups in collections that somebody else ends."""

    def update(self) -> Change:
        """The groups that came and went since the last time."""

    def all(self) -> list[Group]:
        """The groups as of the last update."""


class PodFinder:
    """A group for each pod; without those that have ended, unless they are asked for."""

    def __init__(self, pods: Collection[Pod], *, with_ended: bool = False) -> None:
        self._pods = pods
        self._with_ended = with_ended
        self._seen = -1
        self._groups: Groups[Pod] = Groups(pod_group)

    def update(self) -> Change:
        """See :class:`Finder`."""
        version = self._pods.version
        if version == self._seen:
            return Change()
        self._seen = version
        found = self._pods.all().items()
        return self._groups.update((key, pod) for key, pod in found if self._with_ended or not pod.has_ended)

    def all(self) -> list[Group]:
        """See :class:`Finder`."""
        return self._groups.all()


class ServiceFinder:
    """A group for each service."""

    def __init__(self, services: Collection[Service]) -> None:
        self._services = services
        self._seen = -1
        self._groups: Groups[Service] = Groups(service_group)

    def update(self) -> Change:
        """See :class:`Finder`."""
        version = self._services.version
        if version == self._seen:
            return Change()
        self._seen = version
        return self._groups.update(self._services.all().items())

    def all(self) -> list[Group]:
        """See :class:`Finder`."""
        return self._groups.all()


class EndpointFinder:
    """A group for each endpoint slice; made anew when the slice, its service or one of its pods changes."""

    def __init__(
        self,
        slices: Collection[Slice],
        services: Collection[Service],
        pods: Collection[Pod],
    ) -> None:
        self._slices, self._services, self._pods = slices, services, pods
        self._seen = (-1, -1, -1)
        self._groups: Groups[Parts] = Groups(endpoint_group)

    def update(self) -> Change:
        """See :class:`Finder`. Nothing is found before all three are known: rules would judge what is half told."""
        if not (self._slices.is_listed and self._services.is_listed and self._pods.is_listed):
            return Change()
        versions = (self._slices.version, self._services.version, self._pods.version)
        if versions == self._seen:
            return Change()
        self._seen = versions
        services, pods = self._services.all(), self._pods.all()
        return self._groups.update((key, parts_of(each, services, pods)) for key, each in self._slices.all().items())

    def all(self) -> list[Group]:
        """See :class:`Finder`."""
        return self._groups.all()


def finder_of(role: str, cluster: Watching) -> Finder:
    """What finds the groups of a role (a key of ``BY_ROLE``); begins to watch."""
    if role == "service":
        return ServiceFinder(cluster.collection(SERVICE_KIND))
    pods = cluster.collection(POD_KIND)
    if role == "pod":
        return PodFinder(pods)
    return EndpointFinder(cluster.collection(SLICE_KIND), cluster.collection(SERVICE_KIND), pods)
