"""Package: units are sold in packages of one size, and a package that is begun is paid whole.

A quantity is charged the least number of packages that hold it. With 1000 messages for 5, one message is a package, 1000 are still
one, and 3001 are four. Quantities need not be whole: 1000.5 are two packages. Nothing used is no package. What costs nothing to
begin with is said by what the price includes; the packages are counted of what is left.

>>> from ledger.rating.models.package import Package
>>> from ledger.rating.model import Used
>>> from decimal import Decimal
>>> package = Package(model="package", size=1000, amount=5)
>>> [(str(line.quantity), str(line.amount), line.label) for line in package.rate(Used(Decimal(3001)))]
[('3001', '20', '4 x 1000')]
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ledger.rating.model import Model, RatedLine, Used
from ledger.schema.decimals import PlainDecimal, exact, plain_text


def _holds_something(size: Decimal) -> Decimal:
    if size == 0:
        raise ValueError("a package of 0 would hold nothing, and no number of them a quantity")
    return size


class Package(Model):
    """Packages of one size, begun ones paid whole."""

    model: Literal["package"] = Field(description="Packages of one size, begun ones paid whole.")
    size: Annotated[PlainDecimal, AfterValidator(_holds_something)] = Field(
        description="How much a package holds, in the meter's unit; more than 0."
    )
    amount: PlainDecimal = Field(description="Price of one package, in the plan's currency.")

    def rate(self, used: Used) -> tuple[RatedLine, ...]:
        """One line without a unit price, its label the number of packages x their size; none where nothing was used."""
        if used.quantity <= 0:
            return ()
        with exact():
            # Whole packages and what is left over: neither is ever rounded, as a quotient would be.
            whole, left = divmod(used.quantity, self.size)
            packages = whole + 1 if left else whole
            amount = packages * self.amount
        return (RatedLine(used.quantity, None, amount, label=f"{packages:f} x {plain_text(self.size)}"),)
