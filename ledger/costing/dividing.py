"""What a method makes of the profiles that rules took by it: the key of each, and of each key what is whose.

Rules that say the same of what they take are asked together, so that what they say is found once.

The methods that need no usage are here: whose a charge is because it says so, in equal parts, by stated weights, or all of it to a pool.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from ledger.costing.division import Division
from ledger.costing.driven import driven, users
from ledger.costing.inventory import owners
from ledger.costing.profiles import MISSING, Coded, numbered
from ledger.costing.shares import WHOLE, Shares
from ledger.costing.targets import BOOKED, NO_REASON, UNALLOCATED, pool_target
from ledger.directory.allocation import METHODS, Allocation
from ledger.directory.driverunits import unlike_units
from ledger.directory.methods import Direct


def divided(division: Division, place: int, rows: np.ndarray) -> tuple[np.ndarray, Shares]:
    """The keys of the rows that the rule of this place took, or others that say the same, from 0 on, and the shares of each key."""
    spec = division.rules[place].spec
    for _, message in unlike_units(division.catalog, spec):
        division.problems[f"the allocation rule {division.rules[place].name!r}: {message}"] = None
    if spec.direct is not None:
        return _direct(division, place, rows)
    if spec.even is not None and spec.even.using is not None:
        return users(division, spec, rows)
    if spec.drivers():
        return driven(division, spec, rows)
    if spec.even is not None and spec.even.defined:
        return _defined(division, rows)
    shares = division.stated([_targets(spec)], METHODS.index(spec.method), "a rule leaves it so")
    return np.zeros(len(rows), np.int64), shares


def names_one(division: Division, place: int) -> np.ndarray:
    """Of a rule of the method direct: whether each profile says whose it is."""
    found: np.ndarray = _tenants(division, place).codes != MISSING
    return found


def _targets(spec: Allocation) -> list[tuple[str, Decimal]]:
    if spec.even is not None:
        return [(tenant, Decimal(1)) for tenant in spec.even.tenants or ()]
    if spec.fixed is not None:
        pools = [(pool_target(pool), weight) for pool, weight in sorted(spec.fixed.pools.items())]
        return [*sorted(spec.fixed.tenants.items()), *pools]
    assert spec.to is not None
    return [(pool_target(spec.to), Decimal(1))]


def _direct(division: Division, place: int, rows: np.ndarray) -> tuple[np.ndarray, Shares]:
    tenants = _tenants(division, place)
    found, codes = np.unique(tenants.codes[rows], return_inverse=True)
    direct = division.rules[place].spec.direct
    is_inventory = direct is not None and direct.resource is not None
    known = {*division.catalog.names("tenant")}
    told = []
    for name in (tenants.texts[code] for code in found.tolist()):
        if is_inventory and name in BOOKED:
            told.append(BOOKED[name])
        elif name in known:
            told.append((name, NO_REASON))
        else:
            told.append((UNALLOCATED, f"the tenant {name!r} is not defined"))
    return codes, Shares(
        np.arange(len(told)),
        division.targets.numbers(target for target, _ in told),
        np.full(len(told), METHODS.index("direct")),
        division.reasons.numbers(reason for _, reason in told),
        np.full(len(told), WHOLE),
        np.zeros(len(told), np.int64),
    )


def _tenants(division: Division, place: int) -> Coded:
    """Of a rule of the method direct: the tenant that each profile names."""
    if place not in division.named:
        direct = division.rules[place].spec.direct
        assert direct is not None
        division.named[place] = _owned(division, direct) if direct.column is None else _read(division, direct)
    return division.named[place]


def _read(division: Division, direct: Direct) -> Coded:
    assert direct.column is not None
    column = division.profiles.columns[direct.column.column].read(direct.column)
    names = [direct.tenants.get(text, text) for text in column.texts]
    return _renumbered(names, column.codes)


def _owned(division: Division, direct: Direct) -> Coded:
    resource, profiles = direct.resource, division.profiles
    assert resource is not None
    column = profiles.columns[resource.column.column].read(resource.column)
    codes, places = numbered([column.codes, profiles.start_us], len(profiles))
    start_us = profiles.start_us[places]
    found = owners(division.view, resource.metric, resource.attributes, column.chosen(places), start_us)
    return _renumbered(found, codes)


def _renumbered(names: list[str] | list[str | None], codes: np.ndarray) -> Coded:
    """A column of names of which several numbers may have had the same one, or none."""
    number = {name: place for place, name in enumerate(dict.fromkeys(each for each in names if each is not None))}
    found = np.array([MISSING if name is None else number[name] for name in names] + [MISSING], np.int64)
    return Coded(found[codes], tuple(number))


def _defined(division: Division, rows: np.ndarray) -> tuple[np.ndarray, Shares]:
    """Equal parts for the tenants that are defined when each period begins."""
    start_us = division.profiles.start_us[rows]
    first_us = int(start_us.min())
    changes = division.catalog.changes("tenant", first_us, int(start_us.max()) + 1)
    epochs, codes = np.unique(np.searchsorted(np.array(changes, np.int64), start_us, "right"), return_inverse=True)
    tenants = [sorted(division.catalog.tenants((first_us, *changes)[epoch])) for epoch in epochs.tolist()]
    keys = [[(tenant, Decimal(1)) for tenant in each or [UNALLOCATED]] for each in tenants]
    return codes, division.stated(keys, METHODS.index("even"), "no tenant is defined")
