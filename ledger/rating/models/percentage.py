"""Percentage: a part of an amount of money, and a fixed amount for each event that moved it.

The quantity is money: the price's own meter sums what was paid, in the plan's currency. The events are another meter's, named by
``count``; a price's ``where`` narrows both. Each of the two stands for itself: events of an amount of zero, such as a card that was only checked, are charged all
the same, and so they are where more was paid back than paid; the percentage is then nothing. What is owed at least is owed as
soon as there is something of either, and a line of its own says what was missing. What is owed even of nothing is the minimum of the price.

2.9 percent of 1000, and 0.30 for each of 40 payments:

>>> from ledger.rating.models.percentage import Percentage
>>> from ledger.rating.model import Used
>>> from decimal import Decimal
>>> percentage = Percentage(model="percentage", percent="2.9", fixed="0.30", count="payments")
>>> used = Used(Decimal(1000), others={"payments": Decimal(40)})
>>> [(str(line.quantity), str(line.amount), line.label) for line in percentage.rate(used)]
[('1000', '29.000', '2.9 %'), ('40', '12.0', 'payments')]
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field, model_validator

from ledger.rating.model import Model, RatedLine, Used
from ledger.rating.percent import share
from ledger.schema.decimals import PlainDecimal, exact, plain_text, total
from ledger.schema.spec import Name

_NOTHING = Decimal(0)


class Percentage(Model):
    """A part of an amount of money, and an amount per event."""

    model: Literal["percentage"] = Field(description="A part of an amount of money, and an amount per event.")
    percent: PlainDecimal = Field(description="Charged of the meter's quantity, an amount of money, in percent of it.")
    fixed: PlainDecimal = Field(
        default=_NOTHING,
        description="Charged for each event that 'count' counts, in the plan's currency; 0 by default.",
    )
    count: Name | None = Field(default=None, description="Meter that counts the events; none by default.")
    minimum: PlainDecimal = Field(
        default=_NOTHING,
        description="Owed at least as soon as anything was used, in the plan's currency; 0 by default.",
    )

    @model_validator(mode="after")
    def _events_are_counted(self) -> Percentage:
        if self.fixed and self.count is None:
            raise ValueError("'fixed' is charged for each event: name the meter that counts them, 'count'")
        if self.count is not None and not self.fixed:
            raise ValueError("'count' goes with 'fixed', what each of the events is charged")
        return self

    def rate(self, used: Used) -> tuple[RatedLine, ...]:
        """Lines of the amount, of the events, and of what is missing to the minimum; what is zero has none. Raises KeyError where ``used`` has no ``count``."""
        lines = []
        with exact():
            if used.quantity > 0:
                factor = share(self.percent)
                label = f"{plain_text(self.percent)} %"
                lines.append(RatedLine(used.quantity, factor, used.quantity * factor, label=label))
            # A count that is not there at all must not be taken for zero events.
            if self.count is not None and (events := used.others[self.count]) > 0:
                lines.append(RatedLine(events, self.fixed, events * self.fixed, label=self.count))
            missing = self.minimum - total(line.amount for line in lines)
        if lines and missing > 0:
            # Its quantity is zero: it is a piece of what is owed, and none of what was used.
            lines.append(RatedLine(_NOTHING, None, missing, label="minimum"))
        return tuple(lines)

    def meters(self) -> tuple[str, ...]:
        """The meter that counts the events, if there is one."""
        return (self.count,) if self.count is not None else ()
