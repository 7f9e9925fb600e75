"""An item of the price list as prices.

An item is JSON text: a product with its attributes, and terms under which it is sold. A term holds from its effective date on and has a
price for each range of an amount, in each currency ("AWS Billing user guide", "Reading the service price list file").
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from collector.aws.prices.price import Price, checked
from meterbook.wire.instants import parse, text

TYPE = "aws.price"


@dataclass(frozen=True)
class Item:
    """The prices of a product that hold, when the next of them will (``due_us``), and the edition of the list they are in."""

    edition: str
    prices: tuple[Price, ...]
    due_us: int | None


def item(document: str, terms: Collection[str], until_us: int) -> Item:
    """What an item says of prices that hold until then. Raises ValueError for one that cannot be read."""
    try:
        told = json.loads(document)
        found = list(_prices(told, terms))
        edition = f"{told.get('version', '')}/{told.get('publicationDate', '')}"
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"is not as the price list has it: {type(error).__name__}: {error}") from error
    later = [price.time_us for price in found if price.time_us > until_us]
    holds = tuple(price for price in found if price.time_us <= until_us)
    return Item("" if edition == "/" else edition, holds, min(later, default=None))


def _prices(told: Mapping[str, Any], terms: Collection[str]) -> Iterator[Price]:
    product = told["product"]
    about = {
        "serviceCode": told.get("serviceCode", ""),
        "sku": product["sku"],
        "productFamily": product.get("productFamily", ""),
    }
    attributes = product.get("attributes", {})
    for term in terms:
        for offer in told.get("terms", {}).get(term, {}).values():
            time_us = parse(offer["effectiveDate"])
            if time_us < 0:
                raise ValueError(f"effectiveDate {offer['effectiveDate']!r} is before 1970")
            of_offer = {**about, "term": term, "effectiveDate": text(time_us), **offer.get("termAttributes", {})}
            for rate in offer["priceDimensions"].values():
                for currency, price in rate["pricePerUnit"].items():
                    id_ = f"{rate['rateCode']}@{text(time_us)}/{currency}/{checked(price)}"
                    own = {**of_offer, **_of_rate(rate), "currency": currency, "price": price}
                    yield Price(id_, TYPE, product["sku"], time_us, _with_attributes(own, attributes))


def _of_rate(rate: Mapping[str, Any]) -> dict[str, str]:
    return {
        "rateCode": rate["rateCode"],
        "unit": rate["unit"],
        # Of what has one price for every amount, ranges are not told.
        "beginRange": rate.get("beginRange", "0"),
        "endRange": rate.get("endRange", "Inf"),
        "description": rate.get("description", ""),
    }


def _with_attributes(own: Mapping[str, str], attributes: Mapping[str, Any]) -> dict[str, str]:
    """Attributes by their names; one of a name that is taken has ``attribute_`` before it."""
    named = {f"attribute_{name}" if name in own else name: str(value) for name, value in attributes.items()}
    return {**named, **{name: str(value) for name, value in own.items()}}
