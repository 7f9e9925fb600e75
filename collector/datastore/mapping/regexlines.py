"""Lines of text as fields: what the named groups of an expression match. A group that takes no part is an empty text.

Both ways ask RE2, whose time is linear in the length of a line whatever the expression is.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.datastore.cloudevents import BadEvent, shown
from collector.datastore.layouts import Places
from collector.datastore.mapping.cells import TextCells, as_rows
from collector.datastore.mapping.formats import RegexRecords, compiled
from collector.datastore.mapping.pieces import is_text, texts_between
from collector.datastore.mapping.shapes import Shape


class RegexLines:
    """Reads lines of one source."""

    def __init__(self, config: RegexRecords) -> None:
        self._groups = config.groups
        self._expression = compiled(config.pattern)
        self._whole = rf"\A(?:{config.pattern})\z"

    def record(self, line: bytes) -> dict[str, str]:
        """The groups on a line. Raises BadEvent."""
        text = decoded(line)
        found = self._expression.fullmatch(text)
        if found is None:
            raise BadEvent(f"the line {shown(text)} is not what the pattern of the records matches")
        return {name: found.group(name) or "" for name in self._groups}

    def shapes(self, block: bytes, starts: Places, ends: Places) -> Iterator[Shape]:
        """The lines of a block in shapes; those that are in none are to be read one by one."""
        if not len(starts) or not is_text(block):
            return
        found = pc.extract_regex(texts_between(block, starts, ends), self._whole)
        rows = np.flatnonzero(as_rows(pc.is_valid(found)))
        if len(rows) < len(starts):
            found = found.take(pa.array(rows))
        yield Shape.of({name: TextCells(found.field(name)) for name in self._groups}, rows)


def decoded(record: bytes) -> str:
    """The text of a record, without a byte order mark before it. Raises BadEvent."""
    try:
        return record.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadEvent(f"the line is not UTF-8 at its byte {error.start}") from None
