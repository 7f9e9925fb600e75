"""A CloudWatch with a clock for each test; behind those of a module one server, and one client, which takes longer to make than what is tested."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from collector.account.session import Account
from collector.aws.cloudwatch.config import CloudwatchConfig
from collector.aws.cloudwatch.permissions import grants
from tests.collector.aws.cloudwatch.reading import BEGIN, INVOCATIONS, Follower, follower, settings
from tests.collector.aws.once import Once, keys
from tests.fakes.aws.cloudwatch import FakeCloudWatch
from tests.fakes.aws.server import AwsServer, aws_server

_keys = pytest.fixture(scope="module", autouse=True)(keys)


@pytest.fixture(scope="module")
def standing(_keys: None) -> Iterator[tuple[AwsServer, Account]]:
    with aws_server(FakeCloudWatch(BEGIN)) as server:
        lists = {**INVOCATIONS, "dimensions": {}, "each": ["FunctionName"]}
        config = CloudwatchConfig.model_validate(settings(server, lists))
        account = Once(config.account, grants(config))
        yield server, account
        account.close()


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
