"""Applying definitions: validated all together, written as one record, or not at all.

Two applies at once could both find a name free and both write its version 1, so they are made one after the other.
"""

from __future__ import annotations

import threading

from ledger.directory.applying import Application, plan_changes
from ledger.directory.manifest import parse_manifests
from ledger.journal.frames import Kind
from ledger.journal.journal import Journal
from ledger.query.questions import BadQuestion, Book
from meterbook.ledger.v1 import admin_pb2, journal_pb2

_FAULTS_SHOWN = 50


class Applier:
    """Applies manifests to the directory of a journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._applying = threading.Lock()

    def apply(self, request: admin_pb2.ApplyRequest) -> admin_pb2.ApplyResponse:
        """Write what changed. Raises BadQuestion with every fault of every file, JournalError."""
        if not request.author:
            raise BadQuestion("author: say who applies")
        manifest = parse_manifests((each.name, each.text) for each in request.manifests)
        with self._applying:
            book = Book.at(self._journal, 0)
            found = (
                Application(faults=manifest.faults)
                if manifest.faults
                else plan_changes(book.catalog, manifest.documents)
            )
            if found.faults:
                shown = [str(fault) for fault in found.faults[:_FAULTS_SHOWN]]
                left = len(found.faults) - len(shown)
                raise BadQuestion("\n".join([*shown, *([f"and {left} more"] if left else [])]))
            position = book.view.position
            if found.versions and not request.dry_run:
                record = journal_pb2.DefinitionsRecord(
                    author=request.author,
                    versions=[journal_pb2.DefinitionVersion(**vars(version)) for version in found.versions],
                )
                position = self._journal.append(Kind.DEFINITIONS, record.SerializeToString()).result().position
        changes = [admin_pb2.Change(**vars(change)) for change in found.changes]
        return admin_pb2.ApplyResponse(position=position, changes=changes)
