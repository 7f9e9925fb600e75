"""What a caller sees who may see only some tenants, where a question is not about tenants but about sources."""

from __future__ import annotations

from collections.abc import Collection

from ledger.journal.view import View


def sources_of(view: View, tenants: Collection[str]) -> set[str]:
    """The sources that the tenants have series or events from."""
    marks = ", ".join("?" * len(tenants))
    found = view.tables.query(
        f"SELECT source FROM series WHERE position <= ? AND tenant IN ({marks})"  # noqa: S608 - marks, not values
        f" UNION SELECT origin FROM events WHERE position <= ? AND tenant IN ({marks})",
        [view.position, *tenants, view.position, *tenants],
    )
    return set(found["source"].to_pylist())
