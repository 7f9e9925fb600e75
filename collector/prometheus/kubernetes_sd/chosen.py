"""The targets that the rules of one job leave of groups, each worked out once.

What rules make of a group does not change as long as the group and the rules are the same, so only groups that came are looked at.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from collector.prometheus.jobs import Job
from collector.prometheus.kubernetes_sd.groups import Change, Group
from collector.prometheus.targets import Target

_TOLD_MAX = 1_000
_log = logging.getLogger(__name__)


class Chosen:
    """The targets of one job."""

    def __init__(self, place: str, job: Job) -> None:
        """``place`` says in the log whose rules they are."""
        self._place = place
        self._job = job
        self._by_group: dict[Group, list[Target]] = {}
        self._told: set[str] = set()

    def update(self, change: Change) -> None:
        """Take in what came, let go what went."""
        for group in change.removed:
            self._by_group.pop(group, None)
        for group in change.added:
            found = list(self._of(group))
            if found:
                self._by_group[group] = found

    def targets(self) -> Iterable[Target]:
        """The targets that there are, in no order."""
        return (target for found in self._by_group.values() for target in found)

    def _of(self, group: Group) -> Iterable[Target]:
        for address, labels in group.members:
            try:
                target = self._job.found(address, {**group.shared, **labels})
            except ValueError as error:
                # Said once, and not whenever the group changes.
                if str(error) not in self._told and len(self._told) < _TOLD_MAX:
                    self._told.add(str(error))
                    _log.warning("%s: what was found at %s is no target: %s", self._place, address, error)
            else:
                if target is not None:
                    yield target
