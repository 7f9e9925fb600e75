"""What reading prices asks. Neither operation can be granted on single things ("Service Authorization Reference", AWS Price List, Amazon EC2)."""

from __future__ import annotations

from collector.account.permissions import Grant, Operation
from collector.aws.prices.config import PricesConfig

LIST = Operation("pricing", "GetProducts", "pricing:GetProducts")
SPOT = Operation("ec2", "DescribeSpotPriceHistory", "ec2:DescribeSpotPriceHistory")


def grants_by_service(config: PricesConfig) -> dict[str, Grant]:
    """What a configuration must be granted of each service that it asks."""
    found = {LIST.service: Grant((LIST,))} if config.products else {}
    return {**found, SPOT.service: Grant((SPOT,))} if config.spot is not None else found


def grants(config: PricesConfig) -> tuple[Grant, ...]:
    """The same, of all services."""
    return tuple(grants_by_service(config).values())
