"""What was really used, worked out from the profiles alone, step by step: not by way of any counter that is served.

All is summed in whole numbers and divided once, so a value is the float nearest to the exact one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

from tests.fakes.cluster.clock import FOREVER, SECOND
from tests.fakes.cluster.loads import Profile, Resources, Timeline
from tests.fakes.cluster.pods import Container, Instance, Pod

#: What a step-by-step sum gives: the value times microseconds.
Span = tuple[int, int]


@dataclass(frozen=True)
class Use:
    """What was used, and asked for, in an interval. The requests count while a container runs."""

    cpu_s: float = 0.0
    memory_byte_s: float = 0.0
    read_bytes: float = 0.0
    write_bytes: float = 0.0
    receive_bytes: float = 0.0
    transmit_bytes: float = 0.0
    running_s: float = 0.0
    request_cpu_s: float = 0.0
    request_memory_byte_s: float = 0.0
    request_ephemeral_byte_s: float = 0.0
    request_gpu_s: float = 0.0


def of_instance(container: Container, instance: Instance, begin_us: int, end_us: int) -> Use:
    """One instance in an interval."""
    return _use(_instance_parts(container, instance, (begin_us, end_us), None))


def of_container(container: Container, begin_us: int, end_us: int) -> Use:
    """All instances of a container in an interval."""
    return _use(
        part
        for instance in container.instances
        for part in _instance_parts(container, instance, (begin_us, end_us), None)
    )


def of_pod(pod: Pod, begin_us: int, end_us: int, *, told_seconds: bool = False) -> Use:
    """A pod in an interval: its containers, its overhead, its traffic (nothing of its own on the host's network).

    ``told_seconds`` counts requests and running time by the whole seconds that the API tells as startedAt and finishedAt.
    """
    offset_us = None
    if told_seconds:
        offset_us = pod.node.clock_offset_us if pod.node else 0
    parts: list[tuple[str, int]] = []
    for container, instance in pod.instances:
        parts += _instance_parts(container, instance, (begin_us, end_us), offset_us)
    for sandbox in pod.sandboxes:
        span = _meet((begin_us, end_us), (sandbox.begin_us, sandbox.end_us))
        load = pod.overhead
        parts += [
            ("cpu_s", _area(load.cpu_millicores, sandbox.begin_us, span)),
            ("memory_byte_s", _area(load.memory_bytes, sandbox.begin_us, span)),
            ("read_bytes", _area(load.read_bytes_s, sandbox.begin_us, span)),
            ("write_bytes", _area(load.write_bytes_s, sandbox.begin_us, span)),
        ]
        if not pod.host_network:
            parts += [
                ("receive_bytes", _area(pod.traffic.receive_bytes_s, sandbox.begin_us, span)),
                ("transmit_bytes", _area(pod.traffic.transmit_bytes_s, sandbox.begin_us, span)),
            ]
    return _use(parts)


def of_pods(pods: Iterable[Pod], begin_us: int, end_us: int, *, told_seconds: bool = False) -> Use:
    """Several pods together."""
    uses = [of_pod(pod, begin_us, end_us, told_seconds=told_seconds) for pod in pods]
    return Use(*(sum(getattr(use, field.name) for use in uses) for field in fields(Use)))


def _instance_parts(
    container: Container, instance: Instance, interval: Span, told_offset_us: int | None
) -> list[tuple[str, int]]:
    """With an offset, the running time is between the whole seconds of a clock that is so far ahead.

    Of what still runs that clock has told the beginning alone, and it is counted until the reader's own.
    """
    life = (instance.begin_us, instance.end_us)
    span, load = _meet(interval, life), instance.load
    counted = span
    if told_offset_us is not None:
        begin_us, end_us = ((at_us + told_offset_us) // SECOND * SECOND for at_us in life)
        still = (begin_us, FOREVER)
        counted = _meet(interval, still if life[1] == FOREVER else (begin_us - told_offset_us, end_us - told_offset_us))
    asked = container.requests
    return [
        ("cpu_s", _area(load.cpu_millicores, life[0], span)),
        ("memory_byte_s", _area(load.memory_bytes, life[0], span)),
        ("read_bytes", _area(load.read_bytes_s, life[0], span)),
        ("write_bytes", _area(load.write_bytes_s, life[0], span)),
        ("running_s", counted[1] - counted[0]),
        ("request_cpu_s", _asked(asked, lambda resources: resources.cpu_millicores, counted)),
        ("request_memory_byte_s", _asked(asked, lambda resources: resources.memory_bytes, counted)),
        ("request_ephemeral_byte_s", _asked(asked, lambda resources: resources.ephemeral_bytes, counted)),
        ("request_gpu_s", _asked(asked, lambda resources: resources.gpus, counted)),
    ]


def _area(profile: Profile, zero_us: int, span: Span) -> int:
    """The rates of a profile that began at ``zero_us``, times the microseconds of each within a span."""
    total = 0
    ends = [offset for offset, _ in profile.steps[1:]] + [FOREVER]
    for (offset, rate), end in zip(profile.steps, ends, strict=True):
        begin_us, end_us = _meet(span, (zero_us + offset, min(zero_us + end, FOREVER)))
        total += rate * (end_us - begin_us)
    return total


def _asked(timeline: Timeline[Resources], which: Callable[[Resources], int | None], span: Span) -> int:
    ends = [at_us for at_us, _ in timeline.changes[1:]] + [FOREVER]
    total = 0
    for (at_us, resources), end in zip(timeline.changes, ends, strict=True):
        begin_us, end_us = _meet(span, (at_us, end))
        total += (which(resources) or 0) * (end_us - begin_us)
    return total


def _meet(one: Span, other: Span) -> Span:
    begin_us, end_us = max(one[0], other[0]), min(one[1], other[1])
    return begin_us, max(begin_us, end_us)


#: By what the sums are divided: microseconds, and millicores where CPU is meant.
_DIVISORS = {"cpu_s": 1_000 * SECOND, "request_cpu_s": 1_000 * SECOND}


def _use(parts: Iterable[tuple[str, int]]) -> Use:
    sums: dict[str, int] = {}
    for name, value in parts:
        sums[name] = sums.get(name, 0) + value
    return Use(**{name: value / _DIVISORS.get(name, SECOND) for name, value in sums.items()})
