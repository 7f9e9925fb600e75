"""The search for cycles is off while somebody makes many objects, and afterwards as it was."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from ledger.journal.unswept import unswept


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    gc.enable()


def test_it_is_off_until_the_last_is_done() -> None:
    one, two = unswept(), unswept()
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)
    assert not gc.isenabled()
    two.__exit__(None, None, None)
    assert gc.isenabled()


def test_an_error_turns_it_on_again() -> None:
    with pytest.raises(KeyError), unswept():
        raise KeyError
    assert gc.isenabled()


def test_where_it_was_off_it_stays_off() -> None:
    gc.disable()
    with unswept(), unswept():
        pass
    assert not gc.isenabled()


def test_who_come_one_after_the_other_let_it_have_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.journal.unswept._MOST_S", 0.0)
    one, two = unswept(), unswept()
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)
    assert gc.isenabled()
    with unswept():
        assert not gc.isenabled()
    two.__exit__(None, None, None)
    assert gc.isenabled()
