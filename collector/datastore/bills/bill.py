"""A version of a bill that is being read, as a value: which files it has, and how far they were read.

Its name is of its content and its time: the execution that made it, the manifest's entity tag, and a hash of when that was written and of the
entity tags of all files. So a line of a version is never two things, even where files are overwritten behind an old manifest and read once
more; and where a former refresh is put back, it is another version, and the newest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal
from typing import Any

from collector.datastore.s3 import found
from collector.datastore.s3.found import Found

#: Digits in which sums are exact: those of a hundred million million charges.
_EXACT = Context(prec=60)


@dataclass
class Bill:
    """``file`` and ``row`` are what comes next, ``line`` is how many charges were given out, ``billed`` what they add up to."""

    month: str
    manifest: Found
    execution: str
    files: tuple[Found, ...]
    file: int = 0
    row: int = 0
    line: int = 0
    billed: Decimal = field(default_factory=Decimal)

    @property
    def version(self) -> str:
        """What the charges of this version are called by."""
        told = "\n".join([str(self.manifest.modified_us), *(f"{each.key}\t{each.etag}" for each in self.files)])
        files = hashlib.blake2b(told.encode(), digest_size=8).hexdigest()
        return "/".join(filter(None, (self.execution, self.manifest.etag, files)))

    def pass_by(self, file: int, row: int, charges: int, billed: Decimal) -> None:
        """So many charges were given out, and what comes next is this row of this file."""
        self.file, self.row = file, row
        self.line += charges
        self.billed = _EXACT.add(self.billed, billed)

    def as_json(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {
            "month": self.month,
            "manifest": self.manifest.as_json(),
            "execution": self.execution,
            "files": [each.as_json() for each in self.files],
            "file": self.file,
            "row": self.row,
            "line": self.line,
            "billed": str(self.billed),
        }


def from_json(document: Mapping[str, Any]) -> Bill:
    """From the checkpoint."""
    return Bill(
        document["month"],
        found.from_json(document["manifest"]),
        document["execution"],
        tuple(found.from_json(each) for each in document["files"]),
        document["file"],
        document["row"],
        document["line"],
        Decimal(document["billed"]),
    )
