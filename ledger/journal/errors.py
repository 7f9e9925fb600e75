"""Errors of the journal, named for the caller's next move.

::

    JournalError
     +- StoreRefused       the directory cannot be opened as it is: somebody has to act first
     |   +- StoreInUse     another process has it
     |   +- StoreDamaged   bytes that were acknowledged are not what they were
     +- LogUnavailable     nothing can be written just now (disk full): keep what you have and try again
     +- Overtaken          the chain does not stand where the record follows: look again and decide anew
     +- TablesUnavailable  the tables cannot be read or filled; what was acknowledged stands in the log all the same
"""

from __future__ import annotations


class JournalError(Exception):
    """Something about the journal; the message is one sentence that names the place and what to do."""


class StoreRefused(JournalError):
    """The store cannot be opened as it is."""


class StoreInUse(StoreRefused):
    """Another process has the store open."""


class StoreDamaged(StoreRefused):
    """Bytes that were acknowledged are missing or changed."""


class LogUnavailable(JournalError):
    """The record was not acknowledged; the same append may succeed later."""


class Overtaken(JournalError):
    """The record does not follow the last one of its chain; nothing of it was kept."""


class TablesUnavailable(JournalError):
    """The tables cannot be read or filled just now, or do not hold what is asked for yet."""
