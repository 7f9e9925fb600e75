"""The book of acts in a real journal: it survives, is read on from anywhere, and is not lost in a race."""

from __future__ import annotations

import threading
from pathlib import Path

from ledger.access.acts import act
from ledger.access.book import JournalActs
from ledger.access.caller import ANONYMOUS
from ledger.access.issuing import Issuer
from ledger.access.register import Register
from ledger.journal.journal import Journal
from tests.ledger.batches import AGENT, EPOCH, append, content, minute, opened, series


def test_acts_are_read_on_from_a_position(journal: Journal) -> None:
    book = JournalActs(journal)
    assert book.acts(0) == []
    first = book.write(act("access.revoked", "a", "ada", revoked_us=1))
    append(journal, minute(1))
    second = book.write(act("access.revoked", "b", "ada", revoked_us=2))
    assert [(each.name, each.position, each.details) for each in book.acts(0)] == [
        ("a", first, {"revoked_us": 1}),
        ("b", second, {"revoked_us": 2}),
    ]
    assert [each.name for each in book.acts(first)] == ["b"]
    assert book.acts(second) == []


def test_credentials_survive_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path / "store") as journal:
        book = JournalActs(journal)
        register = Register(book)
        _, token = Issuer(book, register).issue_token(ANONYMOUS, "bob", "viewer", ["acme", 'o"dd ü'], 0)
    with opened(tmp_path / "store") as journal:
        register = Register(JournalActs(journal))
        register.refresh()
        assert register.session(token.text).caller.tenants.patterns == ("acme", 'o"dd ü')


def test_no_act_is_lost_in_a_race(journal: Journal) -> None:
    books = [JournalActs(journal) for _ in range(4)]

    def write(number: int) -> None:
        for step in range(10):
            books[number].write(act("access.revoked", f"{number}-{step}", "ada", revoked_us=1))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = [each.name for each in books[0].acts(0)]
    assert len(found) == len(set(found)) == 40
    assert [each for each in found if each.startswith("2-")] == [f"2-{step}" for step in range(10)]


def test_the_series_that_an_agent_defined_in_an_epoch(journal: Journal) -> None:
    append(journal, content(series=[series(1), series(2, tenant="bcorp", source="s")]))
    book = JournalActs(journal)
    rows = book.defined_series(AGENT, EPOCH).to_pylist()
    assert sorted((row["series_id"], row["source"], row["tenant"]) for row in rows) == [
        (1, "prometheus/shop", "acme"),
        (2, "s", "bcorp"),
    ]
    assert book.defined_series(AGENT, EPOCH + 1).num_rows == 0
    assert book.defined_series("other", EPOCH).num_rows == 0
