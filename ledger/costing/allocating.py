"""Allocating: the charges of the bills that stand, the rules of their time, and what of each charge is whose.

A pure function of a view, which holds rules, charges and entries as they were at its position, and of some bills. See ``ledger.costing`` for the flow of it.

The answer is a chain of stages: the first divides charges, each other one what came into a pool. A profile has a key in every stage that it comes to, and
the shares of that key say what of what came in is whose, or goes into which pool of a later stage. Stages are not multiplied with each other here: what a node leaves
idle in each of a thousand hours, and a thousand tenants share, would be a million numbers that all say the same (``amounts``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ledger.costing.bills import Bill
from ledger.costing.dividing import divided, names_one
from ledger.costing.division import Division
from ledger.costing.pools import epochs, order_of
from ledger.costing.profiles import Profiles, profiles
from ledger.costing.shares import WHOLE, Shares, joined
from ledger.costing.taking import NOBODY, Rule, rules_of, taken
from ledger.costing.targets import NO_REASON, UNALLOCATED, is_own, pool_target
from ledger.directory.catalog import Catalog
from ledger.directory.methods import LASTING
from ledger.journal.view import View

#: The key of a profile in a stage that it does not come to.
ABSENT = -1


@dataclass(frozen=True)
class Stage:
    """What became of charges, or of what came into the pool whose target is ``pool``.

    ``key`` and ``rule`` are along the profiles: ABSENT for those that do not come here, the rule NOBODY for those that none takes. Shares whose target
    is in ``passes_on`` are divided by later stages.
    """

    pool: int | None
    key: np.ndarray
    rule: np.ndarray
    shares: Shares
    passes_on: frozenset[int]


@dataclass(frozen=True)
class Usefulness:
    """How many charges a rule took; and how many it would have taken, too, that another one took before it, by its name."""

    rule: str
    charges: int
    before: Mapping[str, int]


@dataclass(frozen=True)
class Allocated:
    """What of each profile is whose. ``targets``, ``reasons`` and ``rules`` are what shares have numbers of. ``problems`` are errors, a sentence each."""

    profiles: Profiles
    stages: Sequence[Stage]
    targets: Sequence[str]
    reasons: Sequence[str]
    rules: Sequence[Rule]
    usefulness: Sequence[Usefulness]
    problems: Sequence[str]

    def chosen(self, rows: np.ndarray) -> Allocated:
        """The same of some profiles alone, by their places."""
        stages = [replace(stage, key=stage.key[rows], rule=stage.rule[rows]) for stage in self.stages]
        return replace(self, profiles=self.profiles.chosen(rows), stages=stages)


def allocate(
    view: View, catalog: Catalog, standing: Sequence[Bill], names: Collection[str] = (), *, by_line: bool = False
) -> Allocated:
    """Allocate the charges of some bills. ``names`` are further columns by which profiles are told apart. Raises NoSuchColumn."""
    rules = rules_of(catalog)
    columns = set(names).union(*(rule.spec.columns() for rule in rules))
    return _Allocating(Division(view, catalog, profiles(view, standing, columns, by_line=by_line), rules)).made()


class _Allocating:
    """An allocation while one stage after another is made."""

    def __init__(self, division: Division) -> None:
        self._division = division
        self._stages: list[Stage] = []
        self._having: dict[int, np.ndarray] = {}
        self._charges = np.zeros(len(division.rules), np.int64)
        self._before: dict[tuple[int, int], int] = {}

    def made(self) -> Allocated:
        division, profiles_ = self._division, self._division.profiles
        self._divide(None, np.arange(len(profiles_)))
        for rules, rows in epochs(division.rules, profiles_.start_us):
            for pool in order_of(rules):
                having = self._having.get(division.targets.number(pool_target(pool)))
                if having is not None and having[rows].any():
                    self._divide(pool, rows[having[rows]])
        return Allocated(
            profiles_,
            self._stages,
            division.targets.things,
            division.reasons.things,
            division.rules,
            self._usefulness(),
            tuple(division.problems),
        )

    def _divide(self, pool: str | None, rows: np.ndarray) -> None:
        """Add the stage of a pool, which these rows come to, and note which of them come to which pools from here."""
        division = self._division
        rule, keys, shares = self._keys(pool, rows)
        own = None if pool is None else division.targets.number(pool_target(pool))
        targets = division.targets.things
        passes_on = frozenset(
            target
            for target in np.unique(shares.target).tolist()
            if is_own(targets[target]) and targets[target] != UNALLOCATED and target != own
        )
        key, by = (np.full(len(division.profiles), ABSENT, np.int64) for _ in range(2))
        key[rows], by[rows] = keys, rule
        self._stages.append(Stage(own, key, by, shares, passes_on))
        for target in passes_on:
            gives = np.zeros(int(shares.key.max()) + 1, bool)
            gives[shares.key[shares.target == target]] = True
            having = self._having.setdefault(target, np.zeros(len(division.profiles), bool))
            having[rows] |= gives[keys]

    def _keys(self, pool: str | None, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, Shares]:
        """The rule of a pool that takes each row, its key, and the shares of the keys."""
        division = self._division
        found = taken(division.profiles, division.rules, pool, rows, lambda place: names_one(division, place))
        for both, charges in found.before.items():
            self._before[both] = self._before.get(both, 0) + charges
        key, pieces, count = np.zeros(len(rows), np.int64), list[Shares](), 0
        held = found.rule != NOBODY
        np.add.at(self._charges, found.rule[held], division.profiles.charges[rows[held]])
        for places in self._alike(np.unique(found.rule).tolist()):
            at = np.flatnonzero(np.isin(found.rule, places))
            if places[0] == NOBODY:
                codes, shares = np.zeros(len(at), np.int64), self._left(pool)
            else:
                codes, shares = divided(division, places[0], rows[at])
            key[at] = codes + count
            pieces.append(replace(shares, key=shares.key + count))
            count += int(codes.max()) + 1
        return found.rule, key, joined(pieces)

    def _alike(self, places: Iterable[int]) -> list[list[int]]:
        """Places of rules, together where they say the same of what they take."""
        alike: dict[str, list[int]] = {}
        for place in places:
            spec = None if place == NOBODY else self._division.rules[place].spec
            # It is the method alone that counts: what a rule is for has been looked at.
            said = spec.model_dump_json(include={str(spec.method): True}) if spec else ""
            alike.setdefault(said, []).append(place)
        return list(alike.values())

    def _left(self, pool: str | None) -> Shares:
        """One key, of what no rule takes."""
        division = self._division
        if pool in LASTING:
            target, reason = pool_target(pool), NO_REASON
        else:
            target, reason = UNALLOCATED, "no rule holds for it" + (f" in the pool {pool!r}" if pool else "")
        numbers = (0, division.targets.number(target), NOBODY, division.reasons.number(reason), WHOLE, 0)
        return Shares(*(np.array([each], np.int64) for each in numbers))

    def _usefulness(self) -> list[Usefulness]:
        rules, start_us = self._division.rules, self._division.profiles.start_us
        if not len(start_us):
            return []
        low_us, high_us = int(start_us.min()), int(start_us.max())
        held = [rule for rule in rules if rule.from_us <= high_us and low_us < rule.until_us]
        charges: dict[str, int] = {rule.name: 0 for rule in held}
        before: dict[str, dict[str, int]] = {rule.name: {} for rule in held}
        for place in np.flatnonzero(self._charges).tolist():
            charges[rules[place].name] += int(self._charges[place])
        for (place, other), count in self._before.items():
            others = before[rules[place].name]
            others[rules[other].name] = others.get(rules[other].name, 0) + count
        return [Usefulness(name, charges[name], before[name]) for name in charges]
