"""Whether an agent could use a spool, found out by reading alone: for ``doctor``, beside an agent that has it open.

What an agent refuses is refused here, in the same words. A spool that nobody has open and whose journal is empty is read as a file that does not
change, so that SQLite makes no files beside it.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from agent.spool.file import check_owner, check_pages, lock_of, translated
from meterbook.doctor import machine


def looked(path: Path, agent: str) -> str | None:
    """What is found of a spool in a few words; None where there is none yet. Raises SpoolUnusable as an agent would."""
    with translated(path):
        if not path.exists():
            return None
        # As an agent opens it: a file that takes no changes is of no use.
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
        is_open, journal = machine.is_locked(lock_of(path)), Path(f"{path}-wal")
        is_still = not is_open and not (journal.exists() and journal.stat().st_size)
        mode = "immutable=1" if is_still else "mode=ro"
        with closing(sqlite3.connect(f"file:{quote(str(path))}?{mode}", uri=True)) as connection:
            if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                # Whoever made it was killed before more was in it.
                return "is empty, and is begun anew"
            check_owner(connection, path, agent)
            check_pages(connection)
    return f"is a spool of agent {agent}, and {'an agent has' if is_open else 'nobody has'} it open"
