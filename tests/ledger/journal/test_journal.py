"""The parts of the journal under one roof: who appends sees it, who looked too early is told, and nothing stays open."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ledger.journal.errors import Overtaken, StoreDamaged, TablesUnavailable
from ledger.journal.journal import Journal
from ledger.journal.record import DEFINITIONS_CHAIN, NO_HEAD, Head, Kind, payload_hash
from meterbook.ledger.v1 import journal_pb2
from tests.ledger.batches import Sender, append, content, draft, event, everything, extend, minute, opened
from tests.ledger.journal.logs import WAIT_S, check_whole

DEFINITIONS = (Kind.DEFINITIONS, DEFINITIONS_CHAIN)


def test_who_appends_sees_it_at_once(journal: Journal) -> None:
    sender = Sender()
    for number in range(1, 6):
        position = append(journal, content(events=[event(number)]), sender=sender)
        assert journal.view().position == position == number
        assert journal.view().count("events") == number
        assert journal.view(1).count("events") == 1


def test_a_record_of_its_own_follows_the_head_that_was_seen(journal: Journal) -> None:
    head = journal.head(DEFINITIONS_CHAIN, journal.view())
    assert head == NO_HEAD
    first = journal.extend(*DEFINITIONS, head, b"")
    assert first == Head(1, payload_hash(Kind.DEFINITIONS, NO_HEAD.hash, b""), 1)
    assert journal.head(DEFINITIONS_CHAIN, journal.view()) == journal.log.head(DEFINITIONS_CHAIN) == first
    assert journal.extend(*DEFINITIONS, first, b"").sequence == 2
    with pytest.raises(Overtaken, match="record 2 does not follow 2, the last one held"):
        journal.extend(*DEFINITIONS, Head(1, bytes(32), 1), b"")


def test_a_head_that_the_view_does_not_have_is_not_given(journal: Journal) -> None:
    """Whoever decided from the older book must look again."""
    before = journal.view()
    extend(journal, *DEFINITIONS, b"")
    with pytest.raises(Overtaken, match="definitions: record 1 is newer than the book that was read; read it again"):
        journal.head(DEFINITIONS_CHAIN, before)
    assert journal.head(DEFINITIONS_CHAIN, journal.view()).sequence == 1
    assert journal.head("runs/m", before) == NO_HEAD


def test_of_those_who_decide_from_one_book_one_may_write(journal: Journal) -> None:
    ready = threading.Barrier(4)

    def decide(number: int) -> bool:
        head = journal.head(DEFINITIONS_CHAIN, view)
        ready.wait(WAIT_S)
        try:
            journal.extend(*DEFINITIONS, head, journal_pb2.DefinitionsRecord(author=str(number)).SerializeToString())
        except Overtaken:
            return False
        return True

    view = journal.view()
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(decide, range(4))) == [False, False, False, True]
    assert journal.log.end == 1


def test_positions_that_are_not_in_the_book(journal: Journal) -> None:
    append(journal, minute(1))
    for position in (-1, 2, 10**30):
        with pytest.raises(LookupError, match=f"position {position} is not in the book, which ends at 1"):
            journal.view(position)


def test_a_batch_sent_again_is_told_its_position_also_by_the_next_process(tmp_path: Path) -> None:
    sender = Sender()
    batch = draft(sender.next())
    for _ in range(3):
        with opened(tmp_path / "store") as journal:
            assert journal.append(batch).result(WAIT_S) == 1
            assert journal.view().count("batches") == 1
            journal.append(draft(Sender(sequence=1, digest=bytes(32)).next())).exception(WAIT_S)
    with opened(tmp_path / "store") as journal:
        assert len(check_whole(journal.log)) == 1


@pytest.mark.parametrize("has_tables", [True, False])
def test_the_next_process_knows_every_head(tmp_path: Path, has_tables: bool) -> None:
    with opened(tmp_path / "store") as journal:
        append(journal, minute(1), minute(2))
        extend(journal, *DEFINITIONS, b"")
        rows = everything(journal)
        records = check_whole(journal.log)
    if not has_tables:
        shutil.rmtree(tmp_path / "store" / "tables")
    with opened(tmp_path / "store") as journal:
        assert check_whole(journal.log) == records
        assert everything(journal) == rows
        assert extend(journal, *DEFINITIONS, b"") == 4


def test_a_damaged_log_is_refused_and_lets_the_next_one_in(tmp_path: Path) -> None:
    with opened(tmp_path / "store") as journal:
        append(journal, minute(1), minute(2))
        journal.view()
    (segment,) = (tmp_path / "store" / "log").iterdir()
    whole = segment.read_bytes()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for place in (20, len(whole) // 4, len(whole) - 1):
        data = bytearray(whole)
        data[place] ^= 1
        segment.write_bytes(data)
        with pytest.raises(StoreDamaged):
            Journal(tmp_path / "store")
        assert segment.read_bytes() == data
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
    segment.write_bytes(whole)
    with opened(tmp_path / "store") as journal:
        assert journal.view().count("batches") == 2


def test_closing_keeps_what_was_appended_a_moment_ago(tmp_path: Path) -> None:
    journal, sender = Journal(tmp_path / "store"), Sender()
    futures = [journal.append(draft(sender.next())) for _ in range(20)]
    journal.close()
    journal.close()
    assert [future.result(0) for future in futures] == list(range(1, 21))
    with pytest.raises(TablesUnavailable):
        journal.view()
    with opened(tmp_path / "store") as again:
        assert again.view().count("batches") == 20
