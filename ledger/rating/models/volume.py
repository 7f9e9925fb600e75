"""Volume: all units have one price, that of the tier which their total falls into.

With tiers up to 1000 at 0.002 and beyond at 0.001, a quantity of 1500 is 1500 x 0.001: the larger the total, the cheaper every unit of it.
So a little more can cost less: 1000 units cost 2, and 1001 units cost 1.001. Who does not want that takes graduated tiers.

>>> from ledger.rating.models.volume import Volume
>>> from ledger.rating.model import Used
>>> from decimal import Decimal
>>> volume = Volume(model="volume", tiers=[{"up_to": 1000, "unit_price": "0.002"}, {"unit_price": "0.001"}])
>>> [(str(line.quantity), str(line.amount), line.tier) for line in volume.rate(Used(Decimal(1000)))]
[('1000', '2.000', 1)]
>>> [(str(line.quantity), str(line.amount), line.tier) for line in volume.rate(Used(Decimal(1500)))]
[('1500', '1.500', 2)]
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ledger.rating.model import Model, RatedLine, Used
from ledger.rating.tiers import Tiers, reached
from ledger.schema.decimals import charged


class Volume(Model):
    """All units at the price of the tier that their total falls into."""

    model: Literal["volume"] = Field(description="All units at the price of the tier that their total falls into.")
    tiers: Tiers = Field(description="Tiers in rising order; the last has no end.")

    def rate(self, used: Used) -> tuple[RatedLine, ...]:
        """One line, with the tier and what is charged once for it; none where nothing was used."""
        found = reached(used.quantity, self.tiers)
        if found is None:
            return ()
        number, tier = found
        amount = charged(used.quantity, tier.unit_price, tier.amount)
        return (RatedLine(used.quantity, tier.unit_price, amount, number),)
