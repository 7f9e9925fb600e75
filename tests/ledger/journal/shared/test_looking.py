"""What a doctor says of the services behind a book, asked of real ones: by reading alone, and with their clock."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from ledger.journal.journal import Journal
from ledger.journal.looking import has_tables
from ledger.journal.place import SharedPlace
from ledger.journal.shared import looking
from ledger.journal.shared.objects import Objects
from ledger.journal.shared.store import SharedStore
from ledger.proof.fitting import named_by
from ledger.proof.keyfile import KeyFile
from ledger.proof.signer import Signer
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


def test_the_keys_of_a_book_that_replicas_share(place: SharedPlace, tmp_path: Path) -> None:
    assert not has_tables(place)
    with closing(Journal(place)) as journal:
        signer = Signer(journal, KeyFile(tmp_path / "key"))
        assert journal.materialiser.wait_for(journal.log.end, 60)
        assert has_tables(place)
        assert named_by(place) == signer.succession()
