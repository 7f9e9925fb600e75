"""What can be set for Cost Explorer.

The bounds are of money and of memory: every page is paid for, and a month is held whole before it is told.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field, model_validator

from collector.account.config import AccountConfig
from collector.aws.costexplorer.months import HISTORY_MONTHS
from collector.base import SourceConfig


class CostExplorerConfig(SourceConfig):
    """The costs of one account; those of its members, too, where it is the management account of an organization."""

    kind: Literal["aws_cost_explorer"] = Field(
        default="aws_cost_explorer", description="Which collector reads the source."
    )
    interval_s: float = Field(
        default=86_400.0,
        gt=0,
        le=86_400,
        description="Seconds between two collections; each asks for one or two months, and every page is paid for.",
    )
    name: str | None = Field(
        default=None,
        pattern=r"^[^/#\s]+$",
        max_length=256,
        description="Name of the source; the account's id if unset.",
    )
    account: AccountConfig = Field(
        default_factory=AccountConfig, description="Who asks: credentials, or the role that is taken on."
    )
    account_id: str | None = Field(
        default=None, pattern=r"^[0-9]{12}$", description="The account that is read; that of account.role_arn if unset."
    )
    settle_days: int = Field(
        default=14, ge=0, le=90, description="Days after the end of a month for which it is asked for again."
    )
    history_months: int = Field(
        default=0,
        ge=0,
        le=HISTORY_MONTHS,
        description="Months before the current one that are read at the first collection, if they have settled or not.",
    )
    charges_max: int = Field(
        default=500_000,
        ge=1,
        le=1_000_000,
        description="Most days of accounts and services in one month; more are an error.",
    )
    pages_max: int = Field(default=200, ge=1, description="Most pages of one month; more are an error.")
    price_per_request_usd: Decimal = Field(
        default=Decimal("0.01"), ge=0, description="What a request costs; each page is one."
    )
    budget_per_month_usd: Decimal = Field(
        default=Decimal(5),
        ge=0,
        description="What may be spent in a calendar month (UTC); beyond it nothing is asked.",
    )

    @model_validator(mode="after")
    def _account_is_known(self) -> CostExplorerConfig:
        of_role = self.account.role_arn.split(":")[4] if self.account.role_arn else None
        if self.account_id is None and of_role is None:
            raise ValueError("account_id is needed where account.role_arn does not tell it: charges are billed to it")
        if None not in (self.account_id, of_role) and self.account_id != of_role:
            raise ValueError(f"account_id {self.account_id} is not that of account.role_arn, {of_role}")
        return self

    @property
    def owner(self) -> str:
        """The account that is read."""
        return self.account_id or (self.account.role_arn or "").split(":")[4]

    @property
    def source(self) -> str:
        """``aws_cost_explorer/<name or account>``."""
        return f"aws_cost_explorer/{self.name or self.owner}"
