"""A row of the spot price history as a price.

Zones are told by their names, which are an account's own, and by their ids where EC2 tells those, which are everybody's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collector.aws.prices.price import Price, checked
from meterbook.wire.instants import from_datetime, text

TYPE = "aws.spot_price"


def spot(row: Mapping[str, Any], region: str) -> Price:
    """What a row says. Raises ValueError for one that cannot be read."""
    try:
        zone, machine, product = row["AvailabilityZone"], row["InstanceType"], row["ProductDescription"]
        price, time_us = checked(row["SpotPrice"]), from_datetime(row["Timestamp"])
    except KeyError as error:
        raise ValueError(f"has no {error.args[0]}") from error
    if time_us < 0:
        raise ValueError(f"Timestamp {text(time_us)} is before 1970")
    properties = {
        "regionCode": region,
        "availabilityZone": zone,
        "instanceType": machine,
        "product": product,
        "currency": "USD",
        "price": price,
    }
    if row.get("AvailabilityZoneId"):
        properties["availabilityZoneId"] = row["AvailabilityZoneId"]
    subject = f"{zone}/{machine}/{product}"
    return Price(f"{subject}/{text(time_us)}", TYPE, subject, time_us, properties)
