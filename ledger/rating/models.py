"""The price models, in one place. A new model is one module with its function and one line in ``MODELS``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from ledger.directory.plan import Charge, Tier
from ledger.rating import graduated
from ledger.rating.rated import RatedLine

#: A pure function: (quantity, tiers) -> lines whose quantities add up to the quantity, where it is not negative.
Model = Callable[[Decimal, Sequence[Tier]], tuple[RatedLine, ...]]

MODELS: Mapping[str, Model] = {
    "graduated": graduated.rate,
}


def rate(quantity: Decimal, charge: Charge) -> tuple[RatedLine, ...]:
    """The lines of a quantity under a charge's model, amounts exact."""
    return MODELS[charge.model](quantity, charge.tiers)
