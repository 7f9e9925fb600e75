"""Rows of CSV without ids: what is counted once is known by its place alone."""

from __future__ import annotations

MAPPING = {
    "records": {"format": "csv"},
    "time": {"field": "at"},
    "source": {"const": "/shop"},
    "subject": "customer",
    "value": "used",
}
HEADER = "at,customer,used\n"
