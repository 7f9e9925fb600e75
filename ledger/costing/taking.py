"""Which rule takes which charges: the first that holds, and what else would have held.

A rule is looked at for all charges at once. What it says of a column is decided for each text that stands there, not for each charge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ledger.costing.profiles import MISSING, Coded, Profiles
from ledger.directory.allocation import Allocation
from ledger.directory.catalog import Catalog
from ledger.directory.matching import Matcher

NOBODY = -1
_FOREVER_US = 1 << 62


@dataclass(frozen=True)
class Rule:
    """A version of a rule, as it holds for charges whose period begins in [from_us, until_us)."""

    name: str
    version: int
    spec: Allocation
    from_us: int
    until_us: int


@dataclass(frozen=True)
class Taken:
    """The place of the rule that takes each row, NOBODY where none does; and by rule how many charges others took before it.

    ``before`` has for the place of a rule, and for that of one before it, how many charges both hold for; only where there are any.
    """

    rule: np.ndarray
    before: Mapping[tuple[int, int], int] = field(default_factory=dict)


def rules_of(catalog: Catalog) -> tuple[Rule, ...]:
    """Every version of every rule, in the order in which they are asked."""
    found = []
    for name in catalog.names("allocation"):
        newest = {each.effective_from_us: each for each in catalog.versions("allocation", name)}
        dates = [*sorted(newest), _FOREVER_US]
        for from_us, until_us in pairwise(dates):
            spec = newest[from_us].spec
            assert isinstance(spec, Allocation)
            # What holds from the beginning holds for what was before 1970, too.
            found.append(Rule(name, newest[from_us].version, spec, from_us or -_FOREVER_US, until_us))
    return tuple(sorted(found, key=lambda rule: (rule.spec.priority, rule.name, rule.from_us)))


def taken(
    profiles: Profiles,
    rules: Sequence[Rule],
    pool: str | None,
    rows: np.ndarray,
    names_one: Callable[[int], np.ndarray],
) -> Taken:
    """Which of the rules of a pool (None: of charges) takes each of the ``rows``.

    ``names_one`` tells of a rule of the method direct, by its place, for each profile whether it says whose it is.
    """
    first = np.full(len(rows), NOBODY, np.int64)
    start_us, charges = profiles.start_us[rows], profiles.charges[rows]
    before: dict[tuple[int, int], int] = {}
    for place, rule in enumerate(rules):
        if rule.spec.of != pool:
            continue
        held = (start_us >= rule.from_us) & (start_us < rule.until_us)
        if held.any():
            held &= _holds(rule.spec, profiles, rows)
        if rule.spec.direct is not None and held.any():
            held &= names_one(place)[rows]
        late = held & (first != NOBODY)
        for other in np.unique(first[late]).tolist():
            before[place, other] = int(charges[late & (first == other)].sum())
        first[held & (first == NOBODY)] = place
    return Taken(first, before)


def _holds(spec: Allocation, profiles: Profiles, rows: np.ndarray) -> np.ndarray:
    found = _all_hold(spec.match, profiles, rows)
    if spec.any:
        found &= np.logical_or.reduce([_all_hold(each, profiles, rows) for each in spec.any])
    return found


def _all_hold(matchers: Mapping[str, Matcher], profiles: Profiles, rows: np.ndarray) -> np.ndarray:
    found = np.ones(len(rows), bool)
    for name, matcher in matchers.items():
        found &= accepted(matcher, profiles.columns[name])[rows]
    return found


def accepted(matcher: Matcher, column: Coded) -> np.ndarray:
    """Whether a matcher accepts each row of a column."""
    texts = pa.array(column.texts, pa.utf8())
    held = np.ones(len(texts) + 1, bool)
    # Of many texts most fall by what whole columns can be asked for.
    if matcher.in_ is not None:
        held[:-1] &= _asked(pc.is_in(texts, value_set=pa.array(matcher.in_)))
    if matcher.begins is not None:
        held[:-1] &= _asked(pc.starts_with(texts, matcher.begins))
    if matcher.ends is not None:
        held[:-1] &= _asked(pc.ends_with(texts, matcher.ends))
    left = np.flatnonzero(held[:-1])
    if set(matcher.model_fields_set) - {"in_", "begins", "ends"}:
        held[left] = [matcher.accepts(column.texts[place]) for place in left.tolist()]
    # The last one is of what is missing: its number is MISSING.
    held[MISSING] = matcher.accepts(None)
    found: np.ndarray = held[column.codes]
    return found


def _asked(answer: pa.Array) -> np.ndarray:
    return np.asarray(answer.to_numpy(zero_copy_only=False), bool)
