"""Which services are metered. Another one is a file in ``services/`` and its line here."""

from __future__ import annotations

from collector.aws.resources import Service
from collector.aws.services import (
    api_gateway_http,
    api_gateway_rest,
    classic_load_balancers,
    dynamodb,
    ebs_snapshots,
    ebs_volumes,
    ec2_instances,
    ecs_clusters,
    ecs_services,
    ecs_tasks,
    eks,
    elasticache,
    kinesis,
    lambda_functions,
    load_balancers,
    nat_gateways,
    rds_clusters,
    rds_instances,
    s3,
    sqs,
)

_ALL = (
    api_gateway_http.service,
    api_gateway_rest.service,
    classic_load_balancers.service,
    dynamodb.service,
    ebs_snapshots.service,
    ebs_volumes.service,
    ec2_instances.service,
    ecs_clusters.service,
    ecs_services.service,
    ecs_tasks.service,
    eks.service,
    elasticache.service,
    kinesis.service,
    lambda_functions.service,
    load_balancers.service,
    nat_gateways.service,
    rds_clusters.service,
    rds_instances.service,
    s3.service,
    sqs.service,
)

#: By the name that a configuration has.
CATALOGUE: dict[str, Service] = {service.name: service for service in _ALL}
