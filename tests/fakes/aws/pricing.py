"""The price list, as GetProducts shows it.

It follows the AWS Price List Service API Reference (GetProducts, Filter) and "Reading the service price list file" of the AWS Billing user guide:
at most 100 products a page and 50 filters, all of which match; a product is JSON text; a token belongs to one request, and to one edition of
the list. It answers in the three regions where the service is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.aws.server import AwsError

PRODUCTS_MAX, FILTERS_MAX = 100, 50
EXPIRED_TOKEN = AwsError("ExpiredNextTokenException", "The pagination token expired.")
INVALID_TOKEN = AwsError("InvalidNextTokenException", "The pagination token is invalid.")
THROTTLED = AwsError("ThrottlingException", "You've made too many requests exceeding service quotas.")
INTERNAL = AwsError("InternalErrorException", "An error on the server occurred.", 500)


@dataclass
class FakePriceList:
    """``products`` by sku, each with its terms; ``edition`` is another with every publication."""

    service: str = "pricing"
    edition: int = 1
    page_products_max: int = PRODUCTS_MAX
    expires_tokens: bool = True
    products: dict[str, dict[str, Any]] = field(default_factory=dict)

    def publish(
        self,
        sku: str,
        attributes: Mapping[str, str],
        prices: Mapping[str, str],
        *,
        since: str = "2025-01-01T00:00:00Z",
        service: str = "AmazonEC2",
        family: str = "Compute Instance",
        unit: str = "Hrs",
        reserved: Mapping[str, str] | None = None,
    ) -> None:
        """A product and its prices by currency, from a date on, instead of what it was; and a new edition."""
        terms = {"OnDemand": {f"{sku}.JRTCKXETXF": _offer(sku, "JRTCKXETXF", "6YS6EN2CT7", unit, since, prices, {})}}
        if reserved is not None:
            lease = {"LeaseContractLength": "1yr", "OfferingClass": "standard", "PurchaseOption": "No Upfront"}
            terms["Reserved"] = {
                f"{sku}.4NA7Y494T4": _offer(sku, "4NA7Y494T4", "6YS6EN2CT7", unit, since, reserved, lease)
            }
        about = {"productFamily": family, "attributes": {"servicecode": service, **attributes}, "sku": sku}
        self.products[sku] = {"product": about, "serviceCode": service, "terms": terms}
        self.edition += 1

    def get_products(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        filters = parameters.get("Filters", ())
        most = parameters.get("MaxResults", PRODUCTS_MAX)
        if len(filters) > FILTERS_MAX or not 1 <= most <= PRODUCTS_MAX or parameters.get("FormatVersion") != "aws_v1":
            raise AwsError("InvalidParameterException", "Input Parameters are invalid")
        if any(each["Type"] != "TERM_MATCH" for each in filters):
            raise AwsError("InvalidParameterException", "only TERM_MATCH is known here")
        most = min(most, self.page_products_max)
        asked = json.dumps({name: each for name, each in parameters.items() if name != "NextToken"}, sort_keys=True)
        skipped = self._offset(parameters.get("NextToken"), asked)
        found = [
            {**each, "version": f"2026010100{self.edition:04}", "publicationDate": "2026-01-01T00:00:00Z"}
            for _, each in sorted(self.products.items())
            if each["serviceCode"] == parameters["ServiceCode"] and _matches(each["product"], filters)
        ]
        answer: dict[str, Any] = {
            "FormatVersion": "aws_v1",
            "PriceList": [json.dumps(each) for each in found[skipped : skipped + most]],
        }
        if skipped + most < len(found):
            answer["NextToken"] = json.dumps([skipped + most, self.edition, asked])
        return answer

    def _offset(self, token: str | None, asked: str) -> int:
        if token is None:
            return 0
        try:
            skipped, edition, of = json.loads(token)
        except ValueError:
            raise INVALID_TOKEN from None
        if of != asked:
            raise INVALID_TOKEN
        if edition != self.edition and self.expires_tokens:
            raise EXPIRED_TOKEN
        return int(skipped)


def _offer(
    sku: str, offer: str, rate: str, unit: str, since: str, prices: Mapping[str, str], attributes: Mapping[str, str]
) -> dict[str, Any]:
    code = f"{sku}.{offer}.{rate}"
    dimension = {
        "unit": unit,
        "beginRange": "0",
        "endRange": "Inf",
        "description": f"{sku} by the {unit}",
        "appliesTo": [],
        "rateCode": code,
        "pricePerUnit": dict(prices),
    }
    return {
        "priceDimensions": {code: dimension},
        "sku": sku,
        "effectiveDate": since,
        "offerTermCode": offer,
        "termAttributes": dict(attributes),
    }


def _matches(product: Mapping[str, Any], filters: list[Mapping[str, str]]) -> bool:
    has = {**product["attributes"], "productFamily": product["productFamily"], "sku": product["sku"]}
    return all(has.get(each["Field"], "").lower() == each["Value"].lower() for each in filters)
