"""Rules about minimums, maximums and allowances that never do anything, or always.

For every price it is known what it charges at least, and often what it charges at most, whatever is used. A bound outside of that has no
effect, and one inside it that always holds takes the place of the price: in both cases the plan says something else than it does.
What is charged once may be charged in one billing period and not in the next, so it counts from nothing to its amount.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ledger.directory.linting.files import Files, Priced, Remark
from ledger.directory.plan import Plan
from ledger.directory.price import Bounded, Price
from ledger.rating.model import Model
from ledger.rating.models.attribute import Attribute
from ledger.rating.models.burstable import Burstable
from ledger.rating.models.flat import Flat
from ledger.rating.models.package import Package
from ledger.rating.models.stairstep import Stairstep
from ledger.rating.tiers import Range
from ledger.schema.decimals import exact, plain_text, total
from ledger.schema.spec import Path

_NONE = Decimal(0)


@dataclass(frozen=True)
class Reach:
    """What is charged of a billing period at least, and at most; None for no end."""

    least: Decimal
    most: Decimal | None

    def within(self, bounds: Bounded) -> Reach:
        """What is left of it between a minimum and a maximum."""
        least, most = self.least, self.most
        if bounds.minimum is not None:
            least = max(least, bounds.minimum)
            most = None if most is None else max(most, bounds.minimum)
        if bounds.maximum is not None:
            least = min(least, bounds.maximum)
            most = bounds.maximum if most is None else min(most, bounds.maximum)
        return Reach(least, most)


def minimum_without_effect(files: Files) -> Iterator[Remark]:
    """A minimum that is charged in any case."""
    for each in _bounded(files):
        if each.bounds.minimum is not None and each.bounds.minimum <= each.reach.least:
            yield each.remark(
                "minimum",
                f"the minimum {plain_text(each.bounds.minimum)} never does anything: {plain_text(each.reach.least)} is charged in any case",
                "leave it out, or raise it",
            )


def minimum_always(files: Files) -> Iterator[Remark]:
    """A minimum above everything that could be charged."""
    for each in _bounded(files):
        if each.bounds.minimum is not None and each.reach.most is not None and each.bounds.minimum > each.reach.most:
            yield each.remark(
                "minimum",
                f"the minimum {plain_text(each.bounds.minimum)} is always charged: there is never more than {plain_text(each.reach.most)}",
                "lower it below what the prices can come to, or charge it as a flat amount",
            )


def minimum_hides_step(files: Files) -> Iterator[Remark]:
    """A minimum above an amount that the smallest customers who pay would pay."""
    for each in files.prices():
        minimum, smallest = each.price.minimum, _smallest(each.price.charge)
        reach = _reach(each.price)
        is_always = reach.most is not None and minimum is not None and minimum > reach.most
        if minimum is not None and smallest is not None and smallest < minimum and not is_always:
            yield Remark(
                each.document,
                (*each.path, "minimum"),
                f"price {each.price.name!r}: nobody ever pays the {plain_text(smallest)} of the smallest paying customer, since the minimum is {plain_text(minimum)}",
                "lower the minimum to that, or leave out what nobody pays",
            )


def maximum_without_effect(files: Files) -> Iterator[Remark]:
    """A maximum that can never be reached."""
    for each in _bounded(files):
        if each.bounds.maximum is not None and each.reach.most is not None and each.bounds.maximum >= each.reach.most:
            yield each.remark(
                "maximum",
                f"the maximum {plain_text(each.bounds.maximum)} never does anything: there is never more than {plain_text(each.reach.most)}",
                "leave it out, or lower it",
            )


def maximum_always(files: Files) -> Iterator[Remark]:
    """A maximum below what is charged in any case."""
    for each in _bounded(files):
        if each.bounds.maximum is not None and each.bounds.maximum < each.reach.least:
            yield each.remark(
                "maximum",
                f"the maximum {plain_text(each.bounds.maximum)} always holds: {plain_text(each.reach.least)} would be charged in any case",
                "raise it, or lower the minimums and amounts below it",
            )


def bounds_are_equal(files: Files) -> Iterator[Remark]:
    """A minimum that is the maximum."""
    for each in _bounded(files):
        if each.bounds.minimum is not None and each.bounds.minimum == each.bounds.maximum:
            yield each.remark(
                "maximum",
                f"minimum and maximum are both {plain_text(each.bounds.minimum)}, so usage changes nothing",
                "charge a flat amount instead, or part the two",
            )


def included_splits_package(files: Files) -> Iterator[Remark]:
    """What is included is not a number of packages."""
    for each in files.prices():
        model, included = each.price.charge, each.price.included
        if not isinstance(model, Package) or included is None:
            continue
        with exact():
            left = included.quantity % model.size
        if left:
            yield Remark(
                each.document,
                (*each.path, "included", "quantity"),
                f"price {each.price.name!r}: {plain_text(included.quantity)} included is not a number of packages of {plain_text(model.size)}, "
                "and packages are counted of what is left",
                "include a multiple of the size, so that customers can see which packages are free",
            )


def included_twice(files: Files) -> Iterator[Remark]:
    """An allowance, and a free first tier behind it."""
    for each in files.prices():
        tiers: Sequence[Range] = getattr(each.price.charge, "tiers", ())
        if each.price.included is None or len(tiers) <= 1:
            continue
        first = tiers[0]
        if first.up_to is not None and not any(getattr(first, name, 0) for name in ("unit_price", "amount", "percent")):
            with exact():
                free = each.price.included.quantity + first.up_to
            yield Remark(
                each.document,
                (*each.path, "included"),
                f"price {each.price.name!r}: {plain_text(each.price.included.quantity)} are included and the first tier is free, too, so {plain_text(free)} cost nothing",
                "say what is free in one place",
            )


@dataclass(frozen=True)
class _Checked:
    """A price, product or plan with bounds, and what is charged before they hold."""

    priced: Priced
    bounds: Bounded
    reach: Reach
    path: Path
    label: str

    def remark(self, field: str, sentence: str, advice: str) -> Remark:
        return Remark(self.priced.document, (*self.path, field), f"{self.label}: {sentence}", advice)


def _bounded(files: Files) -> Iterator[_Checked]:
    products: dict[tuple[int, Path], list[Priced]] = {}
    for each in files.prices():
        yield _Checked(each, each.price, _reach(each.price), each.path, f"price {each.price.name!r}")
        # In the full form the product is what the price stands in.
        products.setdefault((id(each.document), each.path[:3]), []).append(each)
    plans: dict[int, list[tuple[Priced, Reach]]] = {}
    for (_, path), prices in products.items():
        first = prices[0]
        reach = _sum(_reach(each.price).within(each.price) for each in prices)
        yield _Checked(first, first.product, reach, path, f"product {first.product.name!r}")
        plans.setdefault(id(first.document), []).append((first, reach.within(first.product)))
    for found in plans.values():
        first, plan = found[0][0], found[0][0].plan
        assert isinstance(plan, Plan)
        yield _Checked(first, plan, _sum(reach for _, reach in found), ("spec",), "the plan")


def _sum(reaches: Iterable[Reach]) -> Reach:
    found = list(reaches)
    ends = [each.most for each in found if each.most is not None]
    return Reach(total(each.least for each in found), total(ends) if len(ends) == len(found) else None)


def _reach(price: Price) -> Reach:
    least, most = _of_model(price.charge)
    return Reach(_NONE if price.times == "once" else least, most)


def _of_model(model: Model) -> tuple[Decimal, Decimal | None]:
    if isinstance(model, Flat):
        return model.amount, model.amount
    if isinstance(model, Attribute):
        amounts = (*model.amounts.values(), model.otherwise)
        return min(amounts), max(amounts)
    if isinstance(model, Stairstep):
        return _NONE, max(step.amount for step in model.tiers)
    if isinstance(model, Burstable):
        with exact():
            return model.committed * model.unit_price, None
    return _NONE, None


def _smallest(model: Model) -> Decimal | None:
    """The least amount above nothing of a model that has some; None of the others."""
    amounts: Iterable[Decimal] = ()
    if isinstance(model, Stairstep):
        amounts = (step.amount for step in model.tiers)
    if isinstance(model, Attribute):
        amounts = (*model.amounts.values(), model.otherwise)
    if isinstance(model, Package):
        amounts = (model.amount,)
    return min((amount for amount in amounts if amount), default=None)
