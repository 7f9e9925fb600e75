"""Classic load balancers, which have another API and no ARN of their own telling."""

from __future__ import annotations

from collections.abc import Iterator

from collector.account.permissions import Grant, Operation
from collector.aws.inquiry import Inquiry
from collector.aws.resources import Resource, Service, labels, time_us


def _resources(ask: Inquiry) -> Iterator[Resource]:
    for balancer in ask.each("describe_load_balancers", "LoadBalancerDescriptions", 400):
        name = balancer["LoadBalancerName"]
        yield Resource(
            "elasticloadbalancing:loadbalancer",
            name,
            ask.where.arn("elasticloadbalancing", f"loadbalancer/{name}"),
            labels(kind="classic", scheme=balancer.get("Scheme")),
            began_us=time_us(balancer.get("CreatedTime")),
        )


_DESCRIBE = Operation("elb", "DescribeLoadBalancers", "elasticloadbalancing:DescribeLoadBalancers")
service = Service("classic_load_balancers", (Grant((_DESCRIBE,)),), _resources, tagged_as=("elasticloadbalancing",))
