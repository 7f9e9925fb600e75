"""Groups of addresses that share labels: what discovery finds, before any rule has chosen.

A group is made of objects: a pod, or a slice with its service and its pods. As long as they are the same, so is the group, and
whoever has worked out its targets need not do so again. In a cluster of thousands of pods a few change every second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

Labels = Mapping[str, str]
T = TypeVar("T")


@dataclass(frozen=True, eq=False, slots=True)
class Group:
    """Addresses with the labels of each; ``shared`` are on all of them. Equal only to itself.

    ``selected_by`` are the labels of the pod or service itself, by which monitors select it.
    """

    namespace: str
    selected_by: Labels
    shared: Labels
    members: tuple[tuple[str, Labels], ...]


@dataclass(frozen=True)
class Change:
    """Groups that came and groups that went since the last look."""

    added: tuple[Group, ...] = ()
    removed: tuple[Group, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


class Groups(Generic[T]):
    """The groups that there are, each beside the parts that it was made of."""

    def __init__(self, make: Callable[[T], Group]) -> None:
        self._make = make
        self._made: dict[str, tuple[T, Group]] = {}

    def update(self, found: Iterable[tuple[str, T]]) -> Change:
        """Make a group of each of ``found`` (key, parts) that is new or whose parts have changed; those not found are gone."""
        before, self._made = self._made, {}
        added: list[Group] = []
        for key, parts in found:
            known = before.get(key)
            if known is None or known[0] != parts:
                known = (parts, self._make(parts))
                added.append(known[1])
            else:
                del before[key]
            self._made[key] = known
        return Change(tuple(added), tuple(group for _, group in before.values()))

    def all(self) -> list[Group]:
        """All of them, in the order in which they were found."""
        return [group for _, group in self._made.values()]


def host(address: str) -> str:
    """An address as it stands before a port: that of IPv6 in brackets."""
    return f"[{address}]" if ":" in address else address
