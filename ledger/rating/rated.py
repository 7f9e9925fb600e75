"""What rating gives: pieces of a quantity, each at one price, with an exact amount."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class RatedLine:
    """A piece of a quantity at one unit price. ``amount`` = quantity x unit_price, exact and not yet rounded."""

    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
