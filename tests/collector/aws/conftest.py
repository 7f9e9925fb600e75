"""What the tests of AWS accounts share: an account in a real server, and collectors that are closed at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from collector.account.config import AccountConfig
from collector.aws.inventory import InventoryCollector
from collector.aws.plugin import plugin
from collector.readings import Window
from tests.collector.aws.simulated import REGION, SimulatedAws, simulated_aws

MINUTE_US = 60_000_000


@pytest.fixture(scope="module")
def moto() -> Iterator[SimulatedAws]:
    with simulated_aws() as running:
        yield running


@pytest.fixture
def account(moto: SimulatedAws) -> SimulatedAws:
    """An empty account."""
    moto.empty()
    return moto


@pytest.fixture(scope="module")
def filled(moto: SimulatedAws) -> SimulatedAws:
    """An account with something of everything, for all tests of a module: they only look."""
    moto.empty()
    moto.fill()
    return moto


@pytest.fixture(scope="module")
def inventory(moto: SimulatedAws) -> Iterator[Callable[..., InventoryCollector]]:
    """Makes collectors: ``inventory(services=["sqs"])``; each call stands for an agent that was started anew."""
    made: list[InventoryCollector] = []

    def make(**settings: Any) -> InventoryCollector:
        entry = {"name": "prod", "account": AccountConfig(endpoint=moto.url, attempts_max=1)}
        given = {"kind": "aws", "accounts": [entry], "regions": [REGION], **settings}
        (collector,) = plugin.build(plugin.config.model_validate(given)).current()
        assert isinstance(collector, InventoryCollector)
        made.append(collector)
        return collector

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def window() -> Window:
    """Ten minutes, with all in them that a test makes."""
    now_us = round(time.time() * 1e6)
    return Window(now_us - 5 * MINUTE_US, now_us + 5 * MINUTE_US)
