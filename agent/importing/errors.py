"""What ends an import, and leaves nothing behind that counts."""

from __future__ import annotations

from pathlib import Path

from agent.errors import AgentError


def printable(text: str) -> str:
    """A text as one line that cannot move the cursor or recolour the terminal: columns and file names may hold anything."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


class ImportFault(AgentError):
    """Files, options or the ledger are not as they must be; one sentence, or one a line."""


class RowFault(ImportFault):
    """A file, or a row of it, that cannot be taken: ``row`` is the number from 0 on, None where the file as a whole is wrong.

    ``known_as`` is what the row calls itself, as column and text.
    """

    def __init__(
        self, path: Path, reason: str, row: int | None = None, known_as: tuple[str, str] | None = None
    ) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason, self.row, self.known_as = path, reason, row, known_as
