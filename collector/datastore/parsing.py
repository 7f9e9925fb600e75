"""How the records of one object are cut and read: CloudEvents lines, or records of a declared mapping.

A parsing belongs to one object, since layouts are learnt and headers stand at the beginning of each. Records that have no id of their own are
called by the object and their number in it, so that they are the same however the object is cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from collector.datastore.eventcolumns import EventReader
from collector.datastore.layouts import Places
from collector.datastore.lines import Cut
from collector.datastore.lines import cut as cut_lines
from collector.datastore.mapping import rowcut
from collector.datastore.mapping.config import MappingConfig
from collector.datastore.mapping.events import EventMap
from collector.datastore.mapping.formats import CsvRecords
from collector.datastore.mapping.reader import Form, MappedReader, form_of, numbered
from collector.datastore.records import RecordReader

#: Gives the numbers of records in the object, 1 the first, for their starts in the block that is being read.
Numbers = Callable[[Places], Places]


class Parsing(Protocol):
    """Reads one object."""

    @property
    def needs_header(self) -> bool:
        """Whether the first record says what the others are, and was not told yet."""
        ...

    def tell_header(self, header: bytes) -> None:
        """The first record. Raises ValueError where it has not what events are made from."""
        ...

    def cut(
        self, chunk: bytes, offset: int, *, skipping: bool, record_bytes_max: int, records_max: int, is_last: bool
    ) -> Cut:
        """The records in the bytes of the object that begin at ``offset``; no more than ``records_max``."""
        ...

    def reader(self, numbers: Numbers) -> RecordReader:
        """Who reads the records of the next block."""
        ...


class EventParsing:
    """CloudEvents, one a line."""

    needs_header = False

    def __init__(self, source: str, value_field: str) -> None:
        self._reader = EventReader(source, value_field)

    def tell_header(self, header: bytes) -> None:
        """There is none."""

    def cut(
        self, chunk: bytes, offset: int, *, skipping: bool, record_bytes_max: int, records_max: int, is_last: bool
    ) -> Cut:
        """See :class:`Parsing`."""
        return cut_lines(chunk, offset, skipping=skipping, line_bytes_max=record_bytes_max, lines_max=records_max)

    def reader(self, numbers: Numbers) -> RecordReader:
        """See :class:`Parsing`."""
        return self._reader


class MappedParsing:
    """Records of a declared mapping; ``name`` is what the object is called in ids: ``usage/2026/01.csv@9b2c``."""

    def __init__(self, source: str, config: MappingConfig, name: str) -> None:
        self._source, self._config, self._name = source, config, name
        self._map = EventMap(config)
        records = config.records
        self.needs_header = isinstance(records, CsvRecords) and records.columns is None
        self._quote = records.quote if isinstance(records, CsvRecords) else None
        self._form: Form | None = None if self.needs_header else form_of(config)

    def tell_header(self, header: bytes) -> None:
        """See :class:`Parsing`."""
        self._form, self.needs_header = form_of(self._config, header), False

    def cut(
        self, chunk: bytes, offset: int, *, skipping: bool, record_bytes_max: int, records_max: int, is_last: bool
    ) -> Cut:
        """See :class:`Parsing`."""
        return rowcut.cut(
            chunk,
            offset,
            skipping=skipping,
            row_bytes_max=record_bytes_max,
            rows_max=records_max,
            quote=self._quote,
            is_last=is_last,
        )

    def reader(self, numbers: Numbers) -> RecordReader:
        """See :class:`Parsing`."""
        assert self._form is not None, "the header comes first"
        return MappedReader(self._source, self._map, self._form, lambda starts: numbered(self._name, numbers(starts)))
