"""HTTP and WebSocket APIs of API Gateway, which are asked for apart from REST APIs."""

from __future__ import annotations

from collections.abc import Iterator

from collector.account.permissions import Grant, Operation
from collector.aws.inquiry import Inquiry
from collector.aws.resources import Resource, Service, labels, time_us


def _resources(ask: Inquiry) -> Iterator[Resource]:
    where = ask.where
    for api in ask.each("get_apis", "Items", 500):
        yield Resource(
            "apigateway:apis",
            api["ApiId"],
            f"arn:{where.partition}:apigateway:{where.region}::/apis/{api['ApiId']}",
            labels(protocol=api.get("ProtocolType"), name=api.get("Name")),
            tags=api.get("Tags", {}),
            began_us=time_us(api.get("CreatedDate")),
        )


service = Service(
    "api_gateway_http",
    (Grant((Operation("apigatewayv2", "GetApis", "apigateway:GET"),), ("arn:aws:apigateway:*::/apis",)),),
    _resources,
)
