"""What is wrong with bytes that are no page of delimited messages, and where."""

from __future__ import annotations


class Malformed(ValueError):
    """Bytes that break the encoding, or say what no page says; ``at`` is the place of the byte at fault, from 0."""

    def __init__(self, at: int, what: str) -> None:
        """``what`` goes on after "byte 17", as in "begins a group"."""
        super().__init__(f"byte {at} {what}")
        self.at = at


class CutOff(Malformed):
    """The page ends before a message does: the rest of it got lost on the way."""


class TooLarge(ValueError):
    """A page beyond a limit of the reader; the message goes on after the name of the target."""
