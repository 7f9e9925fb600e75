"""Durations as people write them: a whole number and its unit, such as ``90s``, ``15m``, ``6h`` or ``30d``.

Each has one canonical text, in the longest unit that gives a whole number, so that ``900s`` and ``15m`` are the same definition.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

_UNITS_S = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile(r"(\d{1,9})([smhd])\Z", re.ASCII)


def duration_s(text: str) -> int:
    """Seconds of a duration. Raises ValueError for what is none."""
    found = _DURATION.match(text)
    if found is None:
        raise ValueError(f"{text!r} is not a number with one of the units s, m, h, d, such as 1h")
    return int(found[1]) * _UNITS_S[found[2]]


def parse_duration(value: object) -> str:
    """The canonical text of a duration. Raises ValueError for what is none."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text: write a number with one of the units s, m, h, d, such as 1h")
    seconds = duration_s(value)
    # Of nothing the shortest unit is the plainest.
    unit = next((each for each, length_s in _UNITS_S.items() if seconds and seconds % length_s == 0), "s")
    return f"{seconds // _UNITS_S[unit]}{unit}"


#: A field of a definition that holds a duration.
Duration = Annotated[str, BeforeValidator(parse_duration)]
