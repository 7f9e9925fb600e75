"""AWS for tests: moto as a real server over HTTP, something of everything in it, and IAM that is enforced where a test asks for it.

What moto does otherwise than AWS, and what is done about it, is in :func:`as_moto_has_it` and :func:`enforced`.
"""

from __future__ import annotations

import io
import json
import logging
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from moto.core.authorization import enable_iam_authentication
from moto.ecs.models import ecs_backends
from moto.iam.access_control import IAMRequest
from moto.server import ThreadedMotoServer

ACCOUNT, REGION = "123456789012", "eu-central-1"
MARKED = {"team": "acme"}
_PAIRS = [{"Key": "team", "Value": "acme"}]
_SMALL_PAIRS = [{"key": "team", "value": "acme"}]
#: What moto calls the action of an operation: by the name that the request is signed for, and by the operation.
_AS_MOTO_CALLS_IT = {
    "tag:GetResources": ["tagging:GetResources"],
    "apigateway:GET": ["apigateway:GetApis", "apigateway:GetRestApis"],
}


@dataclass(frozen=True)
class Keys:
    """An access key."""

    id: str = "a-key-id"
    secret: str = "a-secret"


@dataclass(frozen=True)
class SimulatedAws:
    """One account in moto."""

    url: str
    stop: Callable[[], None]

    def client(self, service: str, region: str = REGION, keys: Keys | None = None) -> Any:
        """A client as anybody has it, without any guard."""
        keys = keys or Keys()
        return boto3.client(  # type: ignore[call-overload]
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id=keys.id,
            aws_secret_access_key=keys.secret,
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def empty(self) -> None:
        """Forget everything."""
        assert httpx.post(f"{self.url}/moto-api/reset").is_success

    def user(self, name: str, policy: Mapping[str, Any]) -> Keys:
        """The key of a user who is granted a policy, as moto has it."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="read", PolicyDocument=json.dumps(as_moto_has_it(policy)))
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return Keys(made["AccessKeyId"], made["SecretAccessKey"])

    def fill(self) -> None:
        """One resource or more of each kind, some of them tagged."""
        subnets = self._network()
        self._machines(subnets)
        self._databases()
        self._functions_and_apis()
        self._containers(subnets)
        self.client("elbv2").create_load_balancer(Name="front", Subnets=subnets, Tags=_PAIRS)
        listener = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 80}
        zones = [f"{REGION}a"]
        self.client("elb").create_load_balancer(LoadBalancerName="old", Listeners=[listener], AvailabilityZones=zones)
        self.client("sqs").create_queue(QueueName="jobs", tags=MARKED)
        self.client("sqs").create_queue(QueueName="untagged")
        self.client("kinesis").create_stream(StreamName="clicks", ShardCount=3)
        for region, name in ((REGION, "usage"), ("eu-west-1", "elsewhere")):
            s3 = self.client("s3", region)
            s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
            s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": _PAIRS})

    def fill_some(self) -> None:
        """A queue, a table, a stream and a cluster."""
        self.client("sqs").create_queue(QueueName="jobs")
        self.client("kinesis").create_stream(StreamName="clicks", ShardCount=1)
        self._table()
        self._cluster(["subnet-1"])

    def tables(self, count: int) -> None:
        """So many tables."""
        for number in range(count):
            self._table(f"table-{number:03}")

    def launch(self, instance_type: str = "m5.large") -> str:
        """An instance that runs; its id."""
        ec2 = self.client("ec2")
        image = ec2.register_image(Name="an image", RootDeviceName="/dev/sda1")["ImageId"]
        told = [{"ResourceType": "instance", "Tags": _PAIRS}]
        made = ec2.run_instances(
            ImageId=image, MinCount=1, MaxCount=1, InstanceType=instance_type, TagSpecifications=told
        )
        return str(made["Instances"][0]["InstanceId"])

    def _network(self) -> list[str]:
        ec2 = self.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        return [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"][
                "SubnetId"
            ]
            for number, zone in enumerate("ab")
        ]

    def _machines(self, subnets: list[str]) -> None:
        self.launch()
        ec2 = self.client("ec2")
        told = [{"ResourceType": "volume", "Tags": _PAIRS}]
        volume = ec2.create_volume(
            Size=100, AvailabilityZone=f"{REGION}a", VolumeType="gp3", Iops=4_000, TagSpecifications=told
        )
        told = [{"ResourceType": "snapshot", "Tags": _PAIRS}]
        ec2.create_snapshot(VolumeId=volume["VolumeId"], TagSpecifications=told)
        ec2.create_nat_gateway(SubnetId=subnets[0], AllocationId=ec2.allocate_address(Domain="vpc")["AllocationId"])

    def _databases(self) -> None:
        rds = self.client("rds")
        whose = {"MasterUsername": "root", "MasterUserPassword": "not-a-secret"}
        rds.create_db_instance(
            DBInstanceIdentifier="orders",
            DBInstanceClass="db.r5.large",
            Engine="postgres",
            AllocatedStorage=100,
            Tags=_PAIRS,
            **whose,
        )
        rds.create_db_cluster(DBClusterIdentifier="ledger", Engine="aurora-postgresql", Tags=_PAIRS, **whose)
        self.client("elasticache").create_cache_cluster(
            CacheClusterId="cache", CacheNodeType="cache.t3.micro", Engine="redis", NumCacheNodes=1, Tags=_PAIRS
        )
        self._table()

    def _table(self, name: str = "items") -> None:
        self.client("dynamodb").create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            Tags=_PAIRS,
        )

    def _functions_and_apis(self) -> None:
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("work.py", "def run(event, context): pass\n")
        self.client("lambda").create_function(
            FunctionName="resize",
            Runtime="python3.11",
            Role=self._role(),
            Handler="work.run",
            Code={"ZipFile": code.getvalue()},
            MemorySize=512,
            Tags=MARKED,
        )
        self.client("apigateway").create_rest_api(name="orders", tags=MARKED)
        self.client("apigatewayv2").create_api(Name="events", ProtocolType="HTTP", Tags=MARKED)

    def _containers(self, subnets: list[str]) -> None:
        self._cluster(subnets)
        ecs = self.client("ecs")
        ecs.create_cluster(clusterName="web", tags=_SMALL_PAIRS)
        container = {"name": "api", "image": "api", "memory": 512, "cpu": 256}
        ecs.register_task_definition(family="api", containerDefinitions=[container], cpu="256", memory="512")
        where: dict[str, Any] = {"cluster": "web", "taskDefinition": "api", "launchType": "FARGATE"}
        ecs.create_service(serviceName="api", desiredCount=2, tags=_SMALL_PAIRS, **where)
        ecs.run_task(tags=_SMALL_PAIRS, **where)
        # The server does not count by itself.
        backend = ecs_backends[ACCOUNT][REGION]
        backend.clusters["web"].active_services_count = backend.clusters["web"].running_tasks_count = 1
        (service,), (task,) = backend.services.values(), backend.tasks["web"].values()
        service.running_count = 2
        task.started_at = datetime.now(UTC)

    def _cluster(self, subnets: list[str]) -> None:
        self.client("eks").create_cluster(
            name="prod", roleArn=self._role(), resourcesVpcConfig={"subnetIds": subnets}, tags=MARKED
        )

    def _role(self) -> str:
        iam = self.client("iam")
        known = {role["RoleName"]: role["Arn"] for role in iam.list_roles()["Roles"]}
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        made = known.get("worker") or iam.create_role(RoleName="worker", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        return str(made)


@contextmanager
def simulated_aws() -> Iterator[SimulatedAws]:
    """An empty account, and keys for it that anybody finds."""
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with pytest.MonkeyPatch.context() as environment, ExitStack() as running:
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        environment.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
        environment.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
        environment.setenv("AWS_ACCESS_KEY_ID", Keys().id)
        environment.setenv("AWS_SECRET_ACCESS_KEY", Keys().secret)
        # A thousand images and their snapshots, which no test asks for.
        environment.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        server.start()
        running.callback(server.stop)
        host, port = server.get_host_and_port()
        account = SimulatedAws(f"http://{host}:{port}", running.close)
        account.empty()
        yield account


def as_moto_has_it(policy: Mapping[str, Any]) -> dict[str, Any]:
    """A policy with moto's names of actions; of most of them it asks on everything, whatever they are asked of."""
    statements = [
        {
            **statement,
            "Action": [name for action in statement["Action"] for name in _AS_MOTO_CALLS_IT.get(action, [action])],
            "Resource": "*",
        }
        for statement in policy["Statement"]
    ]
    return {**policy, "Statement": statements}


@contextmanager
def enforced() -> Iterator[None]:
    """IAM enforced: signatures are checked, and what is not granted is denied.

    A GET and a DELETE have no body: moto's own check takes their query for one, which is signed elsewhere.
    """
    original = IAMRequest._create_aws_request

    def without_body(request: Any) -> Any:
        if request._method in ("GET", "DELETE"):
            request._data = {}
        return original(request)

    IAMRequest._create_aws_request = without_body  # type: ignore[method-assign]
    try:
        with enable_iam_authentication():
            yield
    finally:
        IAMRequest._create_aws_request = original  # type: ignore[method-assign]
