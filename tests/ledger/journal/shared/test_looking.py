"""What a doctor says of the services behind a book, asked of real ones: by reading alone, and with their clock."""

from __future__ import annotations

import pytest

from ledger.journal.place import SharedPlace
from ledger.journal.shared import looking
from ledger.journal.shared.objects import Objects
from ledger.journal.shared.store import SharedStore
from meterbook.doctor.findings import Finding


def found(place: SharedPlace) -> dict[str, list[Finding]]:
    by_check: dict[str, list[Finding]] = {}
    for each in looking.looked(place):
        by_check.setdefault(each.check, []).append(each)
    return by_check


def test_services_that_hold_no_book_yet_and_then_one(place: SharedPlace) -> None:
    first = found(place)
    assert {each.status for each in first["store"]} <= {"ok", "warning"}
    assert first["store"][-1].found.endswith("can be read, and holds no book yet")
    assert [each.status for each in first["clock"]] == ["ok"]
    assert [each for page in Objects(place.bucket).listed("") for each in page] == [], "nothing is written"
    SharedStore(place).close()
    assert found(place)["store"][-1].found.endswith("holds a book")


def test_a_clock_that_differs_from_that_of_the_database(place: SharedPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    real = looking.now_us
    monkeypatch.setattr(looking, "now_us", lambda: real() - 90_000_000)
    (clock,) = found(place)["clock"]
    assert clock.status == "failure" and "s behind that of postgresql://" in clock.found
