"""Usage without a price: what is used of the meters that price books name, less what one of them has a price for.

Its cost is not known, which is something else than nothing. So it is told with meter, dimensions and hours, and with the reason as far as one is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from ledger.costing.metered import Metered
from ledger.costing.profiles import numbered
from ledger.costing.register import Register
from ledger.costing.using import sums
from ledger.journal.quantity import to_decimal
from meterbook.wire.instants import HOUR_US

#: Why usage that no item asks for has no price.
NO_ITEM = "no item of a price book is for it"


@dataclass(frozen=True)
class Unpriced:
    """Usage of some dimensions without a price for one reason: ``hours`` of them from ``start_us`` to ``end_us``, and the quantity in ``unit``."""

    meter: str
    tenant: str
    dimensions: str
    start_us: int
    end_us: int
    hours: int
    quantity: Decimal
    unit: str
    reason: str


class Want:
    """What of the usage of one meter has a price by now."""

    def __init__(self, meter: str, used: Metered) -> None:
        self.meter, self.used = meter, used
        self._is_priced = np.zeros(len(used), bool)
        self._reason = np.zeros(len(used), np.int64)
        self._reasons = Register(NO_ITEM)

    def priced(self, rows: np.ndarray) -> None:
        """These rows have a price."""
        self._is_priced[rows] = True

    def missed(self, rows: np.ndarray, reason: str) -> None:
        """An item was for these rows and has no price for them. The first reason counts."""
        untold = rows[self._reason[rows] == 0]
        self._reason[untold] = self._reasons.number(reason)

    def left(self) -> list[Unpriced]:
        """What has no price: by tenant, dimensions and reason."""
        used, rows = self.used, np.flatnonzero(~self._is_priced)
        order = rows[np.lexsort([self._reason[rows], used.user[rows]])]
        codes, places = numbered([used.user[order], self._reason[order]], len(order))
        quantities = sums(codes, used.nano[order], len(places))
        ends = np.append(places, len(order))[1:]
        found = []
        for first, end, nano in zip(places.tolist(), ends.tolist(), quantities.tolist(), strict=True):
            user, hours = used.users[used.user[order[first]]], used.hour_us[order[first:end]]
            found.append(
                Unpriced(
                    self.meter,
                    user.tenant,
                    user.dimensions,
                    int(hours.min()),
                    int(hours.max()) + HOUR_US,
                    len(hours),
                    to_decimal(nano),
                    used.unit,
                    self._reasons.things[self._reason[order[first]]],
                )
            )
        return sorted(found, key=lambda each: (each.tenant, each.dimensions, each.start_us, each.reason))
