"""Meters: which samples or events count, and how they add up to a quantity.

A meter reads either series, by metric name, or events, by type. Which aggregations there are follows from what the source
is: a counter is metered by its increase, a gauge by what it was and for how long, events by their number and by what they
say. Which of the two a metric is stands in the series itself; which of the two *sources* is meant stands here, and an
aggregation that does not fit it is refused rather than given a meaning.

A quantity is that of one window. Most add up, so hours make days and days make months whatever the meter's own windows are; a
peak, an average or a number of different users does not, and belongs to its window.

The unit and the windows are settled for all dates of a meter: quantities of one meter are added up, and requests cannot be
added to thousands of requests. A different unit is a different meter.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ledger.directory.expression import ExpressionText
from ledger.directory.making import Buckets, Percentile, Rounding, Window
from ledger.directory.matching import Alternatives, Matchers, Text
from ledger.schema.calendar import UNITS
from ledger.schema.decimals import PlainDecimal
from ledger.schema.duration import Duration, duration_s
from ledger.schema.spec import Part, Spec
from ledger.schema.units import factor

MAX_GAP_S_DEFAULT = 300
_LATENESS_S_MAX = 366 * 86_400

#: What a counter, what values at moments, and what events can be metered by.
OfCounters = Literal["increase", "rate"]
OfValues = Literal[
    "integral", "average", "active", "min", "max", "mean", "percentile", "latest", "last_known", "unique"
]
OfEvents = Literal["count", "sum", "total"]
Aggregation = Literal[OfCounters, OfValues, OfEvents]

_FITS: Mapping[str, tuple[str, ...]] = {
    "metric": (*get_args(OfCounters), *get_args(OfValues)),
    "event": (*get_args(OfEvents), *get_args(OfValues)),
}
#: Those whose quantities of neighbouring windows add up to that of both.
ADDITIVE = frozenset({"increase", "integral", "active", "count", "sum"})


def _without_repetition(names: tuple[str, ...]) -> tuple[str, ...]:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{repeated[0]!r} is named twice")
    if "tenant" in names:
        raise ValueError("'tenant' is always kept apart and is not a dimension")
    return names


def _within_a_year(lateness: str) -> str:
    if duration_s(lateness) > _LATENESS_S_MAX:
        raise ValueError(f"{lateness} is more than 366d: give the time that data are late at the most, such as 2d")
    return lateness


#: A part of a whole, exact: 0 to 1.
Share = Annotated[PlainDecimal, Field(le=1)]


def _as_window(value: object) -> object:
    return {"unit": value} if isinstance(value, str) else value


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

    settled: ClassVar[tuple[str, ...]] = ("unit", "window")

    source: Source = Field(description="The series or events that are read.")
    filter: Matchers = Field(
        default_factory=dict,
        description="What is accepted per label, property or attribute: a value, a list or conditions; all by default.",
    )
    any: Alternatives = Field(
        default=(), description="Further matchers, of which at least one set has to hold as a whole; none by default."
    )
    value: ExpressionText | None = Field(
        default=None,
        description="Expression over an event's value and properties that it counts for; by default its value.",
    )
    aggregation: Aggregation = Field(
        description="increase or rate (counters); integral, average, active, min, max, mean, percentile, latest, last_known or unique "
        "(gauges and events); count, sum or total (events)."
    )
    unit: Text = Field(description="Unit of the quantity, as invoices print it; the same for all dates.")
    measured_in: Text | None = Field(
        default=None,
        description="Unit in which the aggregation comes out, such as By.s, converted exactly to the unit; the unit itself by default.",
    )
    group_by: Annotated[tuple[Text, ...], AfterValidator(_without_repetition)] = Field(
        default=(), description="Labels or properties kept as dimensions, in this order; none by default."
    )
    window: Annotated[Window, BeforeValidator(_as_window)] = Field(
        default_factory=Window,
        description="Windows that have a quantity each; hours by default; the same for all dates.",
    )
    per: Annotated[tuple[Text, ...], AfterValidator(_without_repetition)] | None = Field(
        default=None,
        description="Labels or properties that tell one resource from another; by default each series is one, and all events are of one.",
    )
    of: Text | None = Field(
        default=None, description="Label or property whose different values count; for aggregation: unique."
    )
    approximate: bool = Field(
        default=False,
        description="Whether different values are counted by HyperLogLog, with a standard error of 1.04 / sqrt(2^14), 0.8 %; for "
        "aggregation: unique; exactly by default.",
    )
    percentile: Percentile | None = Field(
        default=None, description="Which percentile, by nearest rank, such as 95; for aggregation: percentile."
    )
    changes: bool = Field(
        default=False,
        description="Whether values of events are changes of what there is, and not what there is; no by default.",
    )
    buckets: Buckets | None = Field(
        default=None, description="Shorter pieces of the window that are aggregated first; none by default."
    )
    rounding: Rounding = Field(default_factory=Rounding, description="How the quantity of a window is rounded.")
    max_gap_s: int = Field(
        default=MAX_GAP_S_DEFAULT,
        ge=1,
        le=2_592_000,
        description="Seconds, 300 by default; what stands on a longer interval between samples counts as estimated.",
    )
    lateness: Annotated[Duration, AfterValidator(_within_a_year)] | None = Field(
        default=None,
        description="How long after its end a window waits for sources that have not told of all of it, such as 90s, 15m, 6h or 2d; "
        "by default as long as the ledger's lateness_s says.",
    )
    gate: Share | None = Field(
        default=None,
        description="Least part of the expected time that must have been observed, 0 to 1, of every tenant, for a period to be closed; "
        "none by default.",
    )
    estimated_max: Share | None = Field(
        default=None,
        description="Greatest part of a tenant's quantity that may be estimated, 0 to 1, for a period to be closed; any by default.",
    )

    @property
    def lateness_s(self) -> int | None:
        """Seconds that a window waits after its end; None where the ledger says it."""
        return None if self.lateness is None else duration_s(self.lateness)

    @property
    def is_additive(self) -> bool:
        """Whether the quantities of neighbouring windows add up to that of both."""
        sums = self.buckets is None or self.buckets.combine == "sum"
        return self.aggregation in ADDITIVE and sums and self.rounding == Rounding()

    @property
    def factor(self) -> Fraction:
        """How many units one is of what the aggregation gives."""
        return Fraction(1) if self.measured_in is None else factor(self.measured_in, self.unit)

    @model_validator(mode="after")
    def _units_convert(self) -> Meter:
        if self.measured_in is not None:
            factor(self.measured_in, self.unit)
        return self

    @model_validator(mode="after")
    def _aggregation_fits(self) -> Meter:
        fitting = _FITS[self.source.kind]
        if self.aggregation not in fitting:
            raise ValueError(
                f"aggregation {self.aggregation!r} does not fit a source of kind {self.source.kind!r}: "
                f"use {', '.join(map(repr, fitting[:-1]))} or {fitting[-1]!r}"
            )
        return self

    @model_validator(mode="after")
    def _goes_with_the_aggregation(self) -> Meter:
        for name, given, wanting in (
            ("of", self.of is not None, "unique"),
            ("percentile", self.percentile is not None, "percentile"),
        ):
            if given != (self.aggregation == wanting):
                raise ValueError(f"{name!r} goes with 'aggregation: {wanting}', and only with that")
        if self.approximate and self.aggregation != "unique":
            raise ValueError("'approximate' goes with 'aggregation: unique', and only with that: all else is exact")
        if self.value is not None and (self.source.kind != "event" or self.aggregation in ("count", "unique")):
            raise ValueError("'value' is for events, and what is made of their values")
        if self.changes and self.source.kind != "event":
            raise ValueError("'changes' is for events: samples say what there is")
        return self

    @model_validator(mode="after")
    def _buckets_are_shorter(self) -> Meter:
        if self.buckets is not None and UNITS.index(self.buckets.unit) >= UNITS.index(self.window.unit):
            raise ValueError(f"buckets of a {self.buckets.unit} are not shorter than the window, a {self.window.unit}")
        if self.buckets is not None and self.buckets.unit == "week":
            raise ValueError("weeks do not tile longer windows: use buckets of a day")
        return self
