"""Whose usage is, once reassignments are taken into account: the one place where their rules are applied.

What agents told of series and events stays as it is. A reassignment is looked at each time something is measured, so it holds for
series that are defined after it as well, in whatever order all this arrives, and an earlier position knows nothing of it. Of
several that match, the one recorded last holds; all of them judge by the tenant that was told, never by each other's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from ledger.directory.reassignment import Reassignment
from ledger.directory.versions import DefinitionRow, definition_of
from ledger.journal.view import View

#: After all times.
NEVER_US = 1 << 62


@dataclass(frozen=True)
class Standing:
    """The newest version of a reassignment, which holds in [start_us, end_us)."""

    name: str
    version: int
    start_us: int
    end_us: int
    rule: Reassignment


@dataclass(frozen=True)
class Reassignments:
    """All reassignments that a view shows, the one recorded last first. Without any, whose usage is is what was told."""

    standing: tuple[Standing, ...] = ()

    def owner(self, tenant: str, source: str, names: Mapping[str, str], time_us: int) -> str:
        """Whose something is at a time, of which a tenant, a source and these labels or properties were told."""
        for each in self.standing:
            if each.start_us <= time_us < each.end_us and each.rule.matches(tenant, source, names):
                return each.rule.to
        return tenant

    def owners(
        self, tenant: str, source: str, names: Mapping[str, str], start_us: int, end_us: int
    ) -> list[tuple[int, str]]:
        """The same from start to end: since when it is whose, beginning with the start; neighbours differ."""
        matching = Reassignments(tuple(each for each in self.standing if each.rule.matches(tenant, source, names)))
        found: list[tuple[int, str]] = []
        for since_us in (start_us, *matching.moments(start_us, end_us)):
            owner = matching.owner(tenant, source, names, since_us)
            if not found or found[-1][1] != owner:
                found.append((since_us, owner))
        return found

    def moments(self, start_us: int, end_us: int) -> list[int]:
        """When one of them begins or ends inside (start, end), rising."""
        found = {moment for each in self.standing for moment in (each.start_us, each.end_us)}
        return sorted(moment for moment in found if start_us < moment < end_us)

    def pieces(self, start_us: int, end_us: int) -> list[tuple[int, int]]:
        """[start, end) in pieces in which the same of them hold from beginning to end."""
        return list(pairwise((start_us, *self.moments(start_us, end_us), end_us)))

    def within(self, start_us: int, end_us: int) -> Reassignments:
        """Those that hold at some time of [start, end)."""
        return Reassignments(tuple(each for each in self.standing if each.start_us < end_us and each.end_us > start_us))

    @property
    def names(self) -> frozenset[str]:
        """The labels and properties that they look at."""
        return frozenset().union(*(each.rule.names for each in self.standing))

    def changed(self, before: Reassignments) -> dict[str, tuple[Standing, ...]]:
        """By name those that stand now and did not before, or the other way round: what stood, and what stands."""
        then, now = ({each.name: each for each in which.standing} for which in (before, self))
        names = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
        return {name: tuple(which[name] for which in (then, now) if name in which) for name in names}


NONE = Reassignments()


def reassignments_of(view: View, position: int | None = None) -> Reassignments:
    """What stands at the view's position, or at an earlier one. Raises UnreadableDefinition."""
    rows = view.versions_of("reassignment")
    if not rows.num_rows:
        return NONE
    newest: dict[str, Standing] = {}
    for row in rows.to_pylist():
        if position is not None and row["position"] > position:
            break
        found = definition_of(
            DefinitionRow(
                row["kind"],
                row["name"],
                row["version"],
                row["effective_from"],
                row["spec"],
                row["author"],
                row["position"],
            )
        )
        assert isinstance(found.spec, Reassignment)
        # Behind all others: what was there by this name is over.
        newest.pop(found.name, None)
        until_us = found.spec.until_us
        newest[found.name] = Standing(
            found.name,
            found.version,
            found.effective_from_us,
            NEVER_US if until_us is None else until_us,
            found.spec,
        )
    return Reassignments(tuple(reversed([each for each in newest.values() if each.start_us < each.end_us])))
