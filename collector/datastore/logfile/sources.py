"""The sources of a pattern: the listing, and one for each file, from when it is found until it is gone and read to its end.

While a file is renamed there is none of its name for a moment. So the source of one that is gone stays for a while, and as long as there is
something left to read in what it was rotated into, or in the open file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from collector.base import Collector
from collector.datastore.logfile.collector import Followed, LogfileCollector
from collector.datastore.logfile.config import LogfileConfig
from collector.datastore.logfile.listing import Book, ListingCollector


class PatternSources:
    """The files that a pattern matches. ``current`` gives the same collectors again for as long as their files are to be read."""

    def __init__(self, config: LogfileConfig, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` is in seconds."""
        self._config, self._clock = config, clock
        self._book = Book(config)
        self._listing = ListingCollector(config, self._book)
        self._files: dict[str, LogfileCollector] = {}
        self._gone_since: dict[str, float] = {}

    def current(self) -> Sequence[Collector]:
        """The sources that there are now."""
        followed = self._book.look()
        matched, now = set(self._book.matched), self._clock()
        for path, begins in followed.items():
            if path not in self._files:
                what = Followed(path, self._config.source_of(path), begins, may_end=True)
                self._files[path] = LogfileCollector(self._config, what)
        for path in list(self._files):
            if path in matched:
                self._gone_since.pop(path, None)
            elif self._is_over(path, now):
                # Whoever reads it closes it.
                del self._files[path], self._gone_since[path]
                self._book.drop(path)
        return [self._listing, *self._files.values()]

    def close(self) -> None:
        """Nothing is held but by the collectors."""

    def _is_over(self, path: str, now: float) -> bool:
        since = self._gone_since.setdefault(path, now)
        return now - since >= self._config.linger_s and self._files[path].is_over
