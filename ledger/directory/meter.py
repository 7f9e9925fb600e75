"""Meters: which samples or events count, and how they add up to a quantity.

A meter reads either series, by metric name, or events, by type. The aggregation follows from what the source
is: a counter is metered by its increase, a gauge by its integral over time (value x seconds), events by their
count or by the sum of their values. Which of the two a metric is stands in the series itself; which of the two
*sources* is meant stands here, and an aggregation that does not fit it is refused rather than given a meaning.

The unit is settled for all dates of a meter: quantities of one meter are added up, and requests cannot be added
to thousands of requests. A different unit is a different meter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ledger.directory.spec import Part, Spec

MAX_GAP_S_DEFAULT = 300

Aggregation = Literal["increase", "integral", "count", "sum"]

_FITS: Mapping[str, tuple[Aggregation, ...]] = {"metric": ("increase", "integral"), "event": ("count", "sum")}


def _as_tuple(value: object) -> object:
    """One accepted value is a list of one."""
    return (value,) if isinstance(value, str) else value


def _canonical_set(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("an empty list of accepted values would match nothing: leave the name out or give a value")
    return tuple(sorted(set(values)))


def _without_repetition(names: tuple[str, ...]) -> tuple[str, ...]:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{repeated[0]!r} is named twice")
    if "tenant" in names:
        raise ValueError("'tenant' is always kept apart and is not a dimension")
    return names


Accepted = Annotated[tuple[str, ...], BeforeValidator(_as_tuple), AfterValidator(_canonical_set)]
Text = Annotated[str, Field(min_length=1)]


class Source(Part):
    """What a meter reads: exactly one of the two."""

    metric: Text | None = Field(default=None, description="Name of the metric whose series are read; none by default.")
    event: Text | None = Field(default=None, description="Type of the events that are read; none by default.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Source:
        if (self.metric is None) == (self.event is None):
            raise ValueError("give either 'metric: <name>' or 'event: <type>', and not both")
        return self

    @property
    def kind(self) -> Literal["metric", "event"]:
        """Which of the two it is."""
        return "metric" if self.event is None else "event"


class Meter(Spec):
    """How one kind of usage is measured."""

    settled: ClassVar[str | None] = "unit"

    source: Source = Field(description="The series or events that are read.")
    filter: Mapping[Text, Accepted] = Field(
        default_factory=dict,
        description="Exact values accepted per label, property or attribute, one or a list; all by default.",
    )
    aggregation: Aggregation = Field(
        description="increase (counters) or integral (gauges, value x seconds); count or sum (events)."
    )
    unit: Text = Field(description="Unit of the quantity, as invoices print it; the same for all dates.")
    group_by: Annotated[tuple[Text, ...], AfterValidator(_without_repetition)] = Field(
        default=(), description="Labels or properties kept as dimensions, in this order; none by default."
    )
    max_gap_s: int = Field(
        default=MAX_GAP_S_DEFAULT,
        ge=1,
        le=2_592_000,
        description="Seconds, 300 by default; what stands on a longer interval between samples counts as estimated.",
    )

    @model_validator(mode="after")
    def _aggregation_fits(self) -> Meter:
        fitting = _FITS[self.source.kind]
        if self.aggregation not in fitting:
            raise ValueError(
                f"aggregation {self.aggregation!r} does not fit a source of kind {self.source.kind!r}: "
                f"use {' or '.join(map(repr, fitting))}"
            )
        return self
