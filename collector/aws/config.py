"""What can be set for the inventory of AWS accounts.

Every account is read in every region that is named, each as a source of its own; accounts that differ in their regions are entries of
their own. Regions that nobody named are not looked at.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from collector.account.config import AccountConfig, Region
from collector.aws.catalogue import CATALOGUE
from collector.base import SourceConfig

_ROLE = re.compile(r"arn:(?P<partition>[a-z-]+):iam::(?P<account>[0-9]{12}):role/.+")

AccountName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]


class NamedAccount(BaseModel):
    """One account, and how it is entered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: AccountName | None = Field(
        default=None, description="What the account is called in sources; its number, as in role_arn, if unset."
    )
    account: AccountConfig = Field(default=AccountConfig(), description="How the account is entered.")

    @model_validator(mode="after")
    def _is_called_something(self) -> NamedAccount:
        if self.name is None and self.account.role_arn is None:
            raise ValueError("name is needed where there is no account.role_arn, which would tell the account's number")
        return self

    @property
    def called(self) -> str:
        """Its name in sources."""
        return self.name if self.name is not None else self.number or ""

    @property
    def number(self) -> str | None:
        """Its twelve digits, as far as its role tells them."""
        return self._of_role("account")

    @property
    def partition(self) -> str | None:
        """The partition that it is in (``aws``, ``aws-cn``), as far as its role tells it."""
        return self._of_role("partition")

    def _of_role(self, part: str) -> str | None:
        found = _ROLE.fullmatch(self.account.role_arn or "")
        return found[part] if found else None


class AwsConfig(SourceConfig):
    """The resources of some accounts in some regions."""

    kind: Literal["aws"] = Field(default="aws", description="Which collector reads the source.")
    interval_s: float = Field(default=300.0, gt=0, le=86_400, description="Seconds between two collections.")
    timeout_s: float | None = Field(
        default=None, gt=0, description="Seconds one collection may take; two thirds of the interval if unset."
    )
    accounts: tuple[NamedAccount, ...] = Field(min_length=1, description="The accounts that are read.")
    regions: tuple[Region, ...] = Field(min_length=1, description="Regions that are read in every account.")
    services: tuple[str, ...] = Field(
        default=tuple(sorted(CATALOGUE)), min_length=1, description="Which resources are metered; all kinds if unset."
    )
    resources_max: int = Field(
        default=20_000, ge=1, description="Most resources of one service in one region; more of them fail the service."
    )

    @field_validator("regions")
    @classmethod
    def _regions_are_named_once(cls, regions: tuple[str, ...]) -> tuple[str, ...]:
        return _once("region", regions)

    @field_validator("services")
    @classmethod
    def _are_services(cls, services: tuple[str, ...]) -> tuple[str, ...]:
        for name in services:
            if name not in CATALOGUE:
                raise ValueError(f"service {name!r} is not metered: there are {', '.join(sorted(CATALOGUE))}")
        return tuple(sorted(_once("service", services)))

    @field_validator("accounts")
    @classmethod
    def _have_names_of_their_own(cls, accounts: tuple[NamedAccount, ...]) -> tuple[NamedAccount, ...]:
        _once("account", tuple(account.called for account in accounts))
        return accounts

    @property
    def deadline_s(self) -> float:
        """Seconds one collection may take: many requests, and not one."""
        return self.timeout_s if self.timeout_s is not None else self.interval_s * 2 / 3


def _once(what: str, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{what} {name!r} is named twice")
    return names
