"""Columns that are not understood, and what a table is called."""

from __future__ import annotations

import pytest

from collector.datastore.bills.dialects import FOCUS, strange, table_of
from tests.collector.datastore.bills.rows_of_bills import CUR, focus_rows


@pytest.mark.parametrize("provider", ["aws", "azure", "gcp"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_nothing_of_focus_is_strange(provider: str, version: str) -> None:
    columns = list(focus_rows(1, version=version, provider=provider)[0])
    assert (strange(columns), table_of(columns)) == ((), "FOCUS")
    assert set(columns) <= FOCUS | {name for name in columns if name.startswith("x_")}


def test_what_is_neither_is() -> None:
    assert strange(["BilledCost", "billedCost", "x_Mine", "Team"]) == ("billedCost", "Team")
    columns = [*CUR[0][0], "product", "resource_tags", "discount_total_discount", "Team"]
    assert (strange(columns), table_of(columns)) == (("Team",), "CUR 2.0")
