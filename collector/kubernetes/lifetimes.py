"""How long containers ran, from what the API server tells of them, and what they asked for meanwhile.

A container that ran for five seconds between two polls left no trace at its kubelet; the pod's status has when it began and ended. So
what was asked for is counted from there: request x time, exactly, at every poll while a container runs and once more at its end.

A request that is changed while a container runs (a resize in place) begins another series from where the change was seen, since the
one before counted by the old request.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from collector.kubernetes.book import Labels, Metric
from collector.kubernetes.objects import Amounts, Container, Pod
from collector.kubernetes.summary import Value

REQUEST = Metric("container_resource_request", "gauge", "")
LIMIT = Metric("container_resource_limit", "gauge", "")
REQUEST_SECONDS = Metric("container_resource_request_seconds_total", "counter", "")
RUNNING_SECONDS = Metric("container_running_seconds_total", "counter", "seconds")

_SECOND_US = 1_000_000


@dataclass(frozen=True)
class Run:
    """One run of a container, or the part of it since ``since_us``: when it ended (None: it runs).

    ``is_over`` says that the run has gone on to ask for something else.
    """

    container: Container
    started_us: int
    since_us: int
    finished_us: int | None
    is_over: bool = False

    @property
    def key(self) -> str:
        """Tells it from the other runs of its pod."""
        return f"{self.container.kind}/{self.container.name}/{self.started_us}"


#: What a run has asked for, and since when each.
Asked = tuple[tuple[int, Amounts], ...]


def runs(pod: Pod) -> Iterator[Run]:
    """The runs that a pod's status tells of, as if each had always asked for what it asks for now."""
    for container in pod.containers:
        for instance in container.instances:
            yield Run(container, instance.started_us, instance.started_us, instance.finished_us)


def stretches(run: Run, asked: Asked) -> Iterator[Run]:
    """A run divided where it asked for something else."""
    ends = [since_us for since_us, _ in asked[1:]]
    for place, (since_us, requests) in enumerate(asked):
        if place == len(asked) - 1:
            yield replace(run, since_us=since_us)
        else:
            ended = [end_us for end_us in (ends[place], run.finished_us) if end_us is not None]
            container = replace(run.container, requests=requests, limits=())
            yield replace(run, container=container, since_us=since_us, finished_us=min(ended), is_over=True)


def values(run: Run, now_us: int) -> list[tuple[Value, bool]]:
    """What a run has asked for until now, or its end; each value with whether it is the last of its series."""
    ended = run.finished_us is not None and run.finished_us <= now_us
    until_us = run.finished_us if ended and run.finished_us is not None else now_us
    if until_us < run.since_us:
        return []
    container = run.container
    about: Labels = (("container", container.name), ("container_kind", container.kind))
    elapsed = Decimal(until_us - run.since_us) / _SECOND_US
    found = [(Value(RUNNING_SECONDS, about, run.since_us, until_us, float(elapsed)), ended)]
    for resource, amount in container.requests:
        labels = (*about, ("resource", resource))
        found.append((Value(REQUEST_SECONDS, labels, run.since_us, until_us, float(amount * elapsed)), ended))
        if not run.is_over:
            found.append((Value(REQUEST, labels, run.started_us, until_us, float(amount)), ended))
    for resource, amount in container.limits:
        found.append((Value(LIMIT, (*about, ("resource", resource)), run.started_us, until_us, float(amount)), ended))
    return found
