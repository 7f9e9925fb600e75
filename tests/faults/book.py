"""What a log must hold: kept from what it acknowledged, and as simple as it can be said.

Nothing here is shared with the log but the words: the rule of the chains and the Merkle tree are written once more.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.journal.errors import JournalError, Overtaken
from ledger.journal.log import Known, Log
from ledger.journal.record import NO_HEAD, Draft, Head, Record
from meterbook.proof.leaf import leaf_data
from tests.proof.trees import tree_hash

Outcome = int | JournalError


class Broken(AssertionError):
    """The log did what it must never do."""


def expect(holds: bool, what: str) -> None:
    if not holds:
        raise Broken(what)


def named(draft: Draft) -> str:
    """A draft in a history."""
    return f"{draft.chain}#{draft.sequence} ({len(draft.payload)} bytes)"


class Book:
    """Every record that was seen to be durable, and the groups of which nobody knows."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        #: Groups that failed or were cut off since the log was last seen whole: each may be there wholly, or not at all.
        self.doubtful: list[list[Draft]] = []

    def head(self, chain: str, position: int | None = None) -> Head:
        for record in reversed(self.records[:position]):
            if record.draft.chain == chain:
                return Head(record.draft.sequence, record.draft.hash, record.position)
        return NO_HEAD

    def known(self, position: int) -> Known:
        """What tables know that have seen the records up to a position."""
        chains = {record.draft.chain for record in self.records[:position]}
        return Known(position, {chain: self.head(chain, position) for chain in chains})

    def admitted(self, offered: Sequence[Draft], end: int | None = None) -> tuple[list[Draft], list[int | None]]:
        """Of a group: what is to be written, and for each draft its position, None where it is overtaken.

        ``end`` is where the log ended then, if not here.
        """
        end = len(self.records) if end is None else end
        lasts: dict[str, tuple[int, bytes, int]] = {}
        written: list[Draft] = []
        positions: list[int | None] = []
        for draft in offered:
            sequence, digest, position = lasts.get(draft.chain) or self.head(draft.chain, end)
            if (draft.sequence, draft.previous) == (sequence + 1, digest):
                written.append(draft)
                position = end + len(written)
                lasts[draft.chain] = draft.sequence, draft.hash, position
                positions.append(position)
            elif sequence and (draft.sequence, draft.hash) == (sequence, digest):
                positions.append(position)
            else:
                positions.append(None)
        return written, positions

    def check_outcomes(self, offered: Sequence[Draft], outcomes: Sequence[Outcome], *, may_fail: bool) -> bool:
        """Of a group that was offered to a log with one writer; gives whether it was written."""
        written, positions = self.admitted(offered)
        if any(not isinstance(outcome, int | Overtaken) for outcome in outcomes):
            expect(may_fail, f"unavailable though nothing failed: {outcomes}")
            expect(all(isinstance(outcome, JournalError) for outcome in outcomes), f"half a group: {outcomes}")
            self.doubtful.append(written)
            return False
        found = [outcome if isinstance(outcome, int) else None for outcome in outcomes]
        expect(found == positions, f"outcomes {found}, not {positions}")
        return True

    def learn(self, found: Sequence[Record]) -> None:
        """Take up records that the log shows behind those known."""
        for record in found:
            last = self.records[-1] if self.records else None
            head = self.head(record.draft.chain)
            expect(record.position == len(self.records) + 1, f"position {record.position} after {len(self.records)}")
            expect(not last or record.time_us >= last.time_us, f"the time falls at position {record.position}")
            expect(
                (record.draft.sequence, record.draft.previous) == (head.sequence + 1, head.hash),
                f"{named(record.draft)} stands after {head.sequence}",
            )
            self.records.append(record)

    def check(self, log: Log) -> None:
        """An opened log holds this book, and perhaps one of the doubtful groups; then the book has it too."""
        found = everything(log)
        expect(found[: len(self.records)] == self.records, f"{len(found)} records, not the {len(self.records)} known")
        more = [record.draft for record in found[len(self.records) :]]
        expect(not more or more in self.doubtful, f"half a group: {[named(draft) for draft in more]}")
        self.learn(found[len(self.records) :])
        self.doubtful = []
        self.check_standing(log)

    def check_standing(self, log: Log) -> None:
        """The log's end, root and heads are those of the book."""
        expect(log.end == len(self.records), f"the log ends at {log.end}, not {len(self.records)}")
        leaves = [
            leaf_data(record.kind, record.time_us, record.draft.chain, record.draft.sequence, record.draft.hash)
            for record in self.records
        ]
        expect(log.frontier.root() == tree_hash(leaves), "the root is another")
        for chain in {record.draft.chain for record in self.records} | {"nobody"}:
            expect(log.head(chain) == self.head(chain), f"the head of {chain} is {log.head(chain)}")


def everything(log: Log) -> list[Record]:
    """All that is stored."""
    reader = log.reader(stored=True)
    try:
        found: list[Record] = []
        while records := reader.read(1 << 20):
            found += records
        return found
    finally:
        reader.close()
