"""Which addresses mean the same machine to everyone, and which targets are the same wherever they are read from."""

from __future__ import annotations

from typing import Any

import pytest

from collector.base import lease_of
from collector.prometheus.config import PrometheusConfig
from collector.prometheus.discovery import PrometheusSources
from collector.prometheus.targets import parse_target


@pytest.mark.parametrize(
    ("address", "is_local"),
    [
        ("127.0.0.1:80", True),
        ("127.8.0.1", True),
        ("127.1:80", True),
        ("2130706433", True),
        ("0.0.0.0:80", True),
        ("169.254.169.254", True),
        ("[::1]:80", True),
        ("[::]:80", True),
        ("[::ffff:127.0.0.1]:80", True),
        ("[fe80::1]", True),
        ("localhost:80", True),
        ("LOCALHOST", True),
        ("localhost.", True),
        ("shop.localhost", True),
        ("ip6-localhost", True),
        ("10.0.0.1:80", False),
        ("[2001:db8::1]:80", False),
        ("[::ffff:10.0.0.1]", False),
        ("shop.example.org", False),
        ("localhost.example.org", False),
        ("notlocalhost", False),
    ],
)
def test_addresses_of_the_own_machine(address: str, is_local: bool) -> None:
    assert parse_target(address, job="shop", scheme="http", path="/metrics").is_local is is_local


def lease(**settings: Any) -> str | None:
    config = PrometheusConfig.model_validate({"job": "shop", "targets": ["10.0.0.1:80"], **settings})
    (collector,) = PrometheusSources(config).current()
    name = lease_of(collector)
    collector.close()
    assert name is None or name.startswith(f"{collector.source}#")
    return name


def test_what_is_leased() -> None:
    assert lease(lease=False) is None
    assert lease(targets=["127.0.0.1:80"]) is None
    assert lease(targets=["127.0.0.1:80"], lease=True) is not None
    assert lease() == lease(lease=True, interval_s=60)


@pytest.mark.parametrize("change", [{"labels": {"cluster": "b"}}, {"scheme": "https"}, {"params": {"module": "x"}}])
def test_another_target_at_the_same_address_is_not_the_same(change: dict[str, Any]) -> None:
    """Addresses of pods are the same in many clusters: what tells them apart are their labels."""
    assert lease(**change) != lease()
