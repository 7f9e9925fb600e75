"""What can be set for prices.

The price list is enormous: filters say which part of it is read, and pages how much of that in one collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from collector.account.config import AccountConfig, Region
from collector.base import SourceConfig

#: As the model of ``pricing`` limits them ("AWS Price List Service API reference", Filter, GetProducts); the region is a filter, too.
Text = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
_FILTERS_MAX = 49
#: How far back the history goes ("Amazon EC2 API reference", DescribeSpotPriceHistory).
SPOT_HISTORY_S = 7_776_000

#: Machines that run Linux, for themselves or in a cluster, as they are charged without any commitment.
LINUX_ON_DEMAND = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "capacitystatus": "Used",
    "preInstalledSw": "NA",
}


class ProductQuery(BaseModel):
    """Some products of a service."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service: Text = Field(description="Code of the service in the price list, such as AmazonEC2.")
    filters: Mapping[Text, Text] = Field(
        default_factory=dict,
        max_length=_FILTERS_MAX,
        description="Attributes that the products have, such as {tenancy: Shared}; all products by default.",
    )
    is_regional: bool = Field(
        default=True, description="Whether products have a regionCode; those of a service that is everywhere have none."
    )


class SpotQuery(BaseModel):
    """Types of instances whose spot prices are read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    instance_types: tuple[Text, ...] = Field(
        min_length=1, max_length=200, description="Types of instances, such as m5.large."
    )
    products: tuple[Text, ...] = Field(
        default=("Linux/UNIX",),
        min_length=1,
        max_length=20,
        description="Descriptions of their images, such as Linux/UNIX or Windows.",
    )


class PricesConfig(SourceConfig):
    """Prices in some regions."""

    kind: Literal["aws_prices"] = Field(default="aws_prices", description="Which collector reads the source.")
    interval_s: float = Field(default=86_400.0, gt=0, le=86_400, description="Seconds between two collections.")
    name: str = Field(
        default="public", pattern=r"^[^/#\s]+$", max_length=256, description="Name of the source: prices are nobody's."
    )
    account: AccountConfig = Field(
        default_factory=AccountConfig, description="Who asks: credentials, or the role that is taken on."
    )
    regions: tuple[Region, ...] = Field(
        min_length=1, description="Regions whose prices are read, such as eu-central-1."
    )
    endpoint_region: Literal["us-east-1", "eu-central-1", "ap-south-1"] = Field(
        default="us-east-1", description="Where the price list is asked for; it has the prices of all regions."
    )
    products: tuple[ProductQuery, ...] = Field(
        default=(ProductQuery(service="AmazonEC2", filters=LINUX_ON_DEMAND),),
        description="Products whose prices are read; instances of EC2 with Linux if unset.",
    )
    terms: tuple[Literal["OnDemand", "Reserved"], ...] = Field(
        default=("OnDemand",), min_length=1, description="Kinds of prices that are told, of each product."
    )
    spot: SpotQuery | None = Field(default=None, description="Spot prices that are read; none if unset.")
    spot_history_s: float = Field(
        default=0.0,
        ge=0,
        le=SPOT_HISTORY_S,
        description="Seconds before the first collection of spot prices that are read.",
    )
    spot_late_s: float = Field(
        default=3_600.0,
        ge=0,
        le=86_400,
        description="Seconds that a spot price may take to be shown; so much is read again.",
    )
    pages_max: int = Field(
        default=20, ge=1, description="Most pages read in one collection; what has more takes several, at once."
    )
    question_pages_max: int = Field(
        default=5_000, ge=1, description="Most pages of one service or history in one region; more are an error."
    )

    @field_validator("regions")
    @classmethod
    def _regions_are_named_once(cls, regions: tuple[str, ...]) -> tuple[str, ...]:
        for region in regions:
            if regions.count(region) > 1:
                raise ValueError(f"region {region!r} is named twice")
        return regions

    @model_validator(mode="after")
    def _something_is_asked(self) -> PricesConfig:
        if not self.products and self.spot is None:
            raise ValueError("products is empty and there is no spot: nothing would be read")
        for place, product in enumerate(self.products):
            if product in self.products[:place]:
                raise ValueError(f"products of {product.service} with the same filters are named twice")
            if product.is_regional and "regionCode" in product.filters:
                raise ValueError(f"products of {product.service}: regionCode is a filter by itself, from regions")
        return self

    @property
    def source(self) -> str:
        """``aws_prices/<name>``."""
        return f"aws_prices/{self.name}"
