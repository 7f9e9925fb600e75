"""Pods that are gone, remembered for a while: what they had asked for is booked when their node is read next.

Only so many are kept, and only so long. One that nobody asked for until then is lost to the book, and that is counted, so that the coverage
of its node can say so. The caller holds the inventory's lock.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator

from collector.kubernetes.objects import Pod

#: How many pods that are gone are remembered, and for how long.
GONE_MAX, GONE_S = 20_000, 6 * 3_600.0


class Gone:
    """Pods that are gone, by node."""

    def __init__(self) -> None:
        self._pods: OrderedDict[str, tuple[float, Pod]] = OrderedDict()
        self._by_node: dict[str, dict[str, Pod]] = {}
        self._unread: dict[str, set[str]] = {}
        self._lost: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._pods)

    def __contains__(self, uid: str) -> bool:
        return uid in self._pods

    def __iter__(self) -> Iterator[Pod]:
        return (pod for _, pod in self._pods.values())

    @property
    def nodes(self) -> Collection[str]:
        """The nodes that pods are gone from, or were lost from."""
        self._forget()
        return self._by_node.keys() | self._lost.keys()

    def add(self, pod: Pod) -> None:
        """A pod is gone."""
        self._pods[pod.uid] = (time.monotonic(), pod)
        self._pods.move_to_end(pod.uid)
        self._by_node.setdefault(pod.node, {})[pod.uid] = pod
        self._unread.setdefault(pod.node, set()).add(pod.uid)
        self._forget()

    def read(self, node: str) -> tuple[list[Pod], int]:
        """The pods that are gone from a node, and how many were lost since this was asked last."""
        self._forget()
        self._unread.pop(node, None)
        return list(self._by_node.get(node, {}).values()), self._lost.pop(node, 0)

    def _forget(self) -> None:
        oldest = time.monotonic() - GONE_S
        while self._pods and (len(self._pods) > GONE_MAX or next(iter(self._pods.values()))[0] < oldest):
            uid, (_, pod) = self._pods.popitem(last=False)
            of_node = self._by_node[pod.node]
            del of_node[uid]
            if not of_node:
                del self._by_node[pod.node]
            unread = self._unread.get(pod.node, set())
            if uid in unread:
                unread.remove(uid)
                self._lost[pod.node] += 1
