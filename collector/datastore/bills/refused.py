"""Why a bill is not taken as it is.

A bill is taken whole or not at all, so one row that cannot be read is enough. What is wrong will be wrong again until the export is
refreshed; what is only not there yet is another thing.
"""

from __future__ import annotations


class Refused(Exception):
    """What is wrong with a file or with a row of it. The message is half a sentence that names the column and the value.

    ``row`` is the number of the row, 0 the first; None where it is the file, or the manifest, as a whole. ``document`` is what stands there.
    """

    def __init__(self, reason: str, row: int | None = None, document: str = "") -> None:
        super().__init__(reason)
        self.row, self.document = row, document

    def behind(self, rows: int) -> Refused:
        """The same, where so many rows come before the first that was counted."""
        return Refused(str(self), None if self.row is None else self.row + rows, self.document)


class Waiting(Exception):
    """A refresh is under way, and the bill cannot be read before it is done. The message is one sentence that names what is waited for."""
