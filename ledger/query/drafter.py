"""The helper of ``drafts``: a process that reads a book once, drafts what it was asked for, and ends.

It is started as ``python -m ledger.query.drafter DESCRIPTOR``. What cannot be drafted is told; whatever else goes wrong ends the process, and happens
again, with the error that it is, where what is left is drafted.
"""

from __future__ import annotations

import gc
import json
import sys
import zlib
from collections.abc import Iterator
from typing import Any

from ledger.billing.terms import accounts
from ledger.directory.standing import catalog_of
from ledger.journal.child import serve
from ledger.journal.lake import from_json
from ledger.journal.tables import Tables
from ledger.journal.view import View
from ledger.query.desks import Desks
from ledger.query.drafts import drafted, packed
from ledger.query.dues import Job
from ledger.query.questions import Book
from meterbook.lean import leave_out


def answers(request: bytes) -> Iterator[bytes]:
    """The drafts that a request asks for, a message for each block."""
    asked: dict[str, Any] = json.loads(zlib.decompress(request))
    tables = Tables(from_json(asked["lake"]), reads_only=True)
    view = View.at(tables.snapshot(), asked["position"])
    book = Book(view, catalog_of(view))
    desks = Desks(book, {tenant for block in asked["blocks"] for tenant, _, _ in block})
    for block in asked["blocks"]:
        yield packed(drafted(desks, _job(book, *key)) for key in block)


def _job(book: Book, tenant: str, subscription: str, start_us: int | None) -> Job:
    account = next(each for each in accounts(book.catalog, tenant) if each.name == subscription)
    return Job(account, None if start_us is None else account.cycle_at(start_us))


def _main() -> None:
    # All that it makes stays until it ends.
    gc.disable()
    serve(int(sys.argv[1]), answers)


if __name__ == "__main__":
    leave_out()
    _main()
