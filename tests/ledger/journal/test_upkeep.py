"""Compaction happens when it helps, is put off when it does not, and never for ever."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import Any

import pytest

from ledger.journal import upkeep as module
from ledger.journal.upkeep import COMMITS_BETWEEN, COMMITS_MAX, COMMITS_TOO_MANY, Upkeep

MANY, BEHIND_S = 1_000, 5.0


class Tables:
    """Tables that nobody reads."""

    lake = None

    def __init__(self) -> None:
        self.renewed = 0

    def alone(self, _: float) -> nullcontext[bool]:
        return nullcontext(True)

    def renew(self) -> None:
        self.renewed += 1


class Compaction:
    """A child that is prepared at once and does its work, or a part of it."""

    begun = 0
    leaves_something = False
    is_over, is_prepared = False, True

    def __init__(self, *_: object) -> None:
        Compaction.begun += 1

    def run(self) -> None:
        pass

    def close(self) -> bool:
        return Compaction.leaves_something


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Tables:
    monkeypatch.setattr(module, "Compaction", Compaction)
    monkeypatch.setattr(Compaction, "begun", 0)
    monkeypatch.setattr(Compaction, "leaves_something", False)
    return Tables()


@pytest.fixture
def upkeep(tables: Any) -> Upkeep:
    return Upkeep(tables, threading.Event())


def stepped(upkeep: Upkeep, commits: int, records: int = 1, lag_s: float = 0.0) -> int:
    """Compactions that were begun while so many commits were made."""
    before = Compaction.begun
    for _ in range(commits):
        upkeep.committed(records)
        upkeep.step(lag_s)
    return Compaction.begun - before


def test_in_quiet_times_after_some_commits(upkeep: Upkeep, tables: Tables) -> None:
    assert stepped(upkeep, COMMITS_BETWEEN - 1) == 0
    assert stepped(upkeep, 2) == 1
    assert tables.renewed == 1
    assert stepped(upkeep, COMMITS_BETWEEN - 1) == 0


def test_much_load_puts_it_off_though_one_commit_is_small(upkeep: Upkeep) -> None:
    assert stepped(upkeep, COMMITS_BETWEEN, MANY) == 0
    assert stepped(upkeep, COMMITS_MAX - COMMITS_BETWEEN - 1) == 0
    assert stepped(upkeep, 1) == 1


def test_not_where_the_tables_are_behind_but_not_never(upkeep: Upkeep, tables: Tables) -> None:
    assert stepped(upkeep, COMMITS_TOO_MANY - 1, lag_s=BEHIND_S) == 0
    assert stepped(upkeep, 2, lag_s=BEHIND_S) == 1
    assert tables.renewed == 1


def test_it_does_not_go_on_where_they_fell_behind_meanwhile(upkeep: Upkeep, tables: Tables) -> None:
    stepped(upkeep, COMMITS_BETWEEN)
    assert stepped(upkeep, 10, lag_s=BEHIND_S) == 0
    assert tables.renewed == 0
    stepped(upkeep, 1)
    assert tables.renewed == 1


def test_what_is_left_is_done_at_once_in_quiet_times_and_later_in_others(upkeep: Upkeep, tables: Tables) -> None:
    Compaction.leaves_something = True
    stepped(upkeep, COMMITS_BETWEEN + 1)
    assert tables.renewed == 1
    assert stepped(upkeep, 2) == 1
    assert tables.renewed == 2
    assert stepped(upkeep, COMMITS_BETWEEN - 2, MANY) == 0
    assert stepped(upkeep, 2, MANY) == 1
