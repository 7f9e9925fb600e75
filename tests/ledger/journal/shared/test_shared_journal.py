"""A journal that replicas share: what one acknowledges, every other one shows."""

from __future__ import annotations

import time

from ledger.journal.journal import Journal
from ledger.journal.place import SharedPlace
from ledger.journal.record import DEFINITIONS_CHAIN, Kind


def test_two_replicas_show_one_book(place: SharedPlace) -> None:
    one = Journal(place)
    two = Journal(place)
    try:
        for number, journal in enumerate([one, two, one, two], 1):
            head = journal.log.head(DEFINITIONS_CHAIN)
            assert journal.extend(Kind.DEFINITIONS, DEFINITIONS_CHAIN, head, b"").position == number
            t = time.monotonic()
            assert one.view().position == two.view().position == number
            print(time.monotonic() - t)
            assert one.materialiser.trouble is None
            assert two.materialiser.trouble is None
    finally:
        one.close()
        two.close()
