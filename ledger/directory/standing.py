"""The catalog as a view of the book shows it."""

from __future__ import annotations

from ledger.directory.catalog import Catalog
from ledger.directory.versions import DefinitionRow
from ledger.journal.view import View


def catalog_of(view: View) -> Catalog:
    """All definitions that stand at the view's position. Raises UnreadableDefinition."""
    return Catalog.of(
        DefinitionRow(
            row["kind"], row["name"], row["version"], row["effective_from"], row["spec"], row["author"], row["position"]
        )
        for row in view.definitions().to_pylist()
    )
