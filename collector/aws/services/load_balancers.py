"""Application, network and gateway load balancers."""

from __future__ import annotations

from collections.abc import Iterator

from collector.account.permissions import Grant, Operation
from collector.aws.inquiry import Inquiry
from collector.aws.resources import Resource, Service, labels, time_us


def _resources(ask: Inquiry) -> Iterator[Resource]:
    for balancer in ask.each("describe_load_balancers", "LoadBalancers", 400):
        yield Resource(
            "elasticloadbalancing:loadbalancer",
            balancer["LoadBalancerName"],
            balancer["LoadBalancerArn"],
            labels(kind=balancer.get("Type"), scheme=balancer.get("Scheme")),
            began_us=time_us(balancer.get("CreatedTime")),
        )


_DESCRIBE = Operation("elbv2", "DescribeLoadBalancers", "elasticloadbalancing:DescribeLoadBalancers")
service = Service("load_balancers", (Grant((_DESCRIBE,)),), _resources, tagged_as=("elasticloadbalancing",))
