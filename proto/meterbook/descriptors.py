"""As many open files as the system allows.

Shells and service managers start programs with a low limit, 1,024 as a rule, that any program may raise up to a higher one: it is there for
programs that cannot cope with more (``select``). An agent that follows thousands of log files, or asks hundreds of targets, needs more; so does a ledger that has thousands of callers.
"""

from __future__ import annotations

import resource
from contextlib import suppress


def allow_many() -> int:
    """Raise the limit as far as it goes; gives what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems show a limit that they do not grant.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return hard
    return soft
