"""Runs ``meterbook`` under a wall clock that a test sets: ``python skewed.py FILE ARGUMENTS...``.

The file says how many seconds the clock is ahead, and may say another number at any time. What nobody can set, the monotonic
clock, stays as it is.
"""

from __future__ import annotations

import datetime
import sys
import time
from pathlib import Path
from typing import Any

_AHEAD = Path(sys.argv[1])
_time_ns = time.time_ns


def _ahead_us() -> int:
    return round(float(_AHEAD.read_text() or 0) * 1_000_000)


class _Kind(type):
    """What the standard library itself makes is a datetime, too."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, _datetime)


_datetime = datetime.datetime


class _Skewed(_datetime, metaclass=_Kind):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return _datetime.now(tz) + datetime.timedelta(microseconds=_ahead_us())


def main() -> None:
    """Set the clock, and go on as the command does."""
    time.time_ns = lambda: _time_ns() + _ahead_us() * 1_000
    time.time = lambda: time.time_ns() / 1e9
    datetime.datetime = _Skewed  # type: ignore[misc]
    from meterbook.command import run

    del sys.argv[1]
    run()


if __name__ == "__main__":
    main()
