"""Verify: does the book still say what was acknowledged, and does everything in it follow from the log?

``records`` checks the log's records from their bytes up, ``rows`` the tables against them, ``entries`` what was booked against
what measuring gives again; ``book`` does all of it for a ledger that runs, ``offline`` the first for the files of a store alone. ``against``
says whose an older checkpoint is.

Only what is wrong with the book is a *fault*. That something cannot be read just now says nothing about the book, and is
raised as an error instead.
"""

from __future__ import annotations

from ledger.query.verify.against import kept_checkpoint, older_checkpoint
from ledger.query.verify.book import verify
from ledger.query.verify.offline import verify_files

__all__ = ["kept_checkpoint", "older_checkpoint", "verify", "verify_files"]
