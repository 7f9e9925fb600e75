"""The catalog as a view of the book shows it."""

from __future__ import annotations

from ledger.directory.catalog import Catalog
from ledger.directory.versions import DefinitionRow, definition_of
from ledger.journal.unswept import unswept
from ledger.journal.view import View

#: Positions of which the catalog is kept.
_CATALOGS_MAX = 8


def catalog_of(view: View) -> Catalog:
    """All definitions that stand at the view's position. Raises UnreadableDefinition.

    Reading tens of thousands takes seconds, and they seldom change: what was read at an earlier position is read on from there.
    """
    return view.remembered.of("catalog", view.position, lambda: _read(view), most=_CATALOGS_MAX)


def _read(view: View) -> Catalog:
    since, known = view.remembered.upto("catalog", view.position) or (0, Catalog.of(()))
    with unswept():
        added = [definition_of(row) for row in _rows(view, since)]
        return known.extended(added) if added else known


def _rows(view: View, after: int) -> list[DefinitionRow]:
    return [
        DefinitionRow(
            row["kind"], row["name"], row["version"], row["effective_from"], row["spec"], row["author"], row["position"]
        )
        for row in view.definitions(after).to_pylist()
    ]
