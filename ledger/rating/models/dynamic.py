"""Dynamic: the price came with each event, and what is owed is their sum.

The meter sums an amount of money that the events carry, in the plan's currency, so its quantity is what is owed. There is nothing to
multiply, and so no unit price. Where another meter, ``units``, says how many units that was for, the invoice shows these; it has no
influence on the amount.

>>> from ledger.rating.models.dynamic import Dynamic
>>> from ledger.rating.model import Used
>>> from decimal import Decimal
>>> used = Used(Decimal("81.37"), others={"kilometres": Decimal(1204)})
>>> [(str(line.quantity), str(line.amount)) for line in Dynamic(model="dynamic", units="kilometres").rate(used)]
[('1204', '81.37')]
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ledger.rating.model import Model, RatedLine, Used
from ledger.schema.spec import Name


class Dynamic(Model):
    """The sum of the prices that came with the events."""

    model: Literal["dynamic"] = Field(description="The sum of the prices that came with the events.")
    units: Name | None = Field(
        default=None, description="Meter whose quantity is shown beside the amount; by default the amount itself is."
    )

    def rate(self, used: Used) -> tuple[RatedLine, ...]:
        """One line without a unit price; none where nothing is owed. Raises KeyError where ``used`` has no ``units``."""
        if used.quantity <= 0:
            return ()
        shown = used.quantity if self.units is None else used.others[self.units]
        return (RatedLine(shown, None, used.quantity),)

    def meters(self) -> tuple[str, ...]:
        """The meter of the units, if there is one."""
        return (self.units,) if self.units is not None else ()
