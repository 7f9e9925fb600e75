"""What was used by whom, by the keys of rules that go by usage.

A key is the hours of a charge's period and what the drivers read of the charge: the profiles that have the same there share one key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ledger.costing.division import Division, scaled
from ledger.costing.drivers import Asked, hours, usage_of
from ledger.costing.profiles import numbered
from ledger.costing.register import ranks
from ledger.costing.shares import whole_numbers
from ledger.costing.targets import bearer, is_own
from ledger.directory.allocation import Allocation
from ledger.directory.focus import Reading
from ledger.directory.methods import Capacity, Driver
from ledger.journal.quantity import PLACES
from meterbook.wire.instants import HOUR_US


@dataclass(frozen=True)
class Keys:
    """The keys of a rule: a profile that stands for each, the hours of its period, and the texts that drivers read of it."""

    places: np.ndarray
    start_us: np.ndarray
    end_us: np.ndarray
    texts: Sequence[pa.Array] = ()

    def __len__(self) -> int:
        return len(self.places)

    def chosen(self, rows: np.ndarray) -> Keys:
        """Some of them, by their numbers; these are numbered anew."""
        at = pa.array(rows)
        return Keys(self.places[rows], self.start_us[rows], self.end_us[rows], [text.take(at) for text in self.texts])


@dataclass(frozen=True)
class Amounts:
    """What counts for whom: rows by key and then by name; ``weight`` in units of 10^-9 of the meter's unit."""

    key: np.ndarray
    target: np.ndarray
    reason: np.ndarray
    weight: np.ndarray


def keys_of(division: Division, spec: Allocation, rows: np.ndarray) -> tuple[np.ndarray, Keys]:
    """The key of each row, from 0 on, and what the keys are."""
    profiles = division.profiles
    start_us, end_us = hours(profiles.start_us[rows], profiles.end_us[rows])
    readings = {}
    for _, driver, _ in spec.drivers():
        wheres = [driver.where, (driver.capacity.where or {}) if driver.capacity else {}]
        readings.update({(each.column, each.capture): each for where in wheres for each in where.values()})
    columns = [profiles.columns[each.column].read(each) for _, each in sorted(readings.items(), key=str)]
    # Hours are numbers of a narrow range, which are told apart faster.
    periods = [start_us // HOUR_US, (end_us - start_us) // HOUR_US]
    codes, places = numbered([*periods, *(column.codes[rows] for column in columns)], len(rows))
    texts = [column.chosen(rows[places]) for column in columns]
    return codes, Keys(rows[places], start_us[places], end_us[places], texts)


def amounts_used(division: Division, driver: Driver, keys: Keys, *, own: bool) -> Amounts:
    """What each tenant used; what is no customer's only if it is its ``own`` to bear."""
    found = usage_of(division.view, division.catalog, driver.meter, _asked(division, driver.where, keys))
    encoded = found["tenant"].combine_chunks().dictionary_encode()
    tenants: list[str] = encoded.dictionary.to_pylist()
    told = [bearer(tenant) for tenant in tenants]
    codes = encoded.indices.to_numpy()
    weight, key = whole_numbers(found["quantity"]), found["key"].to_numpy()
    # By key, and of each key by name: where remainders are equal the first name has it.
    rank = ranks(tenants)[codes]
    order = np.argsort(key * (len(tenants) + 1) + rank)
    codes, weight, key = codes[order], weight[order], key[order]
    kept = np.array([own or not is_own(target) for target, _ in told], bool)[codes]
    negative = kept & (weight < 0)
    for tenant in sorted({tenants[code] for code in np.unique(codes[negative]).tolist()}):
        meters = " and ".join(driver.meter)
        division.problems[
            f"usage of {meters} by {tenant!r} is less than 0 in some period, and counts as 0; correct the meter's events"
        ] = None
    kept &= weight > 0
    codes = codes[kept]
    targets, reasons = np.zeros(len(told), np.int64), np.zeros(len(told), np.int64)
    for code in np.unique(codes).tolist():
        target, reason = told[code]
        targets[code], reasons[code] = division.targets.number(target), division.reasons.number(reason)
    return Amounts(key[kept], targets[codes], reasons[codes], weight[kept])


def _asked(division: Division, where: Mapping[str, Reading], keys: Keys) -> Asked:
    columns = division.profiles.columns
    texts = {name: columns[reading.column].read(reading).chosen(keys.places) for name, reading in where.items()}
    return Asked(keys.start_us, keys.end_us, texts)


def capacity_of(division: Division, driver: Driver, capacity: Capacity, keys: Keys) -> np.ndarray:
    """The capacity of each key in units of 10^-9, as Python's integers; one below 0 counts as 0 and is a problem."""
    if capacity.amount_per_h is not None:
        return wide((keys.end_us - keys.start_us) // HOUR_US) * scaled(capacity.amount_per_h, PLACES)
    assert capacity.meter is not None
    where = driver.where if capacity.where is None else capacity.where
    found = usage_of(division.view, division.catalog, [capacity.meter], _asked(division, where, keys))
    key = found["key"].to_numpy()
    order = np.argsort(key)
    amounts = sums(key[order], whole_numbers(found["quantity"])[order], len(keys))
    if (amounts < 0).any():
        division.problems[f"the capacity by {capacity.meter} is less than 0 in some period, and counts as 0"] = None
    positive: np.ndarray = np.maximum(amounts, 0)
    return positive


def sums(key: np.ndarray, numbers: np.ndarray, count: int) -> np.ndarray:
    """Sums of numbers by key, which ascend; 0 for a key without any. Of Python's integers, since they may be of any size."""
    found = np.zeros(count, object)
    if len(key):
        firsts = np.flatnonzero(np.diff(key, prepend=-1))
        found[key[firsts]] = np.add.reduceat(numbers.astype(object), firsts)
    return found


def wide(numbers: np.ndarray) -> np.ndarray:
    """Numbers as Python's integers."""
    return numbers.astype(object)
