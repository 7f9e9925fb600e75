"""The book of acts that the journal keeps, and what it knows of the series that an agent defined.

Acts have a chain of their own. Which of two acts counts is decided where they are read (see ``standing``), so one that another
replica overtook is simply written behind the other.
"""

from __future__ import annotations

import pyarrow as pa

from ledger.access.acts import Act
from ledger.journal.errors import Overtaken
from ledger.journal.journal import Journal
from ledger.journal.record import ACTS_CHAIN, Kind
from meterbook.ledger.v1 import journal_pb2


class JournalActs:
    """An :class:`~ledger.access.acts.ActBook` in a journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def acts(self, after: int) -> list[Act]:
        """The acts of positions after ``after``, in their order."""
        newest = self._journal.log.head(ACTS_CHAIN).position
        # Asked every few seconds, and the answer is nearly always that there is nothing: the tables need not be waited for.
        if newest <= after:
            return []
        return [Act(**row) for row in self._journal.view(newest).acts(after).to_pylist()]

    def write(self, act: Act) -> int:
        """Keep an act; gives its position once it is durable."""
        record = journal_pb2.ActRecord(author=act.author, kind=act.kind, name=act.name, document=act.document)
        while True:
            try:
                head = self._journal.log.head(ACTS_CHAIN)
                return self._journal.extend(Kind.ACT, ACTS_CHAIN, head, record.SerializeToString()).position
            except Overtaken:
                # Somebody else wrote: that is progress, so this ends.
                continue

    def defined_series(self, agent: str, epoch: int) -> pa.Table:
        """Columns series_id, source, tenant of every definition in an agent's chain; see ``writing.Defined``."""
        return self._journal.view().tables.query(
            "SELECT series_id, source, tenant FROM series JOIN batches USING (position) WHERE agent = ? AND epoch = ?",
            [agent, epoch],
        )
