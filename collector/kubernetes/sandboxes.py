"""Since when the CPU of a pod counts, though its sandbox is made anew.

What a kubelet calls the start of a pod is that of its sandbox. A sandbox that died is replaced while the pod lives on, and with it the
pod's cgroup, which counts on: taken for the beginning of a new count, the new start would have everything counted twice. So where the
start moved and the count did not fall, the pod's CPU goes on as the series that it was. Where it fell (the node was
booted) it began anew indeed.

While its sandbox is replaced a pod may be shown without its numbers, or not at all, so it is remembered for an hour; and since the agent may be
restarted just then, all of it is in the checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from collector.kubernetes.summary import POD_CPU, PodUsage, Value
from meterbook.wire.instants import HOUR_US

#: Microseconds for which a pod that is not shown is remembered.
KEPT_US = HOUR_US


@dataclass(frozen=True)
class _Count:
    """``told_us`` is the start that the kubelet tells, ``start_us`` the one that counts; ``seen_us`` is when that was."""

    told_us: int | None
    start_us: int | None
    value: float
    seen_us: int


class Sandboxes:
    """What the pods of one node have counted."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] | None = None

    def settled(self, pods: Sequence[PodUsage], now_us: int, document: Mapping[str, Any]) -> list[PodUsage]:
        """The pods with the starts that count; ``document`` is what :meth:`document` gave before the agent was restarted."""
        if self._counts is None:
            self._counts = {uid: _Count(*each) for uid, each in document.items()}
        counts = {uid: count for uid, count in self._counts.items() if count.seen_us > now_us - KEPT_US}
        settled = []
        for pod in pods:
            values = []
            for value in pod.values:
                if value.metric is POD_CPU:
                    count = counts[pod.uid] = _counted(counts.get(pod.uid), value, now_us)
                    value = replace(value, start_us=count.start_us)
                values.append(value)
            settled.append(replace(pod, values=tuple(values)))
        self._counts = counts
        return settled

    def document(self) -> dict[str, tuple[int | None, int | None, float, int]]:
        """For the checkpoint: what is known of each pod, by UID."""
        return {
            uid: (each.told_us, each.start_us, each.value, each.seen_us) for uid, each in (self._counts or {}).items()
        }


def _counted(before: _Count | None, value: Value, now_us: int) -> _Count:
    if before is None:
        return _Count(value.start_us, value.start_us, value.value, now_us)
    if value.start_us == before.told_us:
        # A first reading is repeated now and then, and is no fall.
        return replace(before, value=max(value.value, before.value), seen_us=now_us)
    goes_on = value.value >= before.value
    return _Count(value.start_us, before.start_us if goes_on else value.start_us, value.value, now_us)
