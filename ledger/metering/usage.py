"""Usage: what metering hands on to costing, rating and billing.

One row is one quantity of one meter, tenant and set of dimensions in one window. It carries how well the window
was observed and how much of the quantity is estimated, because whoever turns it into money has to be able to
say so; a quantity alone would make a measured zero look like a missing measurement.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ledger.schema.decimals import portion


@dataclass(frozen=True)
class Usage:
    """One quantity.

    ``dimensions`` is canonical JSON of the meter's group-by values. ``window_us`` is the start of the window in
    microseconds, None where the row covers the whole range asked for. ``estimated`` is the part of ``quantity``
    that stands on intervals longer than the meter's ``max_gap_s``. ``observed_us`` and ``expected_us`` add up
    the sources' observed and expected time. Where the row covers the whole range, ``entries`` says how many entries of the book
    are of it, and ``first`` and ``last`` at which positions they begin and end; what is not booked yet has none.
    """

    meter: str
    tenant: str
    dimensions: str
    window_us: int | None
    quantity: Decimal
    unit: str
    estimated: Decimal
    observed_us: int
    expected_us: int
    entries: int = 0
    first: int = 0
    last: int = 0

    @property
    def coverage(self) -> Decimal | None:
        """observed / expected with four digits, rounded down; None where nothing is expected."""
        return portion(self.observed_us, self.expected_us)
