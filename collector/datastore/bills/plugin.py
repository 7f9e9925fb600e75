"""The kind ``bills``: one collector per export."""

from __future__ import annotations

from collector.account.config import AccountConfig
from collector.account.permissions import Grant
from collector.base import Fixed, Plugin
from collector.datastore.bills.collector import BillsCollector
from collector.datastore.bills.config import BillsConfig
from collector.datastore.s3.bucket import grants


def _build(config: BillsConfig) -> Fixed:
    return Fixed(BillsCollector(config))


def _granted(config: BillsConfig) -> list[tuple[AccountConfig, tuple[Grant, ...]]]:
    # Who is not AWS has policies of its own.
    return [] if config.account.endpoint is not None else [(config.account, grants(config.folder))]


plugin = Plugin(kind="bills", config=BillsConfig, build=_build, in_bulk=True, grants=_granted)
