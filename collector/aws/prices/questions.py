"""What is asked: a service of the price list in a region, or the spot prices of a region.

Each question has pages of its own and its own place in the checkpoint, so that one which is not answered holds up no other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from collector.aws.prices.config import PricesConfig, ProductQuery
from collector.aws.prices.permissions import LIST, SPOT

#: Products of one page (Price List Service API reference, GetProducts), prices of one (EC2 API reference, DescribeSpotPriceHistory).
PRODUCTS_MAX, SPOTS_MAX = 100, 1_000


@dataclass(frozen=True)
class Question:
    """A request but for its page.

    ``service`` and ``region`` are where it is sent, ``subject`` is how it is told: ``AmazonEC2 in eu-central-1``; ``terms`` are the kinds of
    prices that are told of the answer, if it has several.
    """

    service: str
    region: str
    subject: str
    asked: Mapping[str, Any]
    terms: tuple[str, ...] = ()

    @property
    def is_spot(self) -> bool:
        """Whether it asks for a history, of some time."""
        return self.service == SPOT.service

    @property
    def key(self) -> str:
        """What tells it from every other: 16 hexadecimal digits, other ones where it is asked otherwise."""
        told = json.dumps([self.service, self.region, self.asked, sorted(self.terms)], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:16]


def questions(config: PricesConfig) -> Iterator[Question]:
    """All that a configuration asks, always in the same order."""
    for product in config.products:
        for region in config.regions if product.is_regional else ("",):
            yield _products(config, product, region)
    if config.spot is not None:
        asked = {
            "InstanceTypes": sorted(set(config.spot.instance_types)),
            "ProductDescriptions": sorted(set(config.spot.products)),
            "MaxResults": SPOTS_MAX,
        }
        for region in config.regions:
            yield Question(SPOT.service, region, f"spot prices in {region}", asked)


def _products(config: PricesConfig, product: ProductQuery, region: str) -> Question:
    wanted = {**product.filters, **({"regionCode": region} if region else {})}
    asked = {
        "ServiceCode": product.service,
        "Filters": [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in sorted(wanted.items())],
        "FormatVersion": "aws_v1",
        "MaxResults": PRODUCTS_MAX,
    }
    subject = f"{product.service} in {region}" if region else product.service
    return Question(LIST.service, config.endpoint_region, subject, asked, config.terms)
