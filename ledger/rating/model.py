"""What a price model is: a document with prices in it, and a pure function from what was used to rated lines.

A model is a strict part of a plan's document, so what it needs to know is written, checked and explained where it is
used. Its :meth:`Model.rate` gets what was used and gives lines with exact amounts: nothing is rounded here, no time is looked at and
nothing is read. What holds for every model, and is tested for all of them: nothing used costs nothing, or what the
model says is owed at least; the quantities of the lines add up to the quantity that was used, where the model divides it; a quantity
below zero costs what zero does, since a total can only get there by corrections that take back more than the period held: what they take back was
charged, if at all, in another period, and is given back there.

By what a model goes (``of``) decides what else the price must say:

``quantity``  of a meter, or of something that the subscription holds, such as seats
``nothing``   it is charged for time alone
``cost``      what serving the tenant cost
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar, Literal

from ledger.schema.decimals import plain_text
from ledger.schema.spec import Part

#: What a price is charged by.
Basis = Literal["quantity", "nothing", "cost"]


@dataclass(frozen=True, slots=True)
class Piece:
    """The quantity of one set of dimensions."""

    dimensions: Mapping[str, str]
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Used:
    """What was used: the quantity, in pieces by dimensions that add up to it, and what else a model may go by.

    ``others`` holds the quantities of the meters that the model names besides (:meth:`Model.meters`), ``attributes`` those of the tenant.
    """

    quantity: Decimal
    pieces: tuple[Piece, ...] = ()
    others: Mapping[str, Decimal] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RatedLine:
    """A piece of what was used, at one price. ``amount`` is exact and not yet rounded.

    ``unit_price`` is None where the amount is not a quantity x a price; what a tier charges once is in the amount besides. ``tier`` counts from 1, 0 where there are no tiers. ``label`` says
    which piece it is, where the model does not say it by a tier.
    """

    quantity: Decimal
    unit_price: Decimal | None
    amount: Decimal
    tier: int = 0
    label: str = ""


class Unpriced(Exception):
    """Something was used that the model has no price for: ``dimensions`` are those of the piece, ``quantity`` how much of it there is.

    It is no reason to charge nothing: whoever gets it must not make an invoice of what is left.
    """

    def __init__(self, dimensions: Mapping[str, str], quantity: Decimal) -> None:
        # Its arguments are those of the exception, too, so that it can be handed from one process to another.
        super().__init__(dimensions, quantity)
        self.dimensions = dimensions
        self.quantity = quantity

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in sorted(self.dimensions.items())) or "no dimensions"
        return f"there is no price for the {plain_text(self.quantity)} used with {shown}"


class Model(Part):
    """A price model. ``model``, its name, is a literal of each."""

    of: ClassVar[Basis] = "quantity"
    #: Whether it goes by the dimensions of what was used, or by the attributes of the tenant.
    by_dimensions: ClassVar[bool] = False
    by_attributes: ClassVar[bool] = False

    @abstractmethod
    def rate(self, used: Used) -> tuple[RatedLine, ...]:
        """The lines of what was used, amounts exact.

        Raises ``decimal.Inexact`` where a product would not fit 100 digits, Unpriced where something that was used has no price, and
        KeyError where ``used.others`` lacks one of :meth:`meters`: what was not measured must not be taken for zero.
        """

    def meters(self) -> tuple[str, ...]:
        """The meters that the model goes by besides the price's own."""
        return ()
