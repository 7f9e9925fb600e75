"""A Cost Explorer with a clock for each test; behind those of a module one server, and one client, which takes longer to make than what is tested."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from collector.account.config import AccountConfig
from collector.account.session import Account
from collector.aws.costexplorer.config import CostExplorerConfig
from collector.aws.costexplorer.permissions import GRANTS
from tests.collector.aws.costexplorer.reading import BEGIN, Follower, settings
from tests.collector.aws.once import Once, keys
from tests.fakes.aws.costexplorer import FakeCostExplorer
from tests.fakes.aws.server import AwsServer, aws_server

_keys = pytest.fixture(scope="module", autouse=True)(keys)


@pytest.fixture(scope="module")
def standing(_keys: None) -> Iterator[tuple[AwsServer, Account]]:
    with aws_server(FakeCostExplorer(BEGIN)) as server:
        account = Once(AccountConfig(endpoint=server.endpoint, attempts_max=1), GRANTS)
        yield server, account
        account.close()


@pytest.fixture
def cloud() -> FakeCostExplorer:
    return FakeCostExplorer(BEGIN)


@pytest.fixture
def server(standing: tuple[AwsServer, Account], cloud: FakeCostExplorer) -> AwsServer:
    running, _ = standing
    running.reset({"ce": cloud})
    return running


@pytest.fixture
def account(standing: tuple[AwsServer, Account]) -> Account:
    return standing[1]


@pytest.fixture
def follow(cloud: FakeCostExplorer, server: AwsServer, account: Account) -> Iterator[Callable[..., Follower]]:
    """Makes followers of the cloud: ``follow(settle_days=3)``."""
    made: list[Follower] = []

    def make(**changes: Any) -> Follower:
        config = CostExplorerConfig.model_validate(settings(server, **changes))
        made.append(Follower(cloud, config, account))
        return made[-1]

    yield make
    for one in made:
        one.collector.close()
