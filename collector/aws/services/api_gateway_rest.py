"""REST APIs of API Gateway, whose requests are what is paid for: CloudWatch counts those."""

from __future__ import annotations

from collections.abc import Iterator

from collector.account.permissions import Grant, Operation
from collector.aws.inquiry import Inquiry
from collector.aws.resources import Resource, Service, labels, time_us


def _resources(ask: Inquiry) -> Iterator[Resource]:
    where = ask.where
    for api in ask.each("get_rest_apis", "items", 500):
        yield Resource(
            "apigateway:restapis",
            api["id"],
            f"arn:{where.partition}:apigateway:{where.region}::/restapis/{api['id']}",
            labels(protocol="REST", name=api.get("name")),
            tags=api.get("tags", {}),
            began_us=time_us(api.get("createdDate")),
        )


service = Service(
    "api_gateway_rest",
    (Grant((Operation("apigateway", "GetRestApis", "apigateway:GET"),), ("arn:aws:apigateway:*::/restapis",)),),
    _resources,
)
