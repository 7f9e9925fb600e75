"""Open files of one source, by what they are and not by what they are called.

The file that is being written is kept open between collections. When it is rotated and compressed or removed before
the next one, its last lines can still be read through the open handle, which is what makes a rotation without
``delaycompress`` lose nothing while the agent runs. A handle is let go only when no checkpoint that may come back
refers to its file, since a collection that was not stored is asked for again.

A file is compressed if its name says so: a line of a log may begin with any bytes.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from collector.datastore.logfile.contents import Content, Plain, Unpacked
from collector.datastore.logfile.looks import Found, Identity
from collector.errors import TransientError
from collector.readonly import open_file


class RotatedMeanwhile(TransientError):
    """What was found is not there any more: whoever looks again at once finds what is there now."""


class Handles:
    """The files that are open."""

    def __init__(self) -> None:
        self._open: dict[Identity, Content] = {}

    def open(self, found: Found) -> Content:
        """The file that was found. Raises OSError, and RotatedMeanwhile where another has come in its place, or none."""
        held = self._open.get(found.identity)
        if held is not None and isinstance(held, Unpacked) != found.is_packed:
            # It was seen under the name that it had until it was whole.
            self._open.pop(found.identity).close()
        if found.identity not in self._open:
            try:
                file = open_file(found.path)
            except FileNotFoundError as error:
                raise RotatedMeanwhile(f"{found.path} was renamed or removed while it was looked at") from error
            status = os.fstat(file.fileno())
            if (status.st_dev, status.st_ino) != found.identity:
                file.close()
                raise RotatedMeanwhile(f"{found.path} was rotated while it was looked at")
            self._open[found.identity] = Unpacked(file) if found.is_packed else Plain(file)
        return self._open[found.identity]

    def held(self, identity: Identity) -> Content | None:
        """The file if it is still open, wherever it may be now."""
        return self._open.get(identity)

    def keep(self, identities: Collection[Identity]) -> None:
        """Close all others."""
        for identity in self._open.keys() - set(identities):
            self._open.pop(identity).close()
