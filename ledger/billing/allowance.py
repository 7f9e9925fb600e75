"""What is included: a quantity of each billing period that costs nothing, and what of it is carried on.

What was carried over is used first, the oldest first, so that as little as possible is lost. What is then left of the period's own is carried on
for as many billing periods as the plan says, and no more than it says in all: what is over is cut from the oldest. A billing period that is paused
counts like any other, but uses nothing up. One in which the plan has no such price ends what was carried, for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from ledger.directory.price import Included
from ledger.rating.model import Piece, Used
from ledger.schema.decimals import exact, total

if TYPE_CHECKING:
    from ledger.billing.drawn import Drawn

#: Quantities of usage have nine digits, and so have parts of an allowance.
_NANO = Decimal("1e-9")
_NONE = Decimal(0)


@dataclass(frozen=True)
class Lot:
    """What is left of the allowance of one cycle: the start of that, and how many more cycles it can be used in after the present one."""

    start_us: int
    quantity: Decimal
    cycles_left: int


@dataclass(frozen=True)
class Carried:
    """What is carried of an allowance, the oldest first."""

    lots: tuple[Lot, ...] = ()

    def into_next(self) -> Carried:
        """What of it can still be used in the next cycle."""
        return Carried(
            tuple(
                replace(lot, cycles_left=lot.cycles_left - 1) for lot in self.lots if lot.cycles_left and lot.quantity
            )
        )


def take(given: Drawn, included: Included, carried: Carried, cycle_us: int) -> tuple[Drawn, Carried]:
    """What of a quantity has to be paid, and what is left of the allowances, the present cycle's own among them."""
    own = _portion(included.quantity, given.allowed)
    lots = [*carried.lots, Lot(cycle_us, own, included.rollover_periods)]
    wanted = max(given.used.quantity, _NONE)
    left: list[Lot] = []
    taken = _NONE
    with exact():
        for lot in lots:
            drawn = min(lot.quantity, wanted - taken)
            taken += drawn
            left.append(Lot(lot.start_us, lot.quantity - drawn, lot.cycles_left))
        pieces = _less(given.used.pieces, taken) if given.used.pieces else ()
        used = Used(given.used.quantity - taken, pieces, given.used.others, given.used.attributes)
    return given._replace(used=used, included=taken), Carried(tuple(left))


def kept(carried: Carried, included: Included) -> Carried:
    """What of it is carried on at the end of a cycle."""
    return Carried(_capped([lot for lot in carried.lots if lot.cycles_left and lot.quantity], included))


def _portion(quantity: Decimal, share: Fraction) -> Decimal:
    if share == 1:
        return quantity
    whole = Fraction(quantity) * share / Fraction(_NANO)
    with exact():
        return (Decimal(whole.numerator // whole.denominator) * _NANO).quantize(_NANO, rounding=ROUND_FLOOR)


def _less(pieces: Sequence[Piece], taken: Decimal) -> tuple[Piece, ...]:
    """The pieces without what is included, which is taken off them in their order."""
    found: list[Piece] = []
    with exact():
        for piece in pieces:
            off = min(max(piece.quantity, _NONE), taken)
            taken -= off
            found.append(replace(piece, quantity=piece.quantity - off))
    return tuple(found)


def _capped(lots: Sequence[Lot], included: Included) -> tuple[Lot, ...]:
    if included.rollover_maximum is None:
        return tuple(lots)
    with exact():
        over = total(lot.quantity for lot in lots) - included.rollover_maximum
        found: list[Lot] = []
        for lot in lots:
            cut = min(max(over, _NONE), lot.quantity)
            over -= cut
            found.append(replace(lot, quantity=lot.quantity - cut))
    return tuple(found)
