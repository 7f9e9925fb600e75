"""Who reads the lines of a file: as CloudEvents, or as the mapping declares them, with the header of that file where it has one.

What a reader learns of its lines it keeps for all files that have the same header: those of one source nearly always do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa

from collector.datastore.eventcolumns import EventReader
from collector.datastore.layouts import Places
from collector.datastore.logfile.contents import HEAD_BYTES, Content
from collector.datastore.logfile.tracked import Tracked
from collector.datastore.mapping.config import MappingConfig
from collector.datastore.mapping.events import EventMap
from collector.datastore.mapping.formats import CsvRecords
from collector.datastore.mapping.reader import Form, MappedReader, form_of
from collector.datastore.records import RecordReader

_FORMS_MAX = 8


class BadHeader(ValueError):
    """The first line of a file does not say what the others are. The message is half a sentence."""


class Readers:
    """Makes the readers of one source."""

    def __init__(self, source: str, mapping: MappingConfig | None, value_field: str) -> None:
        self._source, self._mapping = source, mapping
        self._events = EventReader(source, value_field)
        self._map = EventMap(mapping) if mapping is not None else None
        self._forms: dict[str | None, Form] = {}
        records = mapping.records if mapping is not None else None
        #: Whether the first line of each file names the columns of the others.
        self.has_header = isinstance(records, CsvRecords) and records.columns is None

    def begun(self, tracked: Tracked, content: Content) -> Tracked | None:
        """A file behind its header; None while that has no end yet. Raises BadHeader, and OSError."""
        if not self.has_header:
            return tracked
        if tracked.header is None:
            head = content.read(0, HEAD_BYTES)
            end = head.find(b"\n")
            if end < 0 and len(head) < HEAD_BYTES:
                return None
            if end < 0:
                raise BadHeader(f"its header is longer than {HEAD_BYTES} bytes")
            header = head[:end].decode("utf-8", "surrogateescape")
            tracked = replace(tracked, header=header, offset=max(tracked.offset, end + 1))
        self._form(tracked.header)
        return tracked

    def reader(self, tracked: Tracked, names: Callable[[Places], pa.Array]) -> RecordReader:
        """Who reads the next lines of a file; ``names`` gives what they are called, by where they start."""
        if self._map is None:
            return self._events
        return MappedReader(self._source, self._map, self._form(tracked.header), names)

    def _form(self, header: str | None) -> Form:
        if header not in self._forms:
            assert self._mapping is not None
            told = header.encode("utf-8", "surrogateescape") if header is not None else None
            try:
                form = form_of(self._mapping, told)
            except ValueError as error:
                raise BadHeader(f"its header cannot be used: {error}") from error
            if len(self._forms) == _FORMS_MAX:
                self._forms.pop(next(iter(self._forms)))
            self._forms[header] = form
        return self._forms[header]
