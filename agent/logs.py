"""The agent's log: one line per record on standard error, in UTC, whatever the record holds.

A trace that spreads over forty lines is forty records to whatever collects the log; here it is one.
"""

from __future__ import annotations

import logging
import time

#: They log whole addresses, at any level below: a query may hold a secret.
_TALKATIVE = ("httpx", "httpcore")

LEVELS = ("debug", "info", "warning", "error")


class OneLine(logging.Formatter):
    """Time, level, logger, message; line ends become `` | ``."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return " | ".join(line for line in super().format(record).splitlines() if line.strip())


def begin(level: str) -> None:
    """Log everything from ``level`` on to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
