"""Rows of a cost table as rows of FOCUS: those of FOCUS 1.0 to 1.4 are some already, those of CUR 2.0 are made into some (``cur``).

Which table a file is of is told by its columns. The versions of FOCUS differ in columns that a charge is not made from, and which stand in
``others`` whatever they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa

from collector.datastore.bills import cur
from collector.datastore.bills.charges import MANDATORY, Origin, charges
from collector.datastore.bills.refused import Refused

#: Makes rows of FOCUS, column by column.
Reading = Callable[[Mapping[str, pa.Array]], Mapping[str, pa.Array]]


def reading_of(columns: Sequence[str]) -> Reading:
    """How rows with these columns are read. Raises Refused where a column is there twice, or one is missing."""
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise Refused(f"the column {twice[0]} is there twice")
    is_cur = cur.MARK in columns
    needed = cur.MANDATORY if is_cur else MANDATORY
    if missing := [name for name in needed if name not in columns]:
        table = "CUR 2.0" if is_cur else "FOCUS"
        raise Refused(f"it has not the columns {', '.join(missing)}, which every row of {table} has")
    return cur.as_focus if is_cur else _as_they_are


def charges_of(batch: pa.RecordBatch, row: int, reading: Reading, origin: Origin) -> pa.Table:
    """Charges (schema CHARGES) of rows of a file, ``row`` the number of the first. Raises Refused, with the number that the row has in all."""
    try:
        return charges(reading(dict(zip(batch.schema.names, batch.columns, strict=True))), origin)
    except Refused as error:
        raise error.behind(row) from None
    except (pa.ArrowException, OverflowError) as error:
        raise Refused(f"of the rows from here on no charges can be made ({error})"[:300], row) from error


def _as_they_are(columns: Mapping[str, pa.Array]) -> Mapping[str, pa.Array]:
    return columns
