"""The files of a store, checked alone: bytes flipped, and records changed by somebody who puts all checksums right again."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.journal.errors import StoreRefused
from ledger.journal.record import Draft, Kind
from ledger.query.verify import verify, verify_files
from meterbook.ledger.v1 import query_pb2
from meterbook.proof.checkpoint import Checkpoint
from meterbook.proof.merkle import EMPTY_ROOT
from tests.ledger.batches import Sender, append, minute, opened
from tests.ledger.forgery import Drafts, content_of, groups, rechained, rewrite, with_content

BATCHES = 5
Forge = Callable[[list[Drafts]], list[Drafts]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Checkpoint]]:
    """A closed store of two agents, and the checkpoint after every record."""
    root = tmp_path_factory.mktemp("files") / "store"
    # Tests of this file may run in two goes in one process, with a store each.
    kept, senders = [], [Sender("even"), Sender("odd")]
    with opened(root) as journal:
        for number in range(1, BATCHES + 1):
            append(journal, minute(number), sender=senders[number % 2])
            kept.append(Checkpoint("book", journal.log.end, journal.log.frontier.root()))
    return root, kept


@pytest.fixture
def store(made: tuple[Path, list[Checkpoint]], tmp_path: Path) -> Path:
    return shutil.copytree(made[0], tmp_path / "store")


@pytest.fixture
def kept(made: tuple[Path, list[Checkpoint]]) -> list[Checkpoint]:
    return made[1]


def verdict(store: Path, against: Checkpoint | None = None) -> query_pb2.Verdict:
    *_, last = verify_files(store, against)
    return last.verdict


def the_segment(store: Path) -> Path:
    (path,) = (store / "log").glob("*.seg")
    return path


def test_good_files_hold_and_go_on_from_every_checkpoint(store: Path, kept: list[Checkpoint]) -> None:
    found = verdict(store)
    assert (found.holds, found.position, found.batches, found.root) == (True, 5, 5, kept[-1].root.hex())
    for checkpoint in [Checkpoint("book", 0, EMPTY_ROOT), *kept]:
        against = verdict(store, checkpoint)
        assert (against.holds, against.against_size) == (True, checkpoint.size), against.faults


def test_any_byte_that_is_flipped_is_found(store: Path, kept: list[Checkpoint]) -> None:
    path = the_segment(store)
    data = path.read_bytes()
    last = len(data) - (groups(store / "log")[-1].end - groups(store / "log")[-2].end)
    choice = random.Random(7)
    for offset in {0, 8, 30, last - 1, *(choice.randrange(last) for _ in range(60))}:
        # Bytes 12 to 15 and the like are covered too: nothing in a segment goes unchecked.
        path.write_bytes(data[:offset] + bytes([data[offset] ^ 1 << choice.randrange(8)]) + data[offset + 1 :])
        found = verdict(store, kept[-1])
        assert not found.holds, offset


def test_the_end_that_a_crash_cut_off_is_no_fault_unless_a_checkpoint_covers_it(
    store: Path, kept: list[Checkpoint]
) -> None:
    path = the_segment(store)
    path.write_bytes(path.read_bytes()[:-1])
    found = verdict(store)
    assert (found.holds, found.position) == (True, 4)
    assert "were never acknowledged" in found.notes[0]
    assert verdict(store, kept[3]).holds
    (fault,) = verdict(store, kept[4]).faults
    assert fault.startswith("the checkpoint is of 5 records, and the log ends at position 4")


def changed(found: list[Drafts]) -> list[Drafts]:
    """Doubles what a tenant used."""
    (time_us, [draft]) = found[1]
    content = content_of(draft)
    index = content.samples.column_names.index("value")
    doubled = content.samples.set_column(
        index, content.samples.schema.field("value"), [[2 * v for v in content.samples["value"].to_pylist()]]
    )
    found[1] = (time_us, [with_content(draft, replace(content, samples=doubled))])
    return found


def removed(found: list[Drafts]) -> list[Drafts]:
    return found[:1] + found[2:]


def inserted(found: list[Drafts]) -> list[Drafts]:
    return [*found[:2], (found[1][0], list(found[1][1])), *found[2:]]


def reordered(found: list[Drafts]) -> list[Drafts]:
    (first_us, one), (second_us, two) = found[1], found[3]
    return [found[0], (first_us, two), found[2], (second_us, one), *found[4:]]


def swapped_agents(found: list[Drafts]) -> list[Drafts]:
    """Both chains stay whole: only the order between them is another."""
    (first_us, one), (second_us, two) = found[1], found[2]
    return [found[0], (first_us, two), (second_us, one), *found[3:]]


def retimed(found: list[Drafts]) -> list[Drafts]:
    """Only the time of the commit is another, of which no chain knows."""
    return [(time_us + (number == 1), drafts) for number, (time_us, drafts) in enumerate(found)]


def renamed(found: list[Drafts]) -> list[Drafts]:
    """A batch is given to another agent."""
    time_us, [draft] = found[1]
    return [found[0], (time_us, [replace(draft, chain=draft.chain.replace("even", "evil"))]), *found[2:]]


FORGERIES = [changed, removed, inserted, reordered, renamed]


@pytest.mark.parametrize("forge", FORGERIES)
def test_records_changed_with_right_checksums_break_their_chain(store: Path, forge: Forge) -> None:
    rewrite(store / "log", forge)
    assert not verdict(store).holds


@pytest.mark.parametrize("forge", [changed, removed, inserted, reordered, swapped_agents, retimed])
def test_a_log_that_was_written_anew_is_found_only_by_an_older_checkpoint(
    store: Path, kept: list[Checkpoint], forge: Forge
) -> None:
    rewrite(store / "log", lambda found: rechained(forge(found)))
    alone = verdict(store)
    assert alone.holds, alone.faults
    assert verdict(store, kept[0]).holds, "it goes on from what was before the change"
    for checkpoint in kept[3:]:
        (fault,) = verdict(store, checkpoint).faults
        assert "does not go on from the checkpoint" in fault or "are gone" in fault


@pytest.mark.parametrize("forge", [changed, swapped_agents])
def test_a_ledger_over_a_log_that_was_written_anew_finds_nothing_without_a_checkpoint(
    store: Path, kept: list[Checkpoint], forge: Forge
) -> None:
    rewrite(store / "log", lambda found: rechained(forge(found)))
    shutil.rmtree(store / "tables")
    with opened(store) as journal:
        *_, last = verify(journal)
        assert last.verdict.holds, last.verdict.faults
        *_, last = verify(journal, against=kept[4])
        assert "does not go on from the checkpoint" in last.verdict.faults[0]


def test_a_payload_that_nobody_can_read(store: Path) -> None:
    def garbage(found: list[Drafts]) -> list[Drafts]:
        time_us, [draft] = found[1]
        broken = Draft(Kind.BATCH, draft.chain, draft.sequence, draft.previous, draft.hash, b"\xff\xff")
        return [found[0], (time_us, [broken]), *found[2:]]

    rewrite(store / "log", garbage)
    assert "cannot be read" in verdict(store).faults[0]


def test_it_disturbs_nobody(store: Path) -> None:
    with opened(store) as journal:
        sender = Sender("third")
        before = {path: path.stat().st_mtime_ns for path in store.rglob("*.seg")}
        assert verdict(store).holds
        assert {path: path.stat().st_mtime_ns for path in store.rglob("*.seg")} == before
        append(journal, minute(1), sender=sender)
        assert verdict(store).position == 6


def test_what_is_no_store(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(StoreRefused, match="store"):
            verdict(folder)
    (tmp_path / "FORMAT").write_text("meterbook journal 99\n")
    with pytest.raises(StoreRefused, match="this software reads"):
        verdict(tmp_path)
