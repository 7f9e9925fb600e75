"""Objects that no transaction took up: what a replica wrote and was killed before it could commit.

They are in nobody's way and cost what storing them costs. An operator has them deleted, never the ledger by itself: to a database
that was restored from a backup, what was committed since looks the same.
"""

from __future__ import annotations

from datetime import datetime
from itertools import islice

from ledger.journal.shared.database import Database
from ledger.journal.shared.groups import FOLDER
from ledger.journal.shared.objects import Objects


def orphans(database: Database, objects: Objects, before: datetime, at_most: int) -> list[str]:
    """Names of objects of the log that were written before a time, a day ago or earlier, and are in no group; the oldest days
    first. None of them gets into one any more: a commit refuses objects that are half as old. Raises LogUnavailable.
    """

    def found() -> list[str]:
        names: list[str] = []
        for page in objects.listed(FOLDER):
            old = [listed.name for listed in page if listed.written < before]
            taken = database.run(lambda connection, old=old: connection.taken_up(old))  # type: ignore[misc]
            names += [name for name in old if name not in taken]
            if len(names) >= at_most:
                break
        return names

    return list(islice(found(), at_most))
