"""NAT gateways. One that is deleted is listed for about an hour more, with the time of its end."""

from __future__ import annotations

from collections.abc import Iterator

from collector.account.permissions import Grant, Operation
from collector.aws.inquiry import Inquiry
from collector.aws.resources import Resource, Service, labels, tags, time_us


def _resources(ask: Inquiry) -> Iterator[Resource]:
    for gateway in ask.each("describe_nat_gateways", "NatGateways", 1_000):
        if gateway["State"] == "failed":
            continue
        number = gateway["NatGatewayId"]
        yield Resource(
            "ec2:natgateway",
            number,
            ask.where.arn("ec2", f"natgateway/{number}"),
            labels(connectivity=gateway.get("ConnectivityType"), vpc=gateway.get("VpcId")),
            tags=tags(gateway.get("Tags")),
            began_us=time_us(gateway["CreateTime"]),
            ended_us=time_us(gateway.get("DeleteTime")),
        )


service = Service(
    "nat_gateways", (Grant((Operation("ec2", "DescribeNatGateways", "ec2:DescribeNatGateways"),)),), _resources
)
