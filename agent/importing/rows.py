"""A file as charges, each with the bill that it belongs to: that of its billing account and billing period.

A row of another period than is wanted, and usage that begins when its period is over, refuse the file, and so does every row that no charge
can be made of. Errors have the number of the row; who tells a person of them looks up the line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from agent.importing.errors import RowFault
from agent.importing.wanted import Wanted, month_end_us, month_text, month_us
from collector.datastore.bills import cur
from collector.datastore.bills.charges import Origin
from collector.datastore.bills.focus import charges_of, reading_of
from collector.datastore.bills.localfiles import rows
from collector.datastore.bills.refused import Refused
from meterbook.wire import instants
from meterbook.wire.sections import CHARGES, TEXT_BYTES_MAX

#: Columns by which a row can be found again, the best first: CUR 2.0, FOCUS 1.4, FOCUS.
_KNOWN_BY = ("identity_line_item_id", "InvoiceDetailId", "ResourceId", "ChargeDescription")
_KNOWN_CHARS_MAX = 120
_ANY = Origin("", "", None, 0)
_PARTS = ("BillingAccountId", "BillingCurrency", "period")
#: Bills that have one name whatever the account are read in the order of their rows, however a file is cut.
_PARTS_OF_ONE = _PARTS[1:]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, order=True)
class Key:
    """Which bill: its name, and the first instant of its month."""

    source: str
    period_us: int


@dataclass(frozen=True)
class Piece:
    """Charges of one bill and one currency (schema CHARGES, without version and lines), and the number of each one's row in the file."""

    key: Key
    currency: str
    charges: pa.Table
    rows: Integers


def columns(path: Path) -> tuple[str, ...]:
    """The columns of a file. Raises RowFault."""
    return tuple(_first(path).schema.names)


def pieces(path: Path, wanted: Wanted) -> Iterator[Piece]:
    """The charges of a file in the order of its rows, each batch of them bill by bill. Raises RowFault."""
    batch: pa.RecordBatch | None = None
    first = 0
    try:
        for first, batch in rows(path):
            reading = reading_of(batch.schema.names)
            if batch.num_rows:
                yield from _of_batch(charges_of(batch, first, reading, _ANY), first, wanted)
            batch = None
    except Refused as error:
        raise RowFault(path, _told(error, batch), error.row, _known_as(batch, first, error.row)) from error
    except OSError as error:
        raise RowFault(path, f"the file cannot be read: {error.strerror or error}") from error


def _first(path: Path) -> pa.RecordBatch:
    try:
        for _, batch in rows(path):
            return batch
    except Refused as error:
        raise RowFault(path, str(error), error.row) from error
    except OSError as error:
        raise RowFault(path, f"the file cannot be read: {error.strerror or error}") from error
    raise RowFault(path, "the file is empty")


def _of_batch(charges: pa.Table, first: int, wanted: Wanted) -> Iterator[Piece]:
    """The charges of a batch, bill by bill. Raises Refused with the number of the row in the file."""
    charges = _by_month(charges, first, wanted)
    numbers = np.arange(first, first + charges.num_rows)
    for mine in _parts(charges, _PARTS if wanted.source is None else _PARTS_OF_ONE):
        its = charges.filter(pa.array(mine)) if not mine.all() else charges
        account, currency, period = (its[name][0].as_py() for name in _PARTS)
        key = Key(wanted.source_of(account, currency), instants.from_datetime(period))
        if (size := len(key.source.encode())) > TEXT_BYTES_MAX:
            raise Refused(
                f"BillingAccountId: the name of its bill would have {size} bytes, more than {TEXT_BYTES_MAX}: name it with --source",
                int(numbers[mine][0]),
            )
        named = pa.array([key.source], pa.utf8()).take(pa.array(np.zeros(its.num_rows, np.int64)))
        yield Piece(key, currency, its.set_column(0, CHARGES.field("source"), named), numbers[mine])


def _parts(charges: pa.Table, names: Sequence[str]) -> list[npt.NDArray[np.bool_]]:
    """Which charges are alike in what tells bills apart, in the order in which the first of each comes."""
    code = np.zeros(charges.num_rows, np.int64)
    for name in names:
        coded = charges[name].combine_chunks().dictionary_encode()
        _, code = np.unique(code * len(coded.dictionary) + np.asarray(coded.indices), return_inverse=True)
    codes, firsts = np.unique(code, return_index=True)
    return [code == each for each in codes[np.argsort(firsts)].tolist()]


def _by_month(charges: pa.Table, first: int, wanted: Wanted) -> pa.Table:
    """The charges with the first instant of their month as period. Raises Refused."""
    place = CHARGES.get_field_index("period")
    told = np.asarray(charges["period"].cast(pa.int64()))
    starts, which = np.unique(told, return_inverse=True)
    months = np.zeros(len(starts), np.int64)
    for number, start_us in enumerate(starts.tolist()):
        found = month_us(start_us)
        row = first + int(np.argmax(which == number))
        if found is None:
            raise Refused(
                f"BillingPeriodStart {instants.text(start_us)} begins no month, and bills are by the month", row
            )
        if wanted.month is not None and month_text(found) != wanted.month:
            raise Refused(
                f"BillingPeriodStart {instants.text(start_us)}: mixed periods, the row is of {month_text(found)} and "
                f"--period is {wanted.month}",
                row,
            )
        months[number] = found
    periods = months[which]
    _check_usage(charges, periods, first)
    return charges.set_column(place, CHARGES.field(place), pa.array(periods).cast(CHARGES.field(place).type))


def _check_usage(charges: pa.Table, periods: Integers, first: int) -> None:
    """What is paid in advance is for a time to come; usage is not. Raises Refused."""
    begins = np.asarray(charges["ChargePeriodStart"].cast(pa.int64()))
    months, which = np.unique(periods, return_inverse=True)
    ends = np.array([month_end_us(each) for each in months.tolist()], np.int64)
    late = (begins >= ends[which]) & np.asarray(pc.equal(charges["ChargeCategory"], "Usage"))
    if late.any():
        row = int(np.argmax(late))
        raise Refused(
            f"ChargePeriodStart {instants.text(int(begins[row]))}: usage outside of its billing period, which is "
            f"{month_text(int(periods[row]))}",
            first + row,
        )


def _told(error: Refused, batch: pa.RecordBatch | None) -> str:
    """What is wrong, with the column that the file has where FOCUS calls it otherwise."""
    column, _, said = str(error).partition(" ")
    name = column.rstrip(":")
    if batch is None or cur.MARK not in batch.schema.names or name not in cur.ORIGINS:
        return str(error)
    return f"{cur.ORIGINS[name]} ({name} of FOCUS){column[len(name) :]} {said}"


def _known_as(batch: pa.RecordBatch | None, first: int, row: int | None) -> tuple[str, str] | None:
    """What a row calls itself."""
    if batch is None or row is None or not 0 <= row - first < batch.num_rows:
        return None
    for name in _KNOWN_BY:
        if name in batch.schema.names:
            told: Any = batch[name][row - first].as_py()
            if told:
                return name, str(told)[:_KNOWN_CHARS_MAX]
    return None
