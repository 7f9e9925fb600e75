"""Features: what a customer may use, up to how much, and at which shares of that somebody wants to be told.

A plan lists them, as it lists prices, and for the same reason a subscription never copies one: it names a feature and says what differs, from
when until when, and who approved it. A feature without a meter is in the plan or not. One with a meter has usage, and a limit that
is hard (what is beyond it is refused) or soft (it is used, and told). Without a limit its usage is only told.

Nothing here is charged: a limit says what may be used, a price what is paid for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ledger.directory.agreement import TimeBoxed
from ledger.schema.decimals import PlainDecimal
from ledger.schema.spec import Name, Part, Reference

#: The time that usage is counted in: a billing period, or a window of the tenant's calendar.
Per = Literal["cycle", "hour", "day", "week", "month", "quarter", "year"]
_PERCENT_MAX, _THRESHOLDS_MAX = 1_000, 20


def _rising(thresholds: tuple[int, ...]) -> tuple[int, ...]:
    if len(thresholds) > _THRESHOLDS_MAX:
        raise ValueError(f"{len(thresholds)} thresholds are more than {_THRESHOLDS_MAX}")
    if list(thresholds) != sorted(set(thresholds)):
        raise ValueError("thresholds rise, and each is there once, such as [80, 100]")
    if any(not 1 <= each <= _PERCENT_MAX for each in thresholds):
        raise ValueError(f"a threshold is from 1 to {_PERCENT_MAX} percent of the limit")
    return thresholds


class Feature(Part):
    """Something that a customer of the plan may use."""

    name: Name = Field(description="Name of the feature, one of a kind in the plan; applications ask for it by this.")
    title: str | None = Field(default=None, min_length=1, description="What people call it; its name by default.")
    meter: Name | None = Field(
        default=None, description="Meter of its usage; none by default: the feature is in the plan, and that is all."
    )
    where: Mapping[Name, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Only usage with one of these values, for each dimension named; all usage by default.",
    )
    limit: PlainDecimal | None = Field(
        default=None, description="How much may be used, in the unit of the meter; no limit by default."
    )
    per: Per = Field(
        default="cycle",
        description="Time that usage is counted in, then from 0 again: a billing period, the default, or a window in the tenant's zone.",
    )
    kind: Literal["soft", "hard"] = Field(
        default="hard",
        description="What becomes of more than the limit: it is refused (hard, the default), or allowed and told (soft).",
    )
    thresholds: Annotated[tuple[int, ...], AfterValidator(_rising)] = Field(
        default=(), description="Percentages of the limit at which somebody is notified, rising; none by default."
    )

    @model_validator(mode="after")
    def _goes_with_a_meter(self) -> Feature:
        if self.meter is None:
            given = [key for key in ("where", "limit", "thresholds") if getattr(self, key) not in (None, (), {})]
            if given:
                raise ValueError(f"{given[0]!r} is about usage: name the 'meter'")
        return self

    @property
    def shown(self) -> str:
        """What people call it."""
        return self.title or self.name


class FeatureOverride(TimeBoxed):
    """What a subscription has otherwise than its plan, of one feature. Of several that hold the last one counts."""

    name: Name = Field(description="Name of the feature.")
    limit: PlainDecimal | None = Field(
        default=None, description="Limit in place of the plan's, in the unit of the meter; the plan's by default."
    )
    enabled: bool | None = Field(
        default=None, description="Whether the customer has the feature at all; as the plan says by default."
    )
    approved: Annotated[str, Field(min_length=1)] = Field(description="Who approved it, and why.")

    @model_validator(mode="after")
    def _is_one_thing(self) -> FeatureOverride:
        if (self.limit is None) == (self.enabled is None):
            raise ValueError("say what differs by exactly one of 'limit' and 'enabled'")
        return self


def one_of_a_kind(features: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """The features. Raises ValueError where two have one name."""
    seen: set[str] = set()
    for feature in features:
        if feature.name in seen:
            raise ValueError(f"feature {feature.name!r} is there twice")
        seen.add(feature.name)
    return features


Features = Annotated[tuple[Feature, ...], AfterValidator(one_of_a_kind)]


def references_of(features: tuple[Feature, ...]) -> tuple[Reference, ...]:
    """The meters of the features of a plan."""
    return tuple(
        Reference("meter", feature.meter, ("features", place, "meter"))
        for place, feature in enumerate(features)
        if feature.meter is not None
    )
