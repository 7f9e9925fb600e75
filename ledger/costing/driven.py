"""The methods of rules that go by usage: in proportion to drivers, with what was not used of a capacity, or in equal parts among users.

Each part of a key (one driver, or several with weights, or the resources of a
node with prices) has a total of its own; it is divided among the tenants by what they used, and the pool that the rest of its capacity goes to. Where more was used
than there is capacity, nothing is left. Where nothing was used and there is no capacity, nobody can say whose the part is: it is unallocated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from ledger.costing.division import Division, scaled
from ledger.costing.known import shares_by_key
from ledger.costing.register import ranks
from ledger.costing.shares import WHOLE, Shares, joined, split
from ledger.costing.targets import UNALLOCATED, pool_target
from ledger.costing.using import Amounts, Keys, amounts_used, capacity_of, keys_of, sums, wide
from ledger.directory.allocation import METHODS, Allocation
from ledger.directory.methods import Driver
from ledger.journal.quantity import to_decimal
from ledger.schema.decimals import FRACTION_DIGITS_MAX


@dataclass(frozen=True)
class Usage:
    """By what a part of a charge is divided: what one used and all used that count, and the capacity, in units of the meters."""

    part: str
    meters: tuple[str, ...]
    quantity: Decimal
    total: Decimal
    capacity: Decimal | None


def driven(division: Division, spec: Allocation, rows: np.ndarray) -> tuple[np.ndarray, Shares]:
    """The keys of the rows that rules took, from 0 on, and the shares of each key."""
    codes, keys = keys_of(division, spec, rows)
    return codes, shares_by_key(division, spec, keys, lambda alone, some: _driven(alone, spec, some))


def _driven(division: Division, spec: Allocation, keys: Keys) -> Shares:
    parts = spec.drivers()
    amounts = [_with_rest(division, spec, driver, keys) for _, driver, _ in parts]
    totals, unknown = _totals(
        spec, [weight for _, _, weight in parts], [capacity for _, capacity in amounts], len(keys)
    )
    pieces = [
        _shares(spec, found, split(totals[:, number], found.key, found.weight), number)
        for number, (found, _) in enumerate(amounts)
    ]
    meters = ", ".join(sorted({each.capacity.meter for _, each, _ in parts if each.capacity and each.capacity.meter}))
    pieces.append(
        Shares(
            unknown,
            np.full(len(unknown), division.targets.number(UNALLOCATED)),
            np.full(len(unknown), METHODS.index(spec.method)),
            np.full(len(unknown), division.reasons.number(f"there is no capacity by {meters} in its hours")),
            np.full(len(unknown), WHOLE),
            np.zeros(len(unknown), np.int64),
        )
    )
    return _by_key(division, joined(pieces))


def users(division: Division, spec: Allocation, rows: np.ndarray) -> tuple[np.ndarray, Shares]:
    """As ``driven``, but with equal parts for whoever used anything."""
    codes, keys = keys_of(division, spec, rows)
    return codes, shares_by_key(division, spec, keys, lambda alone, some: _users(alone, spec, some))


def _users(division: Division, spec: Allocation, keys: Keys) -> Shares:
    ((_, driver, _),) = spec.drivers()
    used = amounts_used(division, driver, keys, own=False)
    some = used.weight > 0
    equal = Amounts(used.key[some], used.target[some], used.reason[some], np.ones(int(some.sum()), np.int64))
    found = _completed(division, driver, equal, np.zeros(len(keys), np.int64), "", len(keys))
    return _shares(spec, found, split(np.full(len(keys), WHOLE), found.key, found.weight), 0)


def usage_of_rows(division: Division, spec: Allocation, rows: np.ndarray, target: str) -> list[tuple[Usage, ...]]:
    """By row: of each part that rules divide by usage, what was used."""
    codes, keys = keys_of(division, spec, rows)
    parts = []
    for name, driver, _ in spec.drivers():
        used = amounts_used(division, driver, keys, own=spec.of is None and spec.even is None)
        mine = used.target == division.targets.number(target)
        quantities = sums(used.key[mine], used.weight[mine], len(keys)).tolist()
        totals = sums(used.key, used.weight, len(keys)).tolist()
        capacity = None if driver.capacity is None else capacity_of(division, driver, driver.capacity, keys).tolist()
        parts.append(
            [
                Usage(
                    name,
                    driver.meter,
                    to_decimal(quantities[key]),
                    to_decimal(totals[key]),
                    None if capacity is None else to_decimal(int(capacity[key])),
                )
                for key in range(len(keys))
            ]
        )
    return [tuple(part[code] for part in parts) for code in codes.tolist()]


def _with_rest(division: Division, spec: Allocation, driver: Driver, keys: Keys) -> tuple[Amounts, np.ndarray]:
    """What each tenant used, with what was not used of the capacity; and the capacity of each key."""
    used = amounts_used(division, driver, keys, own=spec.of is None)
    if driver.capacity is None:
        return _completed(division, driver, used, np.zeros(len(keys), np.int64), "", len(keys)), np.zeros(
            len(keys), np.int64
        )
    capacity = capacity_of(division, driver, driver.capacity, keys)
    rest = wide(capacity) - wide(sums(used.key, used.weight, len(keys)))
    rest[rest < 0] = 0
    return _completed(division, driver, used, rest, pool_target(driver.capacity.rest), len(keys)), capacity


def _completed(division: Division, driver: Driver, used: Amounts, rest: np.ndarray, pool: str, count: int) -> Amounts:
    """Amounts with what goes to the pool, and, for keys that have neither, with a weight for what is unallocated."""
    idle = np.flatnonzero(rest)
    nothing = np.setdiff1d(np.arange(count), np.concatenate([used.key, idle]))
    reason = division.reasons.number(f"there is no usage of {' and '.join(driver.meter)} in its hours")
    key = np.concatenate([used.key, idle, nothing])
    order = np.argsort(key, kind="stable")
    weights = [used.weight, rest[idle], np.ones(len(nothing), np.int64)]
    dtype = object if any(each.dtype == object for each in weights) else np.int64
    return Amounts(
        key[order],
        np.concatenate(
            [
                used.target,
                np.full(len(idle), division.targets.number(pool) if len(idle) else 0),
                np.full(len(nothing), division.targets.number(UNALLOCATED) if len(nothing) else 0),
            ]
        )[order],
        np.concatenate([used.reason, np.zeros(len(idle), np.int64), np.full(len(nothing), reason)])[order],
        np.concatenate([each.astype(dtype) for each in weights])[order],
    )


def _totals(
    spec: Allocation, weights: Sequence[Decimal], capacities: Sequence[np.ndarray], count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Of each key the share of each part (keys x parts), and the keys that have none because nobody knows their capacity."""
    whole = np.array([scaled(weight, FRACTION_DIGITS_MAX) for weight in weights], object)
    each = np.tile(whole, (count, 1))
    if spec.split is not None:
        each = each * np.stack([wide(capacity) for capacity in capacities], axis=1)
    unknown = np.flatnonzero(each.sum(axis=1) == 0) if count else np.zeros(0, np.int64)
    each[unknown] = 1
    group = np.repeat(np.arange(count), len(weights))
    totals = split(np.full(count, WHOLE), group, each.reshape(-1)).reshape(count, len(weights))
    totals[unknown] = 0
    return totals, unknown


def _shares(spec: Allocation, found: Amounts, share: np.ndarray, part: int) -> Shares:
    """The shares of one part of a method."""
    method = np.full(len(share), METHODS.index(spec.method))
    return Shares(found.key, found.target, method, found.reason, share, np.full(len(share), part))


def _by_key(division: Division, shares: Shares) -> Shares:
    """By key and then by names, each target once for each reason and part, and without those of whom nothing is.

    The numbers of names depend on what else is divided, and who comes first must not.
    """
    some = np.flatnonzero(shares.share)
    target = ranks(division.targets.things)[shares.target[some]]
    reason = ranks(division.reasons.things)[shares.reason[some]]
    code = shares.key[some]
    for column in (target, reason, shares.part[some]):
        code = code * (int(column.max(initial=0)) + 1) + column
    order = np.argsort(code, kind="stable")
    firsts = np.flatnonzero(np.diff(code[order], prepend=-1))
    share = np.add.reduceat(shares.share[some[order]], firsts)
    return replace(shares.chosen(some[order[firsts]]), share=share)
