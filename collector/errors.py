"""Errors of a source, named for what the caller does next.

::

    SourceError            the source could not be read
     +- TransientError     try again at the next tick: time-outs, refused connections, 5xx
     +- ThrottledError     try again later, and less often: 429
     +- PermanentError     trying again cannot help until somebody changes something: 404, not metrics at all
    WriteRefused           our own code tried to write to a source; a bug, never caught

A collector turns the errors of its library into these in one place, and these into coverage records.
"""

from __future__ import annotations

from collector.readings import Status


class SourceError(Exception):
    """A source could not be read. The message is one sentence that names the place and what is wrong there."""

    status: Status = "failed"


class TransientError(SourceError):
    """The same request may succeed at the next tick."""


class ThrottledError(SourceError):
    """The source asks for fewer requests."""

    status: Status = "throttled"


class PermanentError(SourceError):
    """The same request will fail until somebody changes the source or the configuration."""


def kind_of(status: int) -> type[SourceError]:
    """The error that an HTTP status other than 200 means, where nothing more is known of who answered."""
    if status == 429:
        return ThrottledError
    return TransientError if status >= 500 else PermanentError


class WriteRefused(AssertionError):
    """A read-only client was about to write. This is a bug in a collector."""
