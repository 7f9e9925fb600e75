"""What is asked for in other windows than the meter's own: added up where that makes sense, else measured anew."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ledger.directory.standing import catalog_of
from ledger.metering.answer import UnfitWindow, usage
from ledger.metering.booking import Booker
from meterbook.wire import instants
from tests.fakes.journal import MemoryJournal, memory_journal
from tests.ledger.batches import content, event

HOUR = instants.HOUR_US
DAY = instants.parse("2026-03-02T00:00:00Z")
METER = "kind: meter\nname: m\n{since}spec: {{source: {{event: {event}}}, unit: each, {spec}}}\n"


def define(journal: MemoryJournal, spec: str, since: str = "", event: str = "load") -> None:
    stands = f"effective_from: {since}\n" if since else ""
    journal.define(METER.format(since=stands, event=event, spec=spec), {"m": 2 if since else 1})


def send(journal: MemoryJournal, **values: int) -> None:
    """A value of so many units at each hour: h3=5."""
    hours = enumerate(values.items())
    rows = [event(n, type="load", time=DAY + int(hour[1:]) * HOUR, value=Decimal(value)) for n, (hour, value) in hours]
    journal.send("one", content(events=rows))


def asked(journal: MemoryJournal, window: str, zone: str = "UTC", days: int = 1) -> dict[str, str]:
    """Quantity by start of the window."""
    view = journal.view()
    rows = usage(view, catalog_of(view), DAY, DAY + days * 24 * HOUR, window=window, zone=zone)
    return {instants.text(row.window_us)[8:16] if row.window_us else "": f"{row.quantity:f}" for row in rows}


def short(found: dict[str, str]) -> dict[str, str]:
    return {at: f"{Decimal(quantity).normalize():f}" for at, quantity in found.items()}


@pytest.mark.parametrize("booked", [False, True])
def test_a_peak_is_measured_anew_and_billed_by_its_own_windows(booked: bool) -> None:
    with memory_journal(DAY + 48 * HOUR) as journal:
        define(journal, "aggregation: max")
        send(journal, h1=5, h2=9, h23=7)
        if booked:
            Booker(journal).book()  # type: ignore[arg-type]
        assert short(asked(journal, "own")) == {"02T01:00": "5", "02T02:00": "9", "02T23:00": "7"}
        assert short(asked(journal, "day")) == {"02T00:00": "9"}
        assert short(asked(journal, "day", "Europe/Berlin")) == {"01T23:00": "9", "02T23:00": "7"}
        assert short(asked(journal, "total")) == {"": "21"}


def test_a_window_in_which_another_version_takes_over_has_a_quantity_of_each() -> None:
    with memory_journal(DAY + 48 * HOUR) as journal:
        define(journal, "aggregation: max")
        define(journal, "aggregation: max", since="2026-03-02T12:00:00Z")
        send(journal, h1=5, h13=9)
        assert short(asked(journal, "day")) == {"02T00:00": "5", "02T12:00": "9"}


def test_a_sum_is_put_together_over_versions() -> None:
    with memory_journal(DAY + 48 * HOUR) as journal:
        define(journal, "aggregation: sum")
        define(journal, "aggregation: sum", since="2026-03-02T12:00:00Z")
        send(journal, h1=5, h13=9)
        assert short(asked(journal, "day")) == {"02T00:00": "14"}


def test_what_is_made_of_hours_has_no_minutes() -> None:
    with memory_journal(DAY + 48 * HOUR) as journal:
        define(journal, "aggregation: sum, window: day, buckets: {unit: hour, combine: max}")
        send(journal, h1=5, h2=9)
        assert short(asked(journal, "day")) == {"02T00:00": "9"}
        with pytest.raises(UnfitWindow, match="quantities are made of buckets of one hour"):
            asked(journal, "minute")


def test_a_daily_sum_has_hours_all_the_same() -> None:
    with memory_journal(DAY + 48 * HOUR) as journal:
        define(journal, "aggregation: sum, window: day")
        send(journal, h1=5, h2=9)
        assert short(asked(journal, "hour")) == {"02T01:00": "5", "02T02:00": "9"}
        assert short(asked(journal, "month", days=30)) == {"01T00:00": "14"}
