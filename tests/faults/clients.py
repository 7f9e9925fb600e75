"""What clients send to a log: the next records of their chains, and now and then what does not follow."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ledger.journal import frames
from ledger.journal.frames import Commit
from ledger.journal.record import NO_HEAD, Draft, Head, Kind, payload_hash
from tests.faults.book import Book


class Clients:
    """Some senders, who know what the book holds."""

    def __init__(self, random: Random, book: Book) -> None:
        self._random, self._book = random, book
        self._chains = [f"agent/{name}/1" for name in "abcd"[: random.randint(1, 4)]]
        self._sent: list[Draft] = []

    def offer(self, under_way: Sequence[Draft] = ()) -> list[Draft]:
        """Drafts for one group, which may follow others that are under way."""
        offered: list[Draft] = []
        for _ in range(self._random.choice([1, 1, 2, 5, 20])):
            offered.append(self._draft([*under_way, *offered]))
        self._sent += offered
        return offered

    def _draft(self, before: list[Draft]) -> Draft:
        """The next of a chain; or again, or what does not follow."""
        chain = self._random.choice(self._chains)
        own = [draft for draft in (*self._sent, *before) if draft.chain == chain]
        heads = [Head(draft.sequence, draft.hash, 0) for draft in before if draft.chain == chain]
        written = [draft for draft in self._book.admitted(before)[0] if draft.chain == chain]
        head = Head(written[-1].sequence, written[-1].hash, 0) if written else self._book.head(chain)
        how = self._random.random()
        if how < 0.12 and own:
            return self._random.choice(own)
        if how < 0.2:
            head = self._random.choice([NO_HEAD, Head(head.sequence + 1, head.hash, 0), *heads])
        elif how < 0.25 and head.sequence:
            head = Head(max(0, head.sequence - 1), head.hash, 0)
        elif how < 0.3:
            head = Head(head.sequence, self._random.randbytes(32), 0)
        payload = self._payload()
        digest = payload_hash(Kind.BATCH, head.hash, payload)
        return Draft(Kind.BATCH, chain, head.sequence + 1, head.hash, digest, payload)

    def _payload(self) -> bytes:
        payload = self._random.randbytes(self._random.choice([0, 5, 60, 300, 1_200]))
        if self._random.random() < 0.1:
            # It looks like the log's own commit of a later group, but for the checksum.
            forged = Commit(self._random.randrange(1 << 20), 1, 0, len(payload), bytes(32))
            payload += frames.pack_commit(forged, self._random.randrange(1 << 32))
        return payload
