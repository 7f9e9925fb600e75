"""Allocation rules: whose the costs are that providers bill.

Rules stand in an order, by ``priority`` and then by name, and each charge is taken by the first that holds for it when its period begins.
A rule names one method of saying whose the charge is (``methods``). What it gives to a *pool* is divided further by the rules ``of`` that pool, in the
same order and by the columns of the same charge; so shared platforms go to products, and products to tenants.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from ledger.directory.focus import Column
from ledger.directory.matching import Matcher, Text
from ledger.directory.methods import UNALLOCATED, Direct, Driver, Even, Fixed, Pool, SplitPart, Weighted
from ledger.schema.spec import Name, Path, Reference, Spec

Method = Literal["direct", "driver", "weighted", "split", "even", "fixed", "to"]
METHODS: tuple[Method, ...] = get_args(Method)


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
