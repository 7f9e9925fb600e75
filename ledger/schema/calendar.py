"""The units that time is cut into, and what windows can be asked for."""

from __future__ import annotations

from typing import Literal, get_args

Unit = Literal["minute", "hour", "day", "week", "month", "quarter", "year"]
#: From the shortest to the longest.
UNITS: tuple[Unit, ...] = get_args(Unit)
#: What can be asked for besides: one sum over the whole range, and the windows of the meter.
TOTAL, OWN = "total", "own"
WINDOWS = (TOTAL, OWN, *UNITS)
