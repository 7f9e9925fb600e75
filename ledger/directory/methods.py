"""The methods of allocation rules: in what way each says whose a charge is.

A share is given to tenants, or to a *pool* that other rules divide. Two pools need not be divided: what is left in ``shared`` and ``idle`` is told apart from
what tenants cost. What is ``unallocated`` stays so.

Drivers divide in proportion to the usage of tenants in the hours of the charge's own period. Usage of platform workloads (``@shared``)
weighs like that of a tenant and goes to the pool ``shared``; where a pool is divided it is left out, or shared costs would go round in circles.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ledger.directory.focus import Read
from ledger.directory.matching import Text
from ledger.schema.decimals import PlainDecimal
from ledger.schema.spec import Name, Part

SHARED, IDLE, UNALLOCATED = "shared", "idle", "unallocated"
#: Pools that may be left undivided.
LASTING = frozenset({SHARED, IDLE})

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
