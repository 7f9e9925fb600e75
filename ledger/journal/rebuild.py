"""Making the tables anew: they are derived, so whatever is wrong with them is mended by the log."""

from __future__ import annotations

import shutil
from pathlib import Path

from ledger.journal.journal import Journal
from ledger.journal.store import StoreDirectory, check_version
from meterbook.proof.merkle import Frontier

_OLD = "tables.old"


def rebuild_tables(root: Path) -> Frontier:
    """Fill new tables from the log of a store that nobody uses; gives the tree over what they hold.

    The tables that were there go only when the new ones are complete; what an interrupted rebuild left is used up by the
    next. Raises StoreRefused and its kinds, TablesUnavailable, OSError.
    """
    check_version(root)
    store = StoreDirectory(root)
    old = root / _OLD
    try:
        if old.exists():
            shutil.rmtree(store.tables)
        else:
            store.tables.rename(old)
    finally:
        store.close()
    journal = Journal(root)
    try:
        frontier = journal.log.frontier
    finally:
        journal.close()
    shutil.rmtree(old)
    return frontier
