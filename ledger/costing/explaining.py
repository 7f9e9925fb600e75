"""Explaining: what one tenant bears, led back to rules, to charges, and to the usage by which each was divided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from ledger.costing.allocating import Allocated
from ledger.costing.amounts import amounts, exact_total, largest
from ledger.costing.division import Division
from ledger.costing.driven import Usage, usage_of_rows
from ledger.costing.taking import NOBODY, Rule
from ledger.directory.catalog import Catalog
from ledger.journal.view import View

#: Further columns by which the charges have to be told apart.
COLUMNS = ("ServiceName", "ResourceId")


@dataclass(frozen=True)
class ByRule:
    """What somebody bears by one rule (None: by none) of charges, or of what came into a ``pool``, in one currency."""

    rule: Rule | None
    pool: str
    currency: str
    cost: Decimal
    charges: int


@dataclass(frozen=True)
class Explained:
    """Somebody's part of one charge by one rule: ``part`` = ``cost`` x ``share``."""

    rule: Rule | None
    pool: str
    source: str
    version: str
    line: int
    columns: Mapping[str, str]
    start_us: int
    end_us: int
    currency: str
    cost: Decimal
    share: Decimal
    part: Decimal
    usage: Sequence[Usage]


def by_rule(allocated: Allocated, cost: str, target: str) -> list[ByRule]:
    """What a target bears, by rule and currency: the rules of charges first, then those of pools in the order in which these are divided."""
    if target not in allocated.targets:
        return []
    stages = allocated.stages
    number = {id(stage): place for place, stage in enumerate(stages)}
    columns = [allocated.profiles.currency.codes, *(stage.rule for stage in stages)]
    found = amounts(
        allocated,
        cost,
        columns,
        lambda stage: [np.full(len(stage.shares.key), number[id(stage)])],
        only=allocated.targets.index(target),
    )
    sums: dict[tuple[int, int, str], ByRule] = {}
    for (currency, *rules, place), amount in found.items():
        text = allocated.profiles.currency.named(currency)
        key = (place, rules[place], text)
        held = sums.get(key, ByRule(_rule(allocated, rules[place]), pool_of(allocated, place), text, Decimal(0), 0))
        sums[key] = ByRule(
            held.rule, held.pool, text, exact_total([held.cost, amount.cost]), held.charges + amount.charges
        )
    return [sums[key] for key in sorted(sums)]


def explained(
    view: View, catalog: Catalog, allocated: Allocated, cost: str, target: str, limit: int
) -> tuple[list[Explained], int]:
    """The parts of charges that a target bears, the greatest first, and how many there are. Charges must be told apart by line and COLUMNS."""
    if target not in allocated.targets:
        return [], 0
    number, profiles = allocated.targets.index(target), allocated.profiles
    parts, count = largest(allocated, cost, number, limit)
    division = Division(view, catalog, profiles, allocated.rules)
    usage = _usages(division, allocated, [(part.row, part.stage) for part in parts], target)
    assert profiles.lines is not None
    rows = profiles.lines.take([part.row for part in parts]).to_pylist() if parts else []
    found = []
    for part, line in zip(parts, rows, strict=True):
        stage, row = allocated.stages[part.stage], part.row
        columns = {name: profiles.columns[name].text(row) for name in COLUMNS}
        found.append(
            Explained(
                _rule(allocated, int(stage.rule[row])),
                pool_of(allocated, part.stage),
                line["source"],
                line["version"],
                line["line"],
                columns,
                int(profiles.start_us[row]),
                int(profiles.end_us[row]),
                profiles.currency.text(row),
                profiles.costs[cost][row].as_py(),
                part.share,
                part.cost,
                usage.get((row, part.stage), ()),
            )
        )
    return found, count


def pool_of(allocated: Allocated, place: int) -> str:
    """The pool that a stage divides; empty for that of charges."""
    pool = allocated.stages[place].pool
    return "" if pool is None else allocated.targets[pool].removeprefix("@")


def _rule(allocated: Allocated, place: int) -> Rule | None:
    return None if place == NOBODY else allocated.rules[place]


def _usages(
    division: Division, allocated: Allocated, places: Sequence[tuple[int, int]], target: str
) -> dict[tuple[int, int], Sequence[Usage]]:
    """The usage behind parts (row and stage) of rules that go by it."""
    by_place: dict[tuple[int, int], list[int]] = {}
    for row, stage in places:
        rule = int(allocated.stages[stage].rule[row])
        if rule != NOBODY and allocated.rules[rule].spec.drivers():
            by_place.setdefault((stage, rule), []).append(row)
    found: dict[tuple[int, int], Sequence[Usage]] = {}
    for (stage, rule), rows in by_place.items():
        told = usage_of_rows(division, allocated.rules[rule].spec, np.array(rows, np.int64), target)
        found.update({(row, stage): usage for row, usage in zip(rows, told, strict=True)})
    return found
