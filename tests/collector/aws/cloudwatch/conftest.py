"""A CloudWatch with a clock for each test; behind those of a module one server, and one client, which takes longer to make than what is tested."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from collector.account.session import Account
from collector.aws.cloudwatch.config import CloudwatchConfig
from collector.aws.cloudwatch.permissions import grants
from tests.collector.aws.cloudwatch.reading import BEGIN, INVOCATIONS, Follower, follower, settings
from tests.fakes.aws.cloudwatch import FakeCloudWatch
from tests.fakes.aws.server import AwsServer, aws_server


class Once(Account):
    """An account that makes one client."""

    _made: Any = None

    def client(self, service: str, region: str | None = None) -> Any:
        if self._made is None:
            self._made = super().client(service, region)
        return self._made


@pytest.fixture(scope="module", autouse=True)
def _keys() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "a-key-id")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="module")
def standing(_keys: None) -> Iterator[tuple[AwsServer, Account]]:
    with aws_server(FakeCloudWatch(BEGIN)) as server:
        lists = {**INVOCATIONS, "dimensions": {}, "each": ["FunctionName"]}
        config = CloudwatchConfig.model_validate(settings(server, lists))
        account = Once(config.account, grants(config))
        yield server, account
        account.client("cloudwatch", config.region).close()


@pytest.fixture
def cloud() -> FakeCloudWatch:
    return FakeCloudWatch(BEGIN)


@pytest.fixture
def server(standing: tuple[AwsServer, Account], cloud: FakeCloudWatch) -> AwsServer:
    running, _ = standing
    running.reset({"cloudwatch": cloud})
    return running


@pytest.fixture
def account(standing: tuple[AwsServer, Account]) -> Account:
    return standing[1]


@pytest.fixture
def follow(cloud: FakeCloudWatch, server: AwsServer, account: Account) -> Iterator[Callable[..., Follower]]:
    """Makes followers of the cloud: ``follow({"namespace": ...}, settle_s=60)``."""
    made: list[Follower] = []

    def make(*queries: dict[str, Any], **changes: Any) -> Follower:
        made.append(follower(cloud, server, account, *queries, **changes))
        return made[-1]

    yield make
    for one in made:
        one.collector.close()
