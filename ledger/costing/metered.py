"""What was used of a meter, hour by hour, as columns: what price books are held against.

Quantities are those of ``drivers``: what is booked, and what is measured where nothing is yet. A window belongs to the hour in which it begins.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ledger.costing.drivers import sources
from ledger.costing.profiles import numbered
from ledger.costing.shares import whole_numbers
from ledger.directory.catalog import Catalog
from ledger.directory.meter import Meter
from ledger.directory.pricebook import TENANT
from ledger.journal.quantity import PLACES
from ledger.journal.view import View
from meterbook.wire.instants import HOUR_US
from meterbook.wire.sections import QUANTITY

_QUESTION = (
    "WITH used AS (SELECT entries.meter, tenant, dimensions, epoch_us(hour) // 3600000000 * 3600000000 AS hour_us, quantity"  # noqa: S608
    "  FROM entries JOIN ranges ON entries.meter = ranges.meter AND epoch_us(hour) >= low_us AND epoch_us(hour) < high_us"
    "  WHERE position <= $1 AND hour >= make_timestamp($2) AND hour < make_timestamp($3)"
    "  UNION ALL SELECT meter, tenant, dimensions, hour_us // 3600000000 * 3600000000, quantity FROM measured)"
    f" SELECT tenant, dimensions, hour_us, sum(quantity)::DECIMAL({QUANTITY.precision}, {QUANTITY.scale}) AS quantity"
    " FROM used GROUP BY ALL HAVING sum(quantity) <> 0 ORDER BY tenant, dimensions, hour_us"
)


@dataclass(frozen=True)
class User:
    """Somebody's usage under some dimensions, which are canonical JSON."""

    tenant: str
    dimensions: str

    @cached_property
    def names(self) -> Mapping[str, str]:
        """The dimensions, and the tenant as one of them; without those that are missing."""
        told = {name: text for name, text in json.loads(self.dimensions).items() if text is not None}
        return {**told, TENANT: self.tenant}


@dataclass(frozen=True)
class Metered:
    """Quantities of one meter: rows by user and hour, none of them 0. ``nano`` is in units of 10^-9 of the meter's ``unit``.

    ``user`` is the place of the row's user in ``users``.
    """

    unit: str
    users: tuple[User, ...]
    user: np.ndarray
    hour_us: np.ndarray
    nano: np.ndarray

    def __len__(self) -> int:
        return len(self.user)


def metered(view: View, catalog: Catalog, meter: str, low_us: int, high_us: int) -> Metered:
    """What was used of a meter in the hours that begin in [low, high)."""
    ranges, measured = sources(view, catalog, [meter], low_us, high_us)
    found = view.tables.query(_QUESTION, [view.position, low_us, high_us], {"ranges": ranges, "measured": measured})
    spec = catalog.versions("meter", meter)[-1].spec
    assert isinstance(spec, Meter)
    tenants, dimensions = (found[name].combine_chunks().dictionary_encode() for name in ("tenant", "dimensions"))
    user, places = numbered([each.indices.to_numpy().astype(np.int64) for each in (tenants, dimensions)], len(found))
    users = tuple(User(tenants[place].as_py(), dimensions[place].as_py()) for place in places.tolist())
    return Metered(spec.unit, users, user, found["hour_us"].to_numpy(), whole_numbers(found["quantity"]))


def machines(count: int, low_us: int, high_us: int) -> Metered:
    """So many machines in every hour that begins in [low, high), as usage of hours."""
    hour_us = np.arange(-(-low_us // HOUR_US) * HOUR_US, high_us, HOUR_US, dtype=np.int64)
    nano = np.full(len(hour_us), count * 10**PLACES, np.int64)
    return Metered("hours", (User("", "{}"),), np.zeros(len(hour_us), np.int64), hour_us, nano)
