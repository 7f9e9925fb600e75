"""Applying definitions: validated all together, written as one record, or not at all.

Two applies at once could both find a name free and both write its version 1. So an apply is written only if nothing was
added to the definitions since it read them; else it reads them again and decides anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.directory.applying import plan_changes
from ledger.directory.documents import Document, Fault
from ledger.directory.manifest import parse_manifests
from ledger.journal.journal import Journal
from ledger.journal.overtaken import until_first
from ledger.journal.record import DEFINITIONS_CHAIN, Kind
from ledger.query.questions import BadQuestion, Book
from meterbook.ledger.v1 import admin_pb2, journal_pb2

_FAULTS_SHOWN = 50


class Applier:
    """Applies manifests to the directory of a journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def apply(self, request: admin_pb2.ApplyRequest) -> admin_pb2.ApplyResponse:
        """Write what changed. Raises BadQuestion with every fault of every file, JournalError."""
        if not request.author:
            raise BadQuestion("author: say who applies")
        manifest = parse_manifests((each.name, each.text) for each in request.manifests)
        if manifest.faults:
            raise refused(manifest.faults)
        return until_first(lambda: self._apply_once(manifest.documents, request.author, request.dry_run))

    def _apply_once(self, documents: Sequence[Document], author: str, dry_run: bool) -> admin_pb2.ApplyResponse:
        book = Book.at(self._journal, 0)
        found = plan_changes(book.catalog, documents)
        if found.faults:
            raise refused(found.faults)
        position = book.view.position
        if found.versions and not dry_run:
            record = journal_pb2.DefinitionsRecord(
                author=author,
                versions=[journal_pb2.DefinitionVersion(**vars(version)) for version in found.versions],
            )
            head = self._journal.head(DEFINITIONS_CHAIN, book.view)
            position = self._journal.extend(
                Kind.DEFINITIONS, DEFINITIONS_CHAIN, head, record.SerializeToString()
            ).position
        changes = [admin_pb2.Change(**vars(change)) for change in found.changes]
        return admin_pb2.ApplyResponse(position=position, changes=changes)


def refused(faults: Sequence[Fault]) -> BadQuestion:
    """The error that tells of faults, each with its place, the first so many of them."""
    shown = [str(fault) for fault in faults[:_FAULTS_SHOWN]]
    left = len(faults) - len(shown)
    return BadQuestion("\n".join([*shown, *([f"and {left} more"] if left else [])]))
