"""What can be wrong with a wish for a copy; each message says what would help."""

from __future__ import annotations


class CannotRender(Exception):
    """There is no copy of that kind. All that follows is one."""


class UnknownFormat(CannotRender, LookupError):
    """There is no such format."""


class UnknownLanguage(CannotRender, LookupError):
    """There are no texts in a language, or no figures for a region."""


class NotRendered(CannotRender):
    """This invoice cannot be written in a format here: a compiler or a font is missing."""
