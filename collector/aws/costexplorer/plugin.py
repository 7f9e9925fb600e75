"""The kind ``aws_cost_explorer``: one collector per entry, which is of one account."""

from __future__ import annotations

from collector.account.config import AccountConfig
from collector.account.permissions import Grant
from collector.aws.costexplorer.collector import CostExplorerCollector
from collector.aws.costexplorer.config import CostExplorerConfig
from collector.aws.costexplorer.permissions import GRANTS
from collector.base import Fixed, Plugin


def _build(config: CostExplorerConfig) -> Fixed:
    return Fixed(CostExplorerCollector(config))


def _granted(config: CostExplorerConfig) -> list[tuple[AccountConfig, tuple[Grant, ...]]]:
    return [(config.account, GRANTS)]


plugin = Plugin(kind="aws_cost_explorer", config=CostExplorerConfig, build=_build, grants=_granted)
