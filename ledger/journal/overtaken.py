"""Doing anew what another replica made void: whoever is overtaken reads the book again and judges by what it says then."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ledger.journal.errors import Overtaken

Result = TypeVar("Result")

#: How often somebody may be overtaken before being told.
TRIES = 10


def until_first(work: Callable[[], Result], tries: int = TRIES) -> Result:
    """What ``work`` gives, begun anew where it is overtaken. Raises Overtaken after ``tries``, and what ``work`` raises."""
    for _ in range(tries - 1):
        try:
            return work()
        except Overtaken:
            continue
    return work()
