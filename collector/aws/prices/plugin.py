"""The kind ``aws_prices``: one collector per entry, which reads some regions."""

from __future__ import annotations

from collector.account.config import AccountConfig
from collector.account.permissions import Grant
from collector.aws.prices.collector import PricesCollector
from collector.aws.prices.config import PricesConfig
from collector.aws.prices.permissions import grants
from collector.base import Fixed, Plugin


def _build(config: PricesConfig) -> Fixed:
    return Fixed(PricesCollector(config))


def _granted(config: PricesConfig) -> list[tuple[AccountConfig, tuple[Grant, ...]]]:
    return [(config.account, grants(config))]


plugin = Plugin(kind="aws_prices", config=PricesConfig, build=_build, grants=_granted)
