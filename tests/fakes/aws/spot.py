"""The history of spot prices, as DescribeSpotPriceHistory shows it, and a server that speaks EC2's protocol beside the others.

It follows the Amazon EC2 API Reference (DescribeSpotPriceHistory, "Query requests", "Error codes for the Amazon EC2 API") and Smithy's "AWS EC2 query
protocol": prices of the last 90 days, the most recent first; with a start also the last price before it, of each zone, type and product; up to 1,000 a
page, of which some may be empty though others follow; the token after the last page is an empty text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from botocore.validate import ParamValidator

from tests.fakes.aws.server import AwsError, AwsServer, Request

SECOND, DAY = 1_000_000, 86_400_000_000
KEPT, PRICES_MAX = 90 * DAY, 1_000
DENIED = AwsError("UnauthorizedOperation", "You are not authorized to perform this operation.", 403)
BAD_TOKEN = AwsError("InvalidPaginationToken", "The specified pagination token is not valid or is expired.")

#: Zone, type of instance, product.
Offer = tuple[str, str, str]


@dataclass
class FakeSpotPrices:
    """``now_us`` is its clock; ``region`` is where the present request was sent. ``prices`` are (time, price) by offer, ascending."""

    now_us: int
    service: str = "ec2"
    region: str = ""
    page_prices_max: int = PRICES_MAX
    empty_pages: bool = False
    prices: dict[Offer, list[tuple[int, str]]] = field(default_factory=dict)

    def quote(self, zone: str, instance_type: str, time_us: int, price: str, product: str = "Linux/UNIX") -> None:
        """A price from a time on, in whole seconds."""
        self.prices.setdefault((zone, instance_type, product), []).append((time_us, price))
        self.prices[zone, instance_type, product].sort()

    def describe_spot_price_history(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        most = parameters.get("MaxResults", PRICES_MAX)
        if not 1 <= most <= PRICES_MAX:
            raise AwsError("InvalidParameterValue", f"Value ( {most} ) for parameter maxResults is invalid.")
        since_us = max(_us(parameters.get("StartTime"), self.now_us - KEPT), self.now_us - KEPT)
        until_us = min(_us(parameters.get("EndTime"), self.now_us), self.now_us)
        asked = json.dumps(
            {name: each for name, each in parameters.items() if name != "NextToken"}, sort_keys=True, default=str
        )
        skipped, is_filled = _offset(parameters.get("NextToken"), asked)
        if self.empty_pages and not is_filled:
            return {"SpotPriceHistory": [], "NextToken": json.dumps([skipped, True, asked])}
        found = [
            (time_us, offer, price)
            for offer in self.prices
            if offer[0].startswith(self.region) and _is_of(parameters, offer)
            for time_us, price in _between(self.prices[offer], since_us, until_us)
        ]
        found.sort(key=lambda each: (-each[0], each[1]))
        most = min(most, self.page_prices_max)
        rows = [
            {
                "AvailabilityZone": zone,
                "InstanceType": instance_type,
                "ProductDescription": product,
                "SpotPrice": price,
                "Timestamp": datetime.fromtimestamp(time_us / SECOND, UTC),
            }
            for time_us, (zone, instance_type, product), price in found[skipped : skipped + most]
        ]
        is_last = skipped + most >= len(found)
        return {"SpotPriceHistory": rows, "NextToken": "" if is_last else json.dumps([skipped + most, False, asked])}


class PriceServer(AwsServer):
    """Serves the price list and spot prices."""

    def respond(self, headers: Mapping[str, str], body: bytes) -> tuple[int, str, bytes]:
        scope = headers.get("Authorization", "").partition("Credential=")[2].split(",")[0].split("/")
        if scope[3] != "ec2":
            return super().respond(headers, body)
        try:
            with self._lock:
                return 200, "text/xml", self._history(scope[0], scope[2], dict(parse_qsl(body.decode())))
        except AwsError as error:
            told = f"<Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
            answer = f"<Response><Errors><Error>{told}</Error></Errors><RequestID>1</RequestID></Response>"
            return error.status, "text/xml", answer.encode()

    def _history(self, key_id: str, region: str, form: Mapping[str, str]) -> bytes:
        shape: Any = self._models["ec2"].operation_model(form["Action"]).input_shape
        parameters = _parameters(form)
        self.requests.append(Request("ec2", form["Action"], parameters, key_id))
        fault = self.faults.popleft() if self.faults else None
        if fault is not None or self.always is not None:
            raise fault or self.always or DENIED
        report = ParamValidator().validate(parameters, shape)
        if form["Action"] != "DescribeSpotPriceHistory" or report.has_errors():
            raise AwsError("InvalidParameter", report.generate_report())
        service = self.services["ec2"]
        service.region = region
        answer = service.describe_spot_price_history(parameters)
        rows = "".join(f"<item>{''.join(_tags(row))}</item>" for row in answer["SpotPriceHistory"])
        token = f"<nextToken>{escape(answer['NextToken'])}</nextToken>"
        inner = f"<requestId>1</requestId><spotPriceHistorySet>{rows}</spotPriceHistorySet>{token}"
        return f"<DescribeSpotPriceHistoryResponse>{inner}</DescribeSpotPriceHistoryResponse>".encode()


def _parameters(form: Mapping[str, str]) -> dict[str, Any]:
    """Lists are flat and named in the singular: ``InstanceType.1``."""
    found: dict[str, Any] = {}
    for name, value in sorted(form.items()):
        if listed := re.fullmatch(r"(InstanceType|ProductDescription)\.\d+", name):
            found.setdefault(f"{listed[1]}s", []).append(value)
        elif name in ("StartTime", "EndTime"):
            found[name] = datetime.fromisoformat(value.replace("Z", "+00:00"))
        elif name == "MaxResults":
            found[name] = int(value)
        elif name not in ("Action", "Version"):
            found[name] = value
    return found


def _tags(row: Mapping[str, Any]) -> list[str]:
    told = {**row, "Timestamp": row["Timestamp"].strftime("%Y-%m-%dT%H:%M:%S.000Z")}
    return [
        f"<{tag}>{escape(told[name])}</{tag}>" for name, tag in ((name, name[0].lower() + name[1:]) for name in told)
    ]


def _between(prices: list[tuple[int, str]], since_us: int, until_us: int) -> list[tuple[int, str]]:
    before = [each for each in prices if each[0] < since_us]
    return before[-1:] + [each for each in prices if since_us <= each[0] < until_us]


def _is_of(parameters: Mapping[str, Any], offer: Offer) -> bool:
    _, instance_type, product = offer
    return instance_type in parameters.get("InstanceTypes", [instance_type]) and product in parameters.get(
        "ProductDescriptions", [product]
    )


def _offset(token: str | None, asked: str) -> tuple[int, bool]:
    if not token:
        return 0, False
    try:
        skipped, is_filled, of = json.loads(token)
    except ValueError:
        raise BAD_TOKEN from None
    if of != asked:
        raise BAD_TOKEN
    return int(skipped), bool(is_filled)


def _us(moment: datetime | None, otherwise_us: int) -> int:
    return otherwise_us if moment is None else round(moment.timestamp() * SECOND)
