"""What a field of a record can hold, and its text.

From every form of record the same few things come: text, numbers as the decimals that were written, truth values, objects and lists, and
moments where a column has such. A property is its text; so is an attribute, unless it is an object or a list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from collector.datastore.cloudevents import BadEvent, json_text, shown
from meterbook.wire.instants import text as instant_text


@dataclass(frozen=True)
class Moment:
    """A time as a column holds it: microseconds since the epoch, of the local clocks where it has no zone. ``is_day`` has no time of day."""

    instant_us: int
    is_zoned: bool
    is_day: bool = False

    def text(self) -> str:
        """As RFC 3339 has it, without an offset where it has none."""
        try:
            text = instant_text(self.instant_us)
        except OverflowError:
            return f"{self.instant_us} microseconds since 1970"
        return text[: len("2026-01-31")] if self.is_day else text if self.is_zoned else text.removesuffix("Z")


def property_of(leaf: Any) -> str | None:
    """The text of a property; None where there is none."""
    match leaf:
        case None | str():
            return leaf
        case Moment():
            return leaf.text()
        case _:
            return json_text(without_moments(leaf))


def text_of(leaf: Any, name: str) -> str:
    """The text of an attribute, empty where there is none. Raises BadEvent for an object and a list."""
    if isinstance(leaf, dict | list):
        raise BadEvent(f"{name} {shown(leaf)} is not a text")
    return property_of(leaf) or ""


def without_moments(leaf: Any) -> Any:
    """An object or list with the texts of the moments that are in it."""
    match leaf:
        case dict():
            return {name: without_moments(member) for name, member in leaf.items()}
        case list():
            return [without_moments(member) for member in leaf]
        case Moment():
            return leaf.text()
        case _:
            return leaf
