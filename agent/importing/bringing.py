"""Bills against the book: those that are there already, those that are new, and what they take the place of.

A version is named by its rows, so that the same rows are the same version however often and in whatever files they come. One that came and
was overtaken since stays so, since whoever finds an old file is not to bring the old bill back; ``again`` says that this is meant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from agent.importing.batches import Version, batches, chain_name
from agent.importing.digest import together
from agent.importing.errors import ImportFault
from agent.importing.look import Look, SeenBill
from agent.importing.rows import Key
from agent.importing.sending import Making
from meterbook.ledger.v1 import query_pb2
from meterbook.wire import instants

Outcome = Literal["new", "replaces", "known", "overtaken"]


class Book(Protocol):
    """A ledger, as far as bills are brought to it."""

    def bills(self, source: str) -> Sequence[query_pb2.BillRow]:
        """Every version of every bill of a source. Raises ImportFault."""

    def bring(self, name: str, make: Making, is_there: Callable[[], bool]) -> None:
        """Bring a chain, until all of it is durable or ``is_there`` says that somebody else did. Raises ImportFault."""


@dataclass(frozen=True)
class Brought:
    """What became of a bill: ``new`` and ``replaces`` came in, ``known`` and ``overtaken`` had come before; what stood or stands instead."""

    bill: SeenBill
    version: str
    outcome: Outcome
    other: query_pb2.BillRow | None = None


def bring(book: Book, look: Look, issued_us: int, *, again: bool = False) -> list[Brought]:
    """Bring the bills of some files that are not there yet. Raises ImportFault; then no bill counts that did not before."""
    there = {source: book.bills(source) for source in {key.source for key in look.bills}}
    anew = f"/{issued_us}" if again else ""
    found = [_judged(bill, _name(look, bill.key), anew, there[bill.key.source]) for bill in look.bills.values()]
    fresh = [each for each in found if each.outcome in ("new", "replaces")]
    if fresh:
        versions = [_version(each, look.wanted.nature, issued_us) for each in fresh]
        sources = {each.bill.key.source for each in fresh}

        def are_there() -> bool:
            now = {source: book.bills(source) for source in sources}
            return all(_row(each, now) is not None for each in fresh)

        book.bring(chain_name(versions), lambda chain: batches(look, versions, chain), are_there)
        _check(fresh, {source: book.bills(source) for source in sources})
    return found


def _row(each: Brought, there: Mapping[str, Sequence[query_pb2.BillRow]]) -> query_pb2.BillRow | None:
    """What the book says of a version."""
    wanted = instants.text(each.bill.key.period_us), each.version
    return next((row for row in there[each.bill.key.source] if (row.period, row.version) == wanted), None)


def _name(look: Look, key: Key) -> str:
    return f"files/{together(look.wanted.nature, *look.parts(key))}"


def _version(each: Brought, nature: str, issued_us: int) -> Version:
    return Version(each.bill.key, each.version, nature, issued_us, each.bill.charges, each.bill.billed)


def _judged(bill: SeenBill, version: str, anew: str, rows: Sequence[query_pb2.BillRow]) -> Brought:
    """What is to become of a bill whose rows are called ``version``, and ``version`` and ``anew`` where they are to come once more."""
    month = [row for row in rows if row.period == instants.text(bill.key.period_us)]
    mine = [row for row in month if f"{row.version}/".startswith(f"{version}/")]
    standing = next((row for row in month if row.state == "stands"), None)
    if standing in mine:
        return Brought(bill, version, "known", standing)
    if not anew and any(row.state == "overtaken" for row in mine):
        return Brought(bill, version, "overtaken", standing)
    return Brought(bill, version + anew, "new" if standing is None else "replaces", standing)


def _check(fresh: Sequence[Brought], there: Mapping[str, Sequence[query_pb2.BillRow]]) -> None:
    """Raises ImportFault where a bill came in and does not stand."""
    for each in fresh:
        row = _row(each, there)
        place = f"the bill {each.bill.key.source} of {each.bill.month}"
        if row is not None and row.state == "too large":
            raise ImportFault(f"{place} does not stand: its costs are too large to be added up with those of others")
        if row is None or row.state == "incomplete":
            received = 0 if row is None else row.received
            raise ImportFault(
                f"{place} does not stand: {received} of its {each.bill.charges} charges are in the book; "
                "'meterbook dead-letters' says what became of the others"
            )
        if row.state == "overtaken":
            raise ImportFault(
                f"{place} came in and does not stand: another version was issued after {row.issued}; see --issued"
            )
