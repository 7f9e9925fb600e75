"""Allocation rules: whose the costs are that providers bill.

Rules stand in an order, by ``priority`` and then by name, and each charge is taken by the first that holds for it when its period begins.
A rule names one method of saying whose the charge is. What it gives to a *pool* is divided further by the rules ``of`` that pool, in the
same order and by the columns of the same charge; so shared platforms go to products, and products to tenants. Two pools need not be divided: what is
left in ``shared`` and ``idle`` is told apart from what tenants cost. What is ``unallocated`` stays so.

Drivers divide in proportion to the usage of tenants in the hours of the charge's own period. Usage of platform workloads (``@shared``)
weighs like that of a tenant and goes to the pool ``shared``; where a pool is divided it is left out, or shared costs would go round in circles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ledger.directory.decimals import PlainDecimal
from ledger.directory.focus import Column, Read
from ledger.directory.matching import Matcher, Text
from ledger.directory.spec import Name, Part, Path, Reference, Spec

SHARED, IDLE, UNALLOCATED = "shared", "idle", "unallocated"
#: Pools that may be left undivided.
LASTING = frozenset({SHARED, IDLE})
Method = Literal["direct", "driver", "weighted", "split", "even", "fixed", "to"]
METHODS: tuple[Method, ...] = get_args(Method)
Positive = Annotated[PlainDecimal, Field(gt=0)]
#: Usage has nine digits after the point, and so has what it is held against.
Amount = Annotated[PlainDecimal, Field(gt=0, decimal_places=9)]


def _divisible(pool: str) -> str:
    if pool == UNALLOCATED:
        raise ValueError("'unallocated' is what nobody could allocate, and is no pool: name another")
    return pool


#: The name of a pool that rules divide.
Pool = Annotated[Name, AfterValidator(_divisible)]


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _told_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("an empty list names nobody: leave it out or give a name")
    return tuple(sorted(set(names)))


Names = Annotated[tuple[Name, ...], BeforeValidator(_as_tuple), AfterValidator(_told_once)]


class Resource(Part):
    """Finding the tenant of a charge's resource in an inventory, as it was when the charge's period began."""

    metric: Text = Field(
        default="aws_resource_exists",
        description="Metric whose series are the inventory; aws_resource_exists by default.",
    )
    attributes: Annotated[tuple[Text, ...], BeforeValidator(_as_tuple), Field(min_length=1)] = Field(
        default=("arn", "id"),
        description="Attributes or labels of a series of which one has to be what is read of the charge; arn and id by default.",
    )
    column: Read = Field(
        default="ResourceId", validate_default=True, description="What is read of the charge; ResourceId by default."
    )


class Direct(Part):
    """The charge is one tenant's. A charge of which it does not say whose it is, is left to the next rule."""

    column: Read | None = Field(
        default=None, description="What is read of the charge and names the tenant; none by default."
    )
    resource: Resource | None = Field(
        default=None, description="Inventory in which the charge's resource has a tenant; none by default."
    )
    tenants: Mapping[Text, Name] = Field(
        default_factory=dict,
        description="Tenant by what is read, for texts that are no tenant's name; none by default.",
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Direct:
        if (self.column is None) == (self.resource is None):
            raise ValueError("give either 'column' or 'resource', and not both")
        if self.resource is not None and self.tenants:
            raise ValueError("'tenants' goes with 'column': an inventory names tenants itself")
        return self


class Capacity(Part):
    """How much there was to be used; what was not used goes to a pool."""

    meter: Name | None = Field(
        default=None, description="Meter of the capacity, in the driver's unit; none by default."
    )
    where: Mapping[Text, Read] | None = Field(
        default=None, description="Dimensions of that meter by what is read of the charge; as of the driver by default."
    )
    amount_per_h: Amount | None = Field(
        default=None, description="Capacity in each hour of the charge's period, in the driver's unit; none by default."
    )
    rest: Pool = Field(default=IDLE, description="Pool that what was not used goes to; idle by default.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Capacity:
        if (self.meter is None) == (self.amount_per_h is None):
            raise ValueError("give either 'meter' or 'amount_per_h', and not both")
        if self.where is not None and self.meter is None:
            raise ValueError("'where' goes with 'meter': a stated amount has no dimensions")
        return self


class Driver(Part):
    """Usage of tenants in the hours of the charge's period, by which it is divided."""

    meter: Names = Field(
        description="Meter of the usage; of several the greatest counts, for each tenant, dimensions and hour, as in max(request, usage)."
    )
    where: Mapping[Text, Read] = Field(
        default_factory=dict,
        description="Dimensions of the meters by what is read of the charge: only usage where both are the same counts; all by default.",
    )
    capacity: Capacity | None = Field(
        default=None, description="How much there was to be used, so that the rest is idle; nothing is idle by default."
    )


class Weighted(Driver):
    """A driver that divides a stated part of the charge."""

    weight: Positive = Field(description="Weight of this part among all parts.")


class SplitPart(Driver):
    """A resource of a node, which has a price: its part is price x capacity among all parts."""

    price: Positive = Field(
        description="Price of one unit of the capacity, of which only the ratio to those of other parts counts."
    )

    @model_validator(mode="after")
    def _has_a_capacity(self) -> SplitPart:
        if self.capacity is None:
            raise ValueError("'capacity' is missing: a part of the node is its price times its capacity")
        return self


class Even(Part):
    """Equal parts for some tenants."""

    tenants: Names | None = Field(default=None, description="These tenants; none by default.")
    defined: bool = Field(
        default=False,
        description="Whether all tenants that are defined when the charge's period begins; no by default.",
    )
    using: Driver | None = Field(
        default=None, description="Driver by which whoever has usage is one of them; none by default."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Even:
        if [self.tenants is not None, self.defined, self.using is not None].count(True) != 1:
            raise ValueError("give one of 'tenants', 'defined: true' and 'using'")
        if self.using is not None and self.using.capacity is not None:
            raise ValueError("'capacity' means nothing here: equal parts do not depend on how much is used")
        return self


class Fixed(Part):
    """Parts in proportion to stated weights."""

    tenants: Mapping[Name, PlainDecimal] = Field(default_factory=dict, description="Weight by tenant; none by default.")
    pools: Mapping[Pool, PlainDecimal] = Field(default_factory=dict, description="Weight by pool; none by default.")

    @model_validator(mode="after")
    def _something_has_weight(self) -> Fixed:
        if not any([*self.tenants.values(), *self.pools.values()]):
            raise ValueError("no tenant and no pool has a weight above 0: give one")
        return self


def _named_parts(parts: Mapping[str, Any]) -> Mapping[str, Any]:
    if not parts:
        raise ValueError("a mapping without parts divides nothing: give one")
    return parts


class Allocation(Spec):
    """A rule: which charges it is for, and whose they are."""

    priority: int = Field(
        default=100,
        ge=0,
        le=1_000_000,
        description="Place in the order, the least first and equal ones by name; 100 by default.",
    )
    of: Pool | None = Field(
        default=None, description="Pool that the rule divides; by default it is for charges themselves."
    )
    match: Mapping[Column, Matcher] = Field(
        default_factory=dict,
        description="What is accepted per column of the charge: a value, a list or conditions; all by default.",
    )
    any: tuple[Annotated[Mapping[Column, Matcher], Field(min_length=1)], ...] = Field(
        default=(), description="Further matchers, of which at least one set has to hold as a whole; none by default."
    )
    direct: Direct | None = Field(
        default=None, description="Method: the charge is the tenant's whom it names; not used by default."
    )
    driver: Driver | None = Field(default=None, description="Method: in proportion to usage; not used by default.")
    weighted: Annotated[Mapping[Text, Weighted], AfterValidator(_named_parts)] | None = Field(
        default=None, description="Method: stated parts by name, each in proportion to usage; not used by default."
    )
    split: Annotated[Mapping[Text, SplitPart], AfterValidator(_named_parts)] | None = Field(
        default=None,
        description="Method: the resources of a node by name, each in proportion to usage; not used by default.",
    )
    even: Even | None = Field(default=None, description="Method: in equal parts; not used by default.")
    fixed: Fixed | None = Field(default=None, description="Method: by stated weights; not used by default.")
    to: Name | None = Field(
        default=None, description="Method: all of it to a pool, or unallocated; not used by default."
    )

    @model_validator(mode="after")
    def _exactly_one_method(self) -> Allocation:
        given = [name for name in METHODS if getattr(self, name) is not None]
        if len(given) != 1:
            told = " and ".join(map(repr, given)) if given else "none"
            raise ValueError(f"give one method of {', '.join(METHODS)}; there is {told}")
        return self

    @property
    def method(self) -> Method:
        """Which of the methods it is."""
        return next(name for name in METHODS if getattr(self, name) is not None)

    def drivers(self) -> tuple[tuple[str, Driver, Decimal], ...]:
        """Name, driver and weight (of split: price) of each part that is divided by usage."""
        if self.driver is not None:
            return (("", self.driver, Decimal(1)),)
        if self.weighted is not None:
            return tuple((name, part, part.weight) for name, part in sorted(self.weighted.items()))
        if self.split is not None:
            return tuple((name, part, part.price) for name, part in sorted(self.split.items()))
        return (("", self.even.using, Decimal(1)),) if self.even is not None and self.even.using is not None else ()

    def gives_to(self) -> frozenset[str]:
        """The pools that it may give something to, but for what platform workloads use."""
        pools = {part.capacity.rest for _, part, _ in self.drivers() if part.capacity is not None}
        if self.fixed is not None:
            pools.update(pool for pool, weight in self.fixed.pools.items() if weight)
        if self.to is not None and self.to != UNALLOCATED:
            pools.add(self.to)
        return frozenset(pools)

    def columns(self) -> frozenset[str]:
        """The columns of a charge that it looks at."""
        read = [reading.column for _, part, _ in self.drivers() for reading in part.where.values()]
        for _, part, _ in self.drivers():
            if part.capacity is not None and part.capacity.where is not None:
                read += [reading.column for reading in part.capacity.where.values()]
        if self.direct is not None:
            found = self.direct.column or (self.direct.resource and self.direct.resource.column)
            read += [found.column] if found else []
        return frozenset([*read, *self.match]).union(*self.any)

    def references(self) -> tuple[Reference, ...]:
        """Every meter, and every tenant that is named."""
        return tuple(Reference(kind, name, path) for kind, name, path in self._named())

    def _named(self) -> Iterator[tuple[str, str, Path]]:
        for name, part, _ in self.drivers():
            at: Path = (self.method, name) if name else (self.method, *(("using",) if self.even is not None else ()))
            for meter in part.meter:
                yield "meter", meter, (*at, "meter")
            if part.capacity is not None and part.capacity.meter is not None:
                yield "meter", part.capacity.meter, (*at, "capacity", "meter")
        if self.direct is not None:
            for text, tenant in self.direct.tenants.items():
                yield "tenant", tenant, ("direct", "tenants", text)
        if self.even is not None:
            for tenant in self.even.tenants or ():
                yield "tenant", tenant, ("even", "tenants")
        if self.fixed is not None:
            for tenant in self.fixed.tenants:
                yield "tenant", tenant, ("fixed", "tenants", tenant)
