"""Prices for each test; behind those of a module one server, and one client of each service and region, which take longer to make than what is tested."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from collector.account.config import AccountConfig
from collector.account.session import Account
from collector.aws.prices.config import PricesConfig
from collector.aws.prices.permissions import grants
from tests.collector.aws.once import Once, keys
from tests.collector.aws.prices.reading import BEGIN, Follower, price_server, settings
from tests.fakes.aws.pricing import FakePriceList
from tests.fakes.aws.spot import FakeSpotPrices, PriceServer

_keys = pytest.fixture(scope="module", autouse=True)(keys)


@pytest.fixture(scope="module")
def standing(_keys: None) -> Iterator[tuple[PriceServer, Account]]:
    server = price_server(FakePriceList(), FakeSpotPrices(BEGIN))
    server.start()
    config = PricesConfig.model_validate(settings(server, spot={"instance_types": ["m5.large"]}))
    account = Once(AccountConfig(endpoint=server.endpoint, attempts_max=1), grants(config))
    yield server, account
    account.close()
    server.stop()


@pytest.fixture
def prices() -> FakePriceList:
    return FakePriceList()


@pytest.fixture
def spots() -> FakeSpotPrices:
    return FakeSpotPrices(BEGIN)


@pytest.fixture
def server(standing: tuple[PriceServer, Account], prices: FakePriceList, spots: FakeSpotPrices) -> PriceServer:
    running, _ = standing
    running.reset({"pricing": prices, "ec2": spots})
    return running


@pytest.fixture
def account(standing: tuple[PriceServer, Account]) -> Account:
    return standing[1]


@pytest.fixture
def follow(spots: FakeSpotPrices, server: PriceServer, account: Account) -> Callable[..., Follower]:
    """Makes followers of the prices: ``follow(pages_max=1)``."""

    def make(**changes: Any) -> Follower:
        return Follower(spots, PricesConfig.model_validate(settings(server, **changes)), account)

    return make
