"""Every history of the corpus comes out as it was worked out by hand, however it is booked and however often it is sent."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby

import pyarrow as pa
import pytest

from ledger.directory.catalog import Catalog
from ledger.directory.standing import catalog_of
from ledger.journal.view import View
from ledger.metering.answer import usage
from ledger.metering.booking import Booker
from ledger.query.amending import Amender
from meterbook.ledger.v1 import admin_pb2
from meterbook.wire import instants
from tests.fakes.journal import MemoryJournal, MemoryTables
from tests.ledger.batches import content
from tests.ledger.metering.corpus import (
    FOLDER,
    Answer,
    Correction,
    Definition,
    Delivery,
    History,
    Question,
    Unreadable,
    corpus,
    histories_of,
)

FIRST, LAST = instants.parse("2000-01-01"), instants.parse("2100-01-01")

HISTORIES = {f"{file}: {history.title}": history for file, history in corpus()}


class QuickTables(MemoryTables):
    """Most sections of a small batch are empty, and to insert nothing takes as long as to insert a row."""

    def apply(self, rows: Mapping[str, pa.Table], position: int) -> None:
        super().apply({name: table for name, table in rows.items() if table.num_rows}, position)


_TABLES = QuickTables()


@contextmanager
def quick_journal(now_us: int) -> Iterator[MemoryJournal]:
    """An empty journal in memory; its tables are used again for the next."""
    try:
        yield MemoryJournal(_TABLES, now_us)
    finally:
        _TABLES.empty()


#: What is done after each batch. None of it may change an answer.
Meanwhile = Callable[[MemoryJournal, Booker, Delivery], object]


def send(journal: MemoryJournal, batch: Delivery) -> None:
    journal.now_us = batch.now_us
    journal.send(batch.agent, content(**batch.rows))


def leave(journal: MemoryJournal, booker: Booker, batch: Delivery) -> None:
    """Nothing is booked."""


def book(journal: MemoryJournal, booker: Booker, batch: Delivery) -> None:
    """All windows are booked, those under way included."""
    booker.book()


def book_closed(journal: MemoryJournal, booker: Booker, batch: Delivery) -> None:
    """Windows are booked when they have ended."""
    booker.book(batch.now_us)


def send_again(journal: MemoryJournal, booker: Booker, batch: Delivery) -> None:
    """The batch comes a second time, and windows are booked between the two."""
    booker.book()
    send(journal, batch)


def answered(view: View, catalog: Catalog, asked: Question) -> Answer:
    rows = usage(view, catalog, FIRST, LAST, meters=[asked.meter], window=asked.window, zone=asked.zone)
    return {
        (row.tenant, row.dimensions, row.window_us): (row.quantity, row.estimated, row.observed_us, row.expected_us)
        for row in rows
    }


def readable(answer: Answer) -> list[str]:
    """An answer line by line, so that a difference can be read."""
    return sorted(
        f"{tenant} {dimensions} {'in total' if at_us is None else instants.text(at_us)}: {quantity.normalize() + 0:f}"
        f" estimated {estimated.normalize() + 0:f} seen {observed_us}us/{expected_us}us"
        for (tenant, dimensions, at_us), (quantity, estimated, observed_us, expected_us) in answer.items()
    )


def check(journal: MemoryJournal, position: int, questions: Sequence[Question]) -> None:
    """Whether the book answers as it was worked out, as of a position."""
    view = journal.view(position)
    catalog = catalog_of(view)
    for question in questions:
        found = readable(answered(view, catalog, question))
        assert found == readable(question.answer), f"line {question.line}, usage {question.meter}"


def play(history: History, meanwhile: Meanwhile = leave) -> None:
    """Play a history, and ask what it asks: when it asks, and at its end for how the book stood then.

    What was sent at once, and left unbooked, is booked at the end and asked for once more.
    """
    versions: Counter[str] = Counter()
    asked: list[tuple[int, list[Question]]] = []
    with quick_journal(history.batches[0].now_us) as journal:
        booker = Booker(journal)  # type: ignore[arg-type]
        for are_questions, steps in groupby(history.steps, key=lambda step: isinstance(step, Question)):
            if are_questions:
                asked.append((len(journal.records), [step for step in steps if isinstance(step, Question)]))
                check(journal, *asked[-1])
                continue
            for step in steps:
                if isinstance(step, Definition):
                    versions[step.name] += 1
                    journal.define(step.manifest, versions)
                elif isinstance(step, Correction):
                    request = admin_pb2.AmendEventRequest(reason="so it is", author="ada", **step.request)
                    Amender(journal).amend(request)  # type: ignore[arg-type]
                elif isinstance(step, Delivery):
                    send(journal, step)
                    meanwhile(journal, booker, step)
        for earlier in asked[:-1]:
            check(journal, *earlier)
        if meanwhile is leave and len(history.batches) == 1:
            booker.book()
            check(journal, 0, asked[-1][1])


@pytest.mark.parametrize("name", HISTORIES)
def test_a_history_comes_out_as_it_was_worked_out(name: str) -> None:
    play(HISTORIES[name])


@pytest.mark.parametrize("name", [name for name, history in HISTORIES.items() if len(history.batches) > 1])
def test_it_does_so_booked_after_every_batch(name: str) -> None:
    play(HISTORIES[name], book)


@pytest.mark.slow
@pytest.mark.parametrize("meanwhile", [book_closed, send_again])
@pytest.mark.parametrize("name", HISTORIES)
def test_it_does_so_however_it_is_booked_and_sent(name: str, meanwhile: Meanwhile) -> None:
    play(HISTORIES[name], meanwhile)


TEXT = """\
=== a sale
# Guards against nothing.
day 2026-03-10
now 11:00
meter sales
    source: {event: sale}
    aggregation: sum
    unit: items
batch one
    event a sale acme 10:20 3 size=xl # so many
    complete source 10:00 11:00
usage sales
    acme 10:00 3 seen 1h/1h
"""


def test_a_history_that_is_wrong_fails() -> None:
    (history,) = histories_of("a.txt", TEXT)
    play(history)
    for right, wrong in (
        ("10:00 3 ", "10:00 4 "),
        ("1h/1h", "1h/2h"),
        ("usage sales\n    acme", "usage sales\n    blue"),
    ):
        (history,) = histories_of("a.txt", TEXT.replace(right, wrong))
        with pytest.raises(AssertionError, match="usage sales"):
            play(history)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("now 11:00", "nw 11:00", "a.txt:4: 'nw 11:00': 'nw' is none of day, now, meter, reassign, tenant, amend, batch, usage"),
        ("now 11:00\n", "", "the clock was not set"),
        ("now 11:00", "now 11:00\nnow 10:00", "never goes back"),
        ("    event a", "    evnt a", "'evnt' is nothing that a batch has"),
        ("size=xl", "size", "none of from, by and no label=value"),
        ("10:20 3", "10:20 three", "a.txt:10"),
        ("complete source 10:00 11:00", "sample a 10:00 1", "a.txt:11"),
        ("complete source 10:00 11:00", "series a counter m acme\n    sample a 10:00", "'10:00' has no value"),
        ("usage sales", "usage sales per day", "'by' is expected, not 'per'"),
        ("1h/1h", "1h/soon", "'soon' is no duration"),
        ("3 seen 1h/1h", "3 seen 1h/1h\n    acme 10:00 4", "stands here twice"),
        ("# Guards against nothing.\n", "", "does not say '# Guards against'"),
        ("usage sales\n    acme 10:00 3 seen 1h/1h\n", "", "expects nothing"),
        ("usage sales\n", "now 12:00\nusage sales\n", "say 'batch' first"),
        ("day 2026-03-10\n", "    day 2026-03-10\n", "belongs to nothing"),
    ],
)  # fmt: skip
def test_a_line_that_means_nothing_is_refused_with_its_place(right: str, wrong: str, said: str) -> None:
    assert TEXT.count(right) == 1
    with pytest.raises(Unreadable, match=re.escape(said)):
        histories_of("a.txt", TEXT.replace(right, wrong))


def test_the_example_of_the_notation_is_a_history() -> None:
    notation = (FOLDER / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```\n(=== .*?)^```$", notation, re.MULTILINE | re.DOTALL)
    (history,) = histories_of("README.md", example)
    play(history)
    play(history, book)


def test_every_history_has_a_name_of_its_own() -> None:
    titles = Counter(f"{file}: {history.title}" for file, history in corpus())
    assert max(titles.values()) == 1
    assert len(titles) > 100
