"""Rules about tiers and steps: prices that go the wrong way from one range to the next.

Each of these documents says something definite, and an invoice follows it to the letter. What the rules look for are the
places where a customer who buys a little more pays less, or where somebody copied a line and changed only half of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from ledger.directory.linting.files import Files, Modelled, Remark
from ledger.rating.models.graduated import Graduated
from ledger.rating.models.graduated_percentage import GraduatedPercentage
from ledger.rating.models.stairstep import Stairstep
from ledger.rating.models.volume import Volume
from ledger.rating.rounding import round_digits
from ledger.rating.tiers import Range, Tier
from ledger.schema.decimals import plain_text

#: No quantity comes near it: a thousand million million units in one billing period.
REACHED_MAX = Decimal(10) ** 15
_QUANTITY_DIGITS, _AMOUNT_DIGITS = 9, 18
_NANOS = 10**_QUANTITY_DIGITS


def rising_tier_price(files: Files) -> Iterator[Remark]:
    """A later tier costs more per unit than the one before, which was not free."""
    for each in files.models():
        for number, (path, lower, upper) in _neighbours(each):
            before, after = _rate(lower), _rate(upper)
            # What is free at first and paid beyond is an allowance, and meant.
            if before is not None and after is not None and 0 < before < after:
                yield Remark(
                    each.document,
                    path,
                    f"{each.label}: a unit of tier {number + 1} costs {plain_text(after)}, more than the {plain_text(before)} of tier {number}",
                    "who buys more mostly pays less per unit: look whether two prices were exchanged, or a digit is missing",
                )


def volume_dip(files: Files) -> Iterator[Remark]:
    """Buying more costs less: at the end of a volume tier all units become cheaper at once."""
    for each in files.models():
        if not isinstance(each.model, Volume):
            continue
        for number, (path, lower, upper) in _neighbours(each):
            assert isinstance(lower, Tier) and isinstance(upper, Tier) and lower.up_to is not None
            at = Fraction(lower.up_to)
            before, after = _volume_cost(lower, at), _volume_cost(upper, at)
            if after < before:
                again = _costs_again(each.model.tiers[number:], at, before)
                until = (
                    "and no larger quantity ever costs that again"
                    if again is None
                    else f"and only from {again} on as much again"
                )
                yield Remark(
                    each.document,
                    path,
                    f"{each.label}: {plain_text(lower.up_to)} units cost {_shown(before)}, a little more costs {_shown(after)}, {until}",
                    "use the model graduated, or give the tier an amount that makes up for it",
                )


def stairstep_hole(files: Files) -> Iterator[Remark]:
    """A step costs less than the one before it."""
    for each in files.models():
        if isinstance(each.model, Stairstep):
            for number, (lower, upper) in enumerate(pairwise(each.model.tiers), 1):
                if upper.amount < lower.amount:
                    assert lower.up_to is not None
                    yield Remark(
                        each.document,
                        (*each.path, "tiers", number),
                        f"{each.label}: more than {plain_text(lower.up_to)} cost {plain_text(upper.amount)}, less than the {plain_text(lower.amount)} of step {number}",
                        "give every step at least the amount of the one before",
                    )


def equal_tiers(files: Files) -> Iterator[Remark]:
    """Two neighbouring tiers say the same."""
    for each in files.models():
        for number, (path, lower, upper) in _neighbours(each):
            one, two = (tier.model_dump(exclude={"up_to"}) for tier in (lower, upper))
            # An amount that is charged on reaching a tier is charged again in the next one.
            if one == two and (isinstance(each.model, Stairstep | Volume) or not getattr(upper, "amount", 0)):
                yield Remark(
                    each.document,
                    path,
                    f"{each.label}: tier {number + 1} charges what tier {number} charges",
                    "make one tier of the two, or give the second the price that was meant",
                )


def free_after_paid(files: Files) -> Iterator[Remark]:
    """Usage beyond a paid tier costs nothing; a tier without a price is one of 0."""
    for each in files.models():
        if isinstance(each.model, Graduated | GraduatedPercentage):
            for number, (path, lower, upper) in _neighbours(each):
                if _rate(lower) and not _rate(upper) and not getattr(upper, "amount", 0):
                    assert lower.up_to is not None
                    yield Remark(
                        each.document,
                        path,
                        f"{each.label}: whatever is beyond {plain_text(lower.up_to)} is free, since tier {number + 1} has no price",
                        "give the tier its price; where what is charged has an end, say it by a maximum",
                    )


def unreachable_tier(files: Files) -> Iterator[Remark]:
    """A tier begins beyond any quantity that there is."""
    for each in files.models():
        for number, tier in enumerate(_ranges(each)):
            if tier.up_to is not None and tier.up_to >= REACHED_MAX:
                yield Remark(
                    each.document,
                    (*each.path, "tiers", number, "up_to"),
                    f"{each.label}: nobody uses more than {plain_text(tier.up_to)}, so the tiers beyond are never reached",
                    "leave up_to out of the last tier that counts, and the others away; look at the unit of the meter",
                )
                break


def _ranges(each: Modelled) -> Sequence[Range]:
    return getattr(each.model, "tiers", ())


def _neighbours(each: Modelled) -> Iterator[tuple[int, tuple[tuple[str | int, ...], Range, Range]]]:
    """Pairs of tiers: the number of the first, from 1, and the path of the second."""
    for number, (lower, upper) in enumerate(pairwise(_ranges(each)), 1):
        yield number, ((*each.path, "tiers", number), lower, upper)


def _rate(tier: Range) -> Decimal | None:
    """The price of one unit, or the percentage; None of a step."""
    rate: Decimal | None = getattr(tier, "unit_price", getattr(tier, "percent", None))
    return rate


def _volume_cost(tier: Tier, quantity: Fraction) -> Fraction:
    return quantity * Fraction(tier.unit_price) + Fraction(tier.amount)


def _costs_again(tiers: Sequence[Tier], beyond: Fraction, cost: Fraction) -> str | None:
    """The first quantity beyond which as much is paid again, up to nine digits; None where there is none."""
    lowest = beyond
    for tier in tiers:
        if _volume_cost(tier, lowest) >= cost:
            return _quantity(lowest)
        if tier.unit_price:
            quantity = (cost - Fraction(tier.amount)) / Fraction(tier.unit_price)
            if tier.up_to is None or quantity <= Fraction(tier.up_to):
                return _quantity(quantity)
        if tier.up_to is not None:
            lowest = Fraction(tier.up_to)
    return None


def _quantity(quantity: Fraction) -> str:
    """Rounded up: what is said to cost as much does."""
    return plain_text(round_digits(Fraction(-(-quantity * _NANOS // 1), _NANOS), _QUANTITY_DIGITS))


def _shown(amount: Fraction) -> str:
    return plain_text(round_digits(amount, _AMOUNT_DIGITS))
