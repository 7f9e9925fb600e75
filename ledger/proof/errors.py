"""Errors of the proof, named for the caller's next move.

::

    StoreRefused
     +- KeyRefused      the signing key is not the book's, or cannot be used: somebody has to put the right file there
    TablesUnavailable
     +- TablesDiffer    the tables do not give the root that the log has: make them anew, and find out why
    NoSuchProof         what was asked for is not in the book: ask for something else
"""

from __future__ import annotations

from ledger.journal.errors import StoreRefused, TablesUnavailable


class KeyRefused(StoreRefused):
    """The signing key cannot be used; the message names the file and never shows what is in it."""


class TablesDiffer(TablesUnavailable):
    """A proof from the tables does not lead to the log's root."""


class NoSuchProof(ValueError):
    """There is no such batch, tree or checkpoint; the message names the field and the value."""
