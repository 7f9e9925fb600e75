"""Items some at a time, for operations that describe several at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of at most ``size``, none of them empty."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
