"""An agent may define so many series in an hour; what is more waits, and nobody else does."""

from __future__ import annotations

import pytest

from ledger.intake.quota import SeriesQuota
from ledger.intake.refusals import Refused
from ledger.journal.journal import Journal
from meterbook.intake.v1 import intake_pb2
from meterbook.wire.instants import HOUR_US
from tests.ledger.batches import DAY, Sender, chains, content, series


def test_the_quota_is_of_one_agent_and_one_hour() -> None:
    now_us = DAY
    quota = SeriesQuota(10, lambda: now_us)
    quota.take("one", 7)
    quota.take("one", 3)
    quota.take("one", 0)
    with pytest.raises(Refused, match="agent one defined 10 series this hour and sends 1 more") as caught:
        quota.take("one", 1)
    assert (caught.value.code, caught.value.limit) == (intake_pb2.REFUSAL_CODE_UNAVAILABLE, "series_per_hour_max")
    assert str(caught.value).endswith("it goes on at 2026-01-31T10:00:00Z")
    quota.take("two", 10)
    now_us += HOUR_US
    quota.take("one", 1)


def test_one_batch_is_never_stuck_for_ever() -> None:
    quota = SeriesQuota(10, lambda: DAY)
    quota.take("one", 11)
    with pytest.raises(Refused):
        quota.take("one", 1)


def test_what_waits_is_accepted_later(journal: Journal) -> None:
    now_us = [DAY]
    book = chains(journal, series_per_hour_max=2)
    book._quota = SeriesQuota(2, lambda: now_us[0])
    sender = Sender()
    chain = book.hello(sender.hello())
    assert book.accept(chain, sender.next(content(series=[series(1), series(2)]))).result() == 1
    late = sender.next(content(series=[series(3)]))
    with pytest.raises(Refused, match="series_per_hour_max 2"):
        book.accept(chain, late)
    now_us[0] += HOUR_US
    assert book.accept(chain, late).result() == 2
