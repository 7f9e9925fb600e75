"""Label selectors, as the API has them ("Labels and Selectors", section "Resources that support set-based requirements")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel


class Expression(BaseModel):
    """One requirement of a selector."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(description="Name of the label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(description="What must hold of it.")
    values: tuple[str, ...] = Field(default=(), description="Values, for In and NotIn; none for the others.")

    @model_validator(mode="after")
    def _has_values_or_none(self) -> Expression:
        if (self.operator in ("In", "NotIn")) != bool(self.values):
            what = "needs values" if not self.values else "takes no values"
            raise ValueError(f"operator {self.operator} of {self.key} {what}")
        return self

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels are as required; NotIn is also met by those that lack it."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels


class LabelSelector(BaseModel):
    """Requirements that all must be met; an empty selector selects everything."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)

    match_labels: dict[str, str] = Field(default_factory=dict, description="Labels and the values that they must have.")
    match_expressions: tuple[Expression, ...] = Field(default=(), description="Further requirements.")

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        return all(labels.get(name) == value for name, value in self.match_labels.items()) and all(
            each.matches(labels) for each in self.match_expressions
        )
