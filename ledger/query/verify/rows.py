"""The tables: do they hold exactly the rows that the log's records give, and nothing of any other record?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.message import DecodeError

from ledger.journal.derive import TABLES, State, derive
from ledger.journal.reader import Reader
from ledger.journal.record import Record
from ledger.journal.view import View
from meterbook.wire.sections import MalformedSection, Sections

_ADVICE = "make the tables anew from the log"


class RowCheck:
    """What has been compared so far, and what differs; ``state`` is what the records before have left."""

    def __init__(self, state: State) -> None:
        self.faults: list[str] = []
        self._state = state
        self._is_over = False

    def group(self, records: Sequence[Record], contents: Mapping[int, Sections], tables: Reader) -> None:
        """Compare the rows of these records, whose contents are those that could be read.

        What cannot be derived is a fault, and nothing behind it can be compared.
        """
        first, last = records[0].position, records[-1].position
        if self._is_over:
            return
        try:
            expected, self._state = derive(records, self._state, contents)
        except (MalformedSection, DecodeError, ValueError) as error:
            self.faults.append(f"no rows follow from the records of positions {first} to {last}: {error}")
            self._is_over = True
            return
        view = View(tables, last, records[-1].time_us)
        for name, schema in TABLES.items():
            stand = view.rows(name, first, last).cast(schema)
            derived = expected.get(name, schema.empty_table())
            if not _sorted(stand).equals(_sorted(derived)):
                self.faults.append(
                    f"table {name} holds {stand.num_rows} rows of positions {first} to {last} that are not the "
                    f"{derived.num_rows} that follow from the log; {_ADVICE}"
                )

    def strays(self, tables: Reader) -> None:
        """Rows of the tables that belong to no record, and so to none of the groups."""
        view = View(tables, 0, 0)
        for name in TABLES:
            if found := view.stray(name):
                self.faults.append(f"table {name} holds {found} rows of no record; {_ADVICE}")


def _sorted(table: pa.Table) -> pa.Table:
    for place, field in enumerate(table.schema):
        if pa.types.is_floating(field.type):
            # The only values that are no numbers are markers of ends, and none of those equals another.
            column = table.column(place)
            is_end = pc.is_nan(column)
            comparable = pc.if_else(is_end, pa.scalar(None, field.type), column)
            table = table.set_column(place, field.with_nullable(True), comparable)
            table = table.append_column(f"{field.name} is an end", is_end)
    return table.sort_by([(name, "ascending") for name in table.column_names]).combine_chunks()
