"""The files of a pattern as a source of its own: which there are, and whether all of them are read.

A file alone cannot know whether it was there at first, which ``start_at`` speaks of, or came later, and all of it is new. So the files are entered in a
book, the checkpoint of this source: those of the first look with ``start_at``, later ones from their beginning. Where they begin at
the ``end``, a file is read only once the book that has it is stored. The book also knows the files that went while no agent ran: their
collectors come once more, to read what rotation has left of them, or to tell what was lost.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Mapping

from collector.datastore.logfile.collector import Beginning
from collector.datastore.logfile.config import LogfileConfig
from collector.datastore.logfile.patterns import Matches
from collector.readings import Checkpoint, Coverage, Readings, Status, Window

#: Paths that were told of once.
_TOLD_MAX = 10_000

_log = logging.getLogger(__name__)


class Book:
    """The files of a pattern that are followed. For any number of threads."""

    def __init__(self, config: LogfileConfig) -> None:
        self._config = config
        self._matches = Matches(str(config.path), config.exclude)
        self._lock = threading.Lock()
        self._followed: dict[str, Beginning] = {}
        #: Files whose collectors went, while the stored book has them still.
        self._dropped: set[str] = set()
        self._told: set[str] = set()
        self.matched: list[str] = []
        #: What keeps files from being read, as of the last look; ``fault`` keeps all of them.
        self.problems: list[str] = []
        self.fault = ""

    def look(self) -> dict[str, Beginning]:
        """The files to be read now, and where their reading begins. What cannot be found out is as it was."""
        with self._lock:
            self._look()
            return dict(self._followed)

    def drop(self, path: str) -> None:
        """A file is gone, and read to its end."""
        with self._lock:
            self._followed.pop(path, None)
            self._dropped.add(path)

    def entered(self, stored: Mapping[str, Beginning] | None) -> dict[str, Beginning]:
        """The book as it is to be stored: the followed files and those that are to be; ``stored`` is the last one, None at first."""
        with self._lock:
            self._dropped &= (stored or {}).keys()
            for path, began in (stored or {}).items():
                if path not in self._dropped:
                    self._followed.setdefault(path, began)
            self._look()
            start_at = self._config.start_at
            begins: Beginning = "beginning" if start_at == "end" and stored is not None else start_at
            coming = [path for path in self.matched if path not in self._followed]
            room = max(self._config.files_max - len(self._followed), 0)
            return {**self._followed, **dict.fromkeys(coming[:room], begins)}

    def _look(self) -> None:
        try:
            self.matched, self.fault = self._matches.now(), ""
        except OSError as error:
            self.fault = f"{error.filename or self._config.path} cannot be listed: {error.strerror or error}"
            return
        for path in self._matches.orphans:
            if path not in self._told and len(self._told) < _TOLD_MAX:
                self._told.add(path)
                _log.warning("%s", _of_nobody(path))
        self.problems = [*self._matches.problems, *map(_of_nobody, self._matches.orphans)]
        if self._config.start_at != "end":
            for path in self.matched:
                if len(self._followed) < self._config.files_max:
                    self._followed.setdefault(path, self._config.start_at)
        self._tell_of_too_many()

    def _tell_of_too_many(self) -> None:
        most = self._config.files_max
        beyond = [path for path in self.matched if path not in self._followed][max(most - len(self._followed), 0) :]
        if beyond:
            pattern = self._config.path
            self.problems.append(
                f"{len(beyond)} files of {pattern} are not read, {beyond[0]} among them: files_max is {most}"
            )


class ListingCollector:
    """Tells which files a pattern matches."""

    def __init__(self, config: LogfileConfig, book: Book) -> None:
        self.source = config.source
        self._book = book

    @property
    def catches_up(self) -> bool:
        """Files are read whenever they are found."""
        return True

    def collect(self, window: Window, checkpoint: Checkpoint) -> Readings:
        """Look for files that have come."""
        stored = checkpoint.get("files")
        files = self._book.entered(stored)
        status: Status = "failed" if self._book.fault else "partial" if self._book.problems else "complete"
        reason = self._book.fault or _told(self._book.problems)
        coverage = Coverage(self.source, window.start_us, window.end_us, status, reason)
        if self._book.fault:
            return Readings((coverage,), checkpoint=checkpoint)
        return Readings((coverage,), checkpoint={"files": files}, more=bool(files.keys() - (stored or {}).keys()))

    def end(self, time_us: int, checkpoint: Checkpoint) -> None:
        """Nothing was said that would have to end."""

    def close(self) -> None:
        """Nothing is held."""


def _of_nobody(path: str) -> str:
    return f"{path} is not read: by its name it is a rotated copy, of a file that is not there; exclude it if it is"


def _told(problems: Collection[str]) -> str:
    """Problems in one sentence; of many the first few."""
    few = "; ".join(list(problems)[:3])
    return few if len(problems) <= 3 else f"{few}; and {len(problems) - 3} more"
