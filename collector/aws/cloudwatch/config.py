"""What can be set for metrics of CloudWatch.

A period divides a day, so that whoever reads a metric cuts time at the same places, and hours of the book are whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from collector.account.config import AccountConfig, Region
from collector.base import SourceConfig

#: As the model of ``monitoring`` limits them (API reference, Metric, Dimension, DimensionFilter).
_DIMENSIONS_MAX, _FILTERS_MAX = 30, 10
#: Statistics that add up over periods, and that do not ("CloudWatch statistics definitions").
AMOUNTS = frozenset({"Sum", "SampleCount"})
_STATISTIC = r"^(Sum|SampleCount|Average|Minimum|Maximum|p(100|[0-9]{1,2}(\.[0-9]{1,10})?))$"

Statistic = Annotated[str, StringConstraints(pattern=_STATISTIC)]
Namespace = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^:]")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Value = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class MetricQuery(BaseModel):
    """Some metrics of a namespace and which statistics of them are read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    namespace: Namespace = Field(description="Namespace of the metrics, such as AWS/Lambda.")
    metrics: tuple[Name, ...] = Field(min_length=1, description="Names of the metrics, such as Invocations.")
    dimensions: Mapping[Name, Value] = Field(
        default_factory=dict,
        description="Dimensions with one value each, such as {Resource: checkout}; none by default.",
    )
    each: tuple[Name, ...] = Field(
        default=(),
        description="Dimensions of which every value is read, such as [FunctionName]; a metric has these and the fixed ones and no other.",
    )
    statistics: tuple[Statistic, ...] = Field(
        default=("Sum",),
        min_length=1,
        description="Sum and SampleCount become events; Average, Minimum, Maximum and percentiles such as p99 become gauges.",
    )
    period_s: int = Field(
        default=300,
        ge=60,
        le=86_400,
        description="Seconds that a value stands for: a multiple of 60 that divides a day.",
    )

    @field_validator("period_s")
    @classmethod
    def _period_divides_a_day(cls, period_s: int) -> int:
        if period_s % 60 or 86_400 % period_s:
            raise ValueError(f"period_s {period_s} is not a multiple of 60 that divides a day")
        return period_s

    @model_validator(mode="after")
    def _dimensions_are_told_apart(self) -> MetricQuery:
        twice = sorted(set(self.each) & set(self.dimensions))
        if twice:
            raise ValueError(f"dimension {twice[0]!r} has one value in dimensions and every value in each")
        count = len(self.dimensions) + len(self.each)
        most = _FILTERS_MAX if self.each else _DIMENSIONS_MAX
        if count > most:
            raise ValueError(f"{count} dimensions are more than the {most} that can be asked for")
        return self


class CloudwatchConfig(SourceConfig):
    """Metrics of one account and region."""

    kind: Literal["aws_cloudwatch"] = Field(default="aws_cloudwatch", description="Which collector reads the source.")
    interval_s: float = Field(
        default=3_600.0,
        gt=0,
        le=86_400,
        description="Seconds between two collections; each asks for every metric once, which is what is paid for.",
    )
    name: str = Field(
        pattern=r"^[^/#\s]+$", max_length=256, description="Name of the source, within account and region."
    )
    account: AccountConfig = Field(
        default_factory=AccountConfig, description="Who asks: credentials, or the role that is taken on."
    )
    account_id: str | None = Field(
        default=None, pattern=r"^[0-9]{12}$", description="The account that is read; that of account.role_arn if unset."
    )
    region: Region = Field(description="Region that is read, such as eu-central-1.")
    queries: tuple[MetricQuery, ...] = Field(min_length=1, description="The metrics that are read.")
    settle_s: float = Field(
        default=10_800.0,
        ge=0,
        le=1_209_600,
        description="Seconds after the end of a period from which on its value is taken as final and told.",
    )
    history_s: float = Field(
        default=0.0, ge=0, le=39_312_000, description="Seconds before the first collection that are read, too."
    )
    list_interval_s: float = Field(
        default=3_600.0, ge=0, description="Seconds after which it is asked again which metrics there are."
    )
    list_delay_s: float = Field(
        default=900.0, ge=0, description="Seconds that a metric with a first value may take to be listed."
    )
    remember_s: float = Field(
        default=1_209_600.0,
        ge=0,
        description="Seconds for which a metric is read on that is not listed any more; it is read again as soon as it is.",
    )
    streams_max: int = Field(
        default=2_000, ge=1, le=100_000, description="Most statistics of metrics that are read; more are an error."
    )
    points_max: int = Field(
        default=100_000, ge=1, description="Most values told of in one collection; what catches up takes several."
    )
    price_per_1000_metrics_usd: Decimal = Field(
        default=Decimal("0.01"), ge=0, description="What a thousand statistics asked for cost (GetMetricData)."
    )
    price_per_1000_requests_usd: Decimal = Field(
        default=Decimal("0.01"), ge=0, description="What a thousand requests for lists cost (ListMetrics)."
    )
    budget_per_month_usd: Decimal = Field(
        default=Decimal(20),
        ge=0,
        description="What may be spent in a calendar month (UTC); beyond it nothing is asked.",
    )

    @model_validator(mode="after")
    def _account_is_known(self) -> CloudwatchConfig:
        of_role = self.account.role_arn.split(":")[4] if self.account.role_arn else None
        if self.account_id is None and of_role is None:
            raise ValueError(
                "account_id is needed where account.role_arn does not tell it: it is part of every identity"
            )
        if None not in (self.account_id, of_role) and self.account_id != of_role:
            raise ValueError(f"account_id {self.account_id} is not that of account.role_arn, {of_role}")
        return self

    @model_validator(mode="after")
    def _a_metric_has_one_period(self) -> CloudwatchConfig:
        periods: dict[tuple[str, str], int] = {}
        for query in self.queries:
            for metric in query.metrics:
                period_s = periods.setdefault((query.namespace, metric), query.period_s)
                if period_s != query.period_s:
                    raise ValueError(
                        f"{query.namespace} {metric} is read with period_s {period_s} and {query.period_s}: what both tell would count twice"
                    )
        return self

    @property
    def owner(self) -> str:
        """The account that is read."""
        return self.account_id or (self.account.role_arn or "").split(":")[4]

    @property
    def place(self) -> str:
        """``cloudwatch/<account>/<region>``: what is the same for whoever reads it."""
        return f"cloudwatch/{self.owner}/{self.region}"

    @property
    def source(self) -> str:
        """``cloudwatch/<account>/<region>/<name>``."""
        return f"{self.place}/{self.name}"

    def cost_usd(self, metrics: int) -> Decimal:
        """What a request for so many statistics of metrics costs; for 0, one for a list.

        AWS bills each metric that is asked for, and whether several statistics of one are billed once is told differently by those who
        measured it: here each statistic counts.
        """
        if metrics:
            return self.price_per_1000_metrics_usd * metrics / 1000
        return self.price_per_1000_requests_usd / 1000
