"""The targets that the monitors of one cluster find, each a source; and what cannot be read, which is a source, too.

``current`` is asked every few seconds. It looks at version numbers; only if one has grown it looks at what has changed: a group of
targets that came is judged by every plan, a plan that came judges every group, and everything else stays as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from collector.base import Collector
from collector.prometheus.config import ScrapeConfig
from collector.prometheus.jobs import Job
from collector.prometheus.kubernetes_sd.chosen import Chosen
from collector.prometheus.kubernetes_sd.groups import Change
from collector.prometheus.kubernetes_sd.standing import Standing, missing
from collector.prometheus.monitors.config import MonitorsConfig
from collector.prometheus.monitors.documents import Monitor
from collector.prometheus.monitors.plans import Plan, Unscraped, plan_of, source_of
from collector.prometheus.monitors.watched import Watched
from collector.prometheus.scrapers import Scrapers
from collector.prometheus.targets import Target

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Running:
    """A plan and the targets that it has chosen."""

    plan: Plan
    chosen: Chosen

    def update(self, change: Change) -> None:
        selected = tuple(group for group in change.added if self.plan.selects(group))
        if selected or change.removed:
            self.chosen.update(Change(selected, change.removed))


@dataclass(frozen=True)
class _Unread:
    """What is not scraped, as a source, and why."""

    source: str
    reason: str


class MonitorSources:
    """The targets of all monitors that a configuration selects."""

    def __init__(self, config: MonitorsConfig) -> None:
        self._config = config
        self._watched: Watched | None = None
        self._standing = Standing(f"prometheus_monitors/{config.cluster}", self._problem)
        self._planned: dict[tuple[str, str], tuple[Monitor, list[Plan | _Unread]]] = {}
        self._running: dict[str, _Running] = {}
        self._told: dict[_Unread, Standing] = {}
        self._scrapers = Scrapers()
        self._current: list[Collector] = []

    def current(self) -> Sequence[Collector]:
        """The targets that there are now; first of all how well the cluster is known, then what is not scraped."""
        if self._watched is None:
            self._watched = Watched(self._config)
        self._standing.tell(missing(self._watched.trouble))
        changes = self._watched.update()
        monitors = self._watched.monitors()
        if self._current and monitors is None and not any(changes.values()):
            return self._current
        for running in self._running.values():
            running.update(changes[running.plan.finds_pods])
        if monitors is not None:
            self._plan(self._watched, monitors)
        self._current = self._collectors()
        return self._current

    def close(self) -> None:
        """Let go of the cluster."""
        if self._watched is not None:
            self._watched.close()

    def _problem(self) -> str:
        return "" if self._watched is None else missing(self._watched.problem)

    def _plan(self, watched: Watched, monitors: list[Monitor]) -> None:
        """Make plans of monitors that are new or have changed; what runs by an equal plan goes on."""
        before, self._planned = self._planned, {}
        for monitor in monitors:
            key = (monitor.kind, monitor.key)
            known = before.get(key)
            same = known is not None and known[0] is monitor
            self._planned[key] = known if known is not None and same else (monitor, list(self._plans(monitor)))
        running, self._running = self._running, {}
        for plan in (each for _, plans in self._planned.values() for each in plans if isinstance(each, Plan)):
            old = running.get(plan.job)
            self._running[plan.job] = old if old is not None and old.plan == plan else _begun(plan, watched)

    def _plans(self, monitor: Monitor) -> Iterator[Plan | _Unread]:
        source = source_of(self._config, monitor)
        name = f"{monitor.kind} {monitor.key}"
        if monitor.spec is None:
            yield _Unread(source, f"{name} is not scraped: {monitor.fault}")
            return
        for index in range(len(monitor.endpoints)):
            try:
                yield plan_of(self._config, monitor, monitor.spec, index)
            except Unscraped as error:
                yield _Unread(f"{source}/endpoint/{index}", f"{name}, endpoint {index} is not scraped: {error}")
            except Exception as error:  # noqa: BLE001 - whatever somebody has written, it stops nothing but itself
                _log.error("%s, endpoint %d cannot be understood: %r", name, index, error, exc_info=error)
                reason = f"{name}, endpoint {index} is not scraped: it cannot be understood ({type(error).__name__})"
                yield _Unread(f"{source}/endpoint/{index}", reason)

    def _collectors(self) -> list[Collector]:
        found: list[tuple[ScrapeConfig, Target]] = []
        unread = [each for _, plans in self._planned.values() for each in plans if isinstance(each, _Unread)]
        for running in self._running.values():
            plan, targets = running.plan, list(running.chosen.targets())
            if 0 < plan.targets_max < len(targets):
                reason = f"{plan.job} is not scraped: it finds {len(targets)} targets, more than its targetLimit {plan.targets_max}"
                unread.append(_Unread(f"{plan.source}/endpoint/{plan.job.rpartition('/')[2]}", reason))
            else:
                found += [(plan.scrape, target) for target in targets]
        told, self._told = self._told, {}
        for each in unread:
            self._told[each] = told.get(each) or _standing(each)
            self._told[each].tell(each.reason)
        return [self._standing, *self._told.values(), *self._scrapers.update(found)]


def _standing(unread: _Unread) -> Standing:
    return Standing(unread.source, lambda: unread.reason)


def _begun(plan: Plan, watched: Watched) -> _Running:
    """What runs by a plan, with the targets that there are already."""

    def source(place: str, path: str) -> str:
        return f"{plan.source}/{place}{'' if path == '/metrics' else path}{plan.mark}"

    job = Job(
        plan.job,
        plan.rules,
        scheme=plan.scheme,
        path=plan.path,
        params=plan.scrape.params,
        labels={},
        source=source,
    )
    running = _Running(plan, Chosen(plan.job, job))
    running.update(Change(tuple(watched.finders[plan.finds_pods].all())))
    return running
