"""The kind ``aws``: the resources of accounts, a source for each account and region."""

from __future__ import annotations

from collector.account.session import Account
from collector.aws.config import AwsConfig
from collector.aws.grants import grants, grants_of
from collector.aws.inventory import InventoryCollector
from collector.base import Fixed, Plugin


def _build(config: AwsConfig) -> Fixed:
    found = []
    for named in config.accounts:
        account = Account(named.account, grants_of(config, named))
        found += [InventoryCollector(config, named, account, region) for region in config.regions]
    return Fixed(*found)


plugin = Plugin(kind="aws", config=AwsConfig, build=_build, grants=grants)
