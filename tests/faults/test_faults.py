"""Some histories of the embedded log in each run of the tests; and that they find what they are there to find."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from ledger.journal import embedded, segment
from ledger.journal.disk import DiskFile
from ledger.journal.embedded import EmbeddedLog
from ledger.journal.fence import Admitted
from ledger.journal.record import Draft, Head
from ledger.journal.segment import Group
from tests.fakes.disk import FakeDisk, FakeFile
from tests.faults.history import Failed, run

SEEDS = 60
#: By this many histories every planted bug must be found.
SEEDS_MAX = 300


@pytest.mark.parametrize("first", range(0, SEEDS, 20))
def test_histories(first: int) -> None:
    for seed in range(first, first + 20):
        run(seed)


def nothing(*_: object) -> None:
    """Leave out what should be done."""


def without_sync(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(FakeFile, "sync", nothing)


def without_sync_of_names(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(FakeDisk, "sync", nothing)


def without_rewriting_what_a_failed_sync_left(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(FakeFile, "rewrite", nothing)


def without_taking_back(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(EmbeddedLog, "_take_back", nothing)


def going_on_after_a_failed_sync(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(EmbeddedLog, "_failed", property(nothing, nothing), raising=False)


def cutting_off_whatever_is_damaged(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(segment, "is_cut_off", lambda *_: True)


def taking_a_damaged_header_for_an_unfinished_one(patches: pytest.MonkeyPatch) -> None:
    def is_unfinished(file: DiskFile) -> bool:
        try:
            segment.read_header(file)
        except segment.StoreDamaged:
            return file.size < 4_096
        return False

    patches.setattr(segment, "is_unfinished", is_unfinished)


def writing_the_records_of_a_group_one_by_one(patches: pytest.MonkeyPatch) -> None:
    write = EmbeddedLog._write

    def one_by_one(log: EmbeddedLog, drafts: list[Draft]) -> Group:
        groups = []
        for draft in drafts:
            groups.append(group := write(log, [draft]))
            log._frontier, log._time_us, log._size = group.frontier, group.time_us, group.end
        return Group(tuple(record for each in groups for record in each.records), group.frontier, group.end)

    patches.setattr(EmbeddedLog, "_write", one_by_one)


def letting_in_what_does_not_follow(patches: pytest.MonkeyPatch) -> None:
    def admit(offered: Sequence[Draft], heads: dict[str, Head], position: int) -> Admitted:
        moved = {
            draft.chain: Head(draft.sequence, draft.hash, position + number) for number, draft in enumerate(offered)
        }
        return Admitted(list(offered), moved, [position + number for number in range(len(offered))])

    patches.setattr(embedded, "admit", admit)


BUGS: list[Callable[[pytest.MonkeyPatch], None]] = [
    without_sync,
    without_sync_of_names,
    without_rewriting_what_a_failed_sync_left,
    without_taking_back,
    going_on_after_a_failed_sync,
    cutting_off_whatever_is_damaged,
    taking_a_damaged_header_for_an_unfinished_one,
    writing_the_records_of_a_group_one_by_one,
    letting_in_what_does_not_follow,
]


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    bug(monkeypatch)
    with pytest.raises(Failed, match="BROKEN"):
        any(map(run, range(SEEDS_MAX)))
