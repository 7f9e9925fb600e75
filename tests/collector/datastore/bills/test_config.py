"""What an export is called, what can be said of it, and what has to be granted to read it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from collector.datastore.bills.config import BillsConfig
from collector.datastore.bills.plugin import plugin


def config(**given: Any) -> BillsConfig:
    return BillsConfig.model_validate({"kind": "bills", "bucket": "usage", "prefix": "costs/focus", **given})


@pytest.mark.parametrize("prefix", ["costs/focus", "costs/focus/"])
def test_a_source_is_called_by_its_folder_or_as_configured(prefix: str) -> None:
    assert config(prefix=prefix).source == "bills/usage/costs/focus"
    assert config(prefix=prefix).folder.prefix == "costs/focus/"
    assert config(name="bill").source == "bill"


@pytest.mark.parametrize(
    "given",
    [
        {"prefix": ""},
        {"prefix": "/"},
        {"since": "2026-13"},
        {"since": "2026-01-01"},
        {"bucket": "usage--x-s3"},
        {"region": "?"},
    ],
)
def test_what_cannot_be(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config(**given)


def test_what_has_to_be_granted_is_to_list_the_bucket_and_to_read_the_folder() -> None:
    assert plugin.grants is not None
    ((_, grants),) = plugin.grants(config())
    assert [(grant.actions, grant.resources) for grant in grants] == [
        (("s3:ListBucket",), ("arn:aws:s3:::usage",)),
        (("s3:GetObject",), ("arn:aws:s3:::usage/costs/focus/*",)),
    ]
    assert plugin.grants(config(account={"endpoint": "http://127.0.0.1:9000"})) == []


def test_a_source_is_built_without_asking_anybody() -> None:
    (collector,) = plugin.build(config()).current()
    assert (collector.source, collector.catches_up) == ("bills/usage/costs/focus", True)
    assert collector.end(0, {}) is None
    collector.close()
    collector.close()
