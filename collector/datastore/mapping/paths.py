"""How a mapping names a field of a record.

::

    $.usage.tokens       the member tokens of the member usage
    $.items[0].id        the member id of the first item
    $['odd.name']        a name with characters that mean something here
    usage.tokens         the column or member of exactly this name, if the record has one at its top; else as $.usage.tokens
    lineItem/Amount      no path, so a name

The forms with ``$`` are a part of JSONPath (RFC 9535, sections 2.3.1 and 2.3.3): what names one place and no more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Step = str | int

_STEP = re.compile(r"\.([^.\[\]'\"]+)|\[([0-9]{1,9})\]|\['([^']+)'\]|\[\"([^\"]+)\"\]")


@dataclass(frozen=True)
class Path:
    """Where a field is: names of members and places in lists. ``name`` is a member at the top that comes before ``steps``."""

    text: str
    steps: tuple[Step, ...]
    name: str | None = None

    def __str__(self) -> str:
        return self.text

    def top(self, names: Mapping[str, object]) -> str:
        """The member at the top that the path goes through, in a record with these names."""
        if self.name is not None and self.name in names:
            return self.name
        first = self.steps[0]
        return first if isinstance(first, str) else ""

    def inner(self, names: Mapping[str, object]) -> tuple[Step, ...]:
        """The steps behind :meth:`top`; none where that is the field itself."""
        return () if self.name is not None and self.name in names else self.steps[1:]


def parsed(text: str) -> Path:
    """The path that a text names. Raises ValueError for one that begins with ``$`` and is none."""
    if text.startswith("$"):
        steps = _steps(text[1:])
        if not steps or not isinstance(steps[0], str):
            raise ValueError(f"{text!r} names no field: write $.usage.tokens, $.items[0].id or $['odd.name']")
        return Path(text, steps)
    if not text:
        raise ValueError("a field has a name")
    return Path(text, _steps(f".{text}") or (text,), text)


def _steps(text: str) -> tuple[Step, ...]:
    """The steps that a text is made of; none where it is anything else."""
    steps: list[Step] = []
    place = 0
    while place < len(text):
        found = _STEP.match(text, place)
        if found is None:
            return ()
        name, number, single, double = found.groups()
        steps.append(int(number) if number is not None else name or single or double)
        place = found.end()
    return tuple(steps)


def look(record: Mapping[str, Any], path: Path) -> Any:
    """What stands at a path; None where nothing does."""
    found: Any = record.get(path.top(record))
    for step in path.inner(record):
        if isinstance(step, str):
            found = found.get(step) if isinstance(found, Mapping) else None
        else:
            found = found[step] if isinstance(found, list) and step < len(found) else None
    return found
