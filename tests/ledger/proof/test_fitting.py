"""Whose keys sign a book is found by reading alone, also while a ledger has it open and hands over to another key."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from ledger.journal.errors import StoreRefused
from ledger.journal.journal import Journal
from ledger.journal.place import FilePlace
from ledger.proof.fitting import fits, named_by
from ledger.proof.keyfile import KeyFile
from ledger.proof.signer import Signer


def test_the_keys_of_a_book_that_is_open(tmp_path: Path) -> None:
    place, file = FilePlace(tmp_path / "store"), KeyFile(tmp_path / "key")
    with closing(Journal(place)) as journal:
        assert named_by(place) is None
        signer = Signer(journal, file)
        first = file.read()
        assert journal.materialiser.wait_for(journal.log.end, 30)
        found = named_by(place)
        assert found == signer.succession() and fits(found, first)
        signer.rotate("ops")
        assert journal.materialiser.wait_for(journal.log.end, 30)
        found = named_by(place)
        assert found == signer.succession()
        assert fits(found, file.read()) and not fits(found, first)


def test_a_directory_that_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused):
        named_by(FilePlace(tmp_path))
    assert not list(tmp_path.iterdir())
