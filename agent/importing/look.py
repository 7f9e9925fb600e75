"""The first reading: which bills are in the files, what they add up to, and everything that is wrong with them.

The first fault of each file is told, with its line, and faults of any file keep all of them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact
from functools import reduce
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from agent.importing.digest import Digest, together
from agent.importing.errors import ImportFault, RowFault, printable
from agent.importing.rows import Key, Piece, columns, pieces
from agent.importing.wanted import EAST, Wanted, month_text
from collector.datastore.bills.charges import total
from collector.datastore.bills.dialects import strange, table_of
from collector.datastore.bills.localfiles import line_of
from meterbook.wire.instants import SECOND_US
from meterbook.wire.sections import COSTS

#: Bills of one import: more are no billing accounts, but something else in that column.
BILLS_MAX = 1_000
_FAULTS_SHOWN = 20
_EXACT = Context(prec=60, traps=[Inexact])
#: A bill of which one cost comes to this, whatever the signs of its charges, would not stand (``ledger.costing.bills``).
_LIMIT = Decimal(10) ** 17
_EAST_US = round(EAST.total_seconds()) * SECOND_US


@dataclass(frozen=True)
class SeenFile:
    """A file: what its table is called, its rows, the columns that are not understood, and the digest of what it has of each bill."""

    path: Path
    table: str
    rows: int
    strange: tuple[str, ...]
    parts: dict[Key, str]

    @property
    def digest(self) -> str:
        """By what the file is known again, whatever it is called."""
        return together(*sorted(self.parts.values()))


@dataclass
class SeenBill:
    """A bill: its charges, what they add up to by currency, and how many are of usage that began before its month.

    ``sizes`` are what each cost comes to whatever the signs of the charges.
    """

    key: Key
    charges: int = 0
    sums: dict[str, Decimal] = field(default_factory=dict)
    sizes: dict[str, Decimal] = field(default_factory=lambda: dict.fromkeys(COSTS, Decimal(0)))
    early: int = 0

    @property
    def billed(self) -> Decimal:
        """What its charges add up to."""
        return reduce(_EXACT.add, self.sums.values(), Decimal(0))

    @property
    def month(self) -> str:
        """Its month: ``2026-03``."""
        return month_text(self.key.period_us)


@dataclass(frozen=True)
class Look:
    """The files in the order in which they are read, which does not depend on their names, and the bills in them."""

    wanted: Wanted
    files: Sequence[SeenFile]
    bills: dict[Key, SeenBill]

    def parts(self, key: Key) -> tuple[str, ...]:
        """The digests of what the files have of a bill, in order."""
        return tuple(file.parts[key] for file in self.files if key in file.parts)

    def paths(self, key: Key) -> tuple[Path, ...]:
        """The files that have something of a bill."""
        return tuple(file.path for file in self.files if key in file.parts)


def look(paths: Sequence[Path], wanted: Wanted) -> Look:
    """What is in some files. Raises ImportFault with one line for each file that is wrong."""
    seeing = _Seeing(wanted)
    faults: list[RowFault] = []
    files: list[SeenFile] = []
    for path in paths:
        try:
            files.append(seeing.file(path))
        except RowFault as fault:
            faults.append(fault)
    if faults:
        told = [sentence(fault) for fault in faults[:_FAULTS_SHOWN]]
        left = len(faults) - len(told)
        raise ImportFault("\n".join([*told, *([f"and {left} more files are wrong"] if left else [])]))
    bills = dict(sorted(seeing.bills.items()))
    if len(bills) > BILLS_MAX:
        raise ImportFault(
            f"there are {len(bills)} bills in these files, one of each BillingAccountId and month, and not up to {BILLS_MAX}: "
            "--source makes one of each month"
        )
    return Look(wanted, sorted(files, key=lambda file: (file.digest, str(file.path))), bills)


def sentence(fault: RowFault) -> str:
    """A fault with the place that a person looks for: the line of a text, the row of a table."""
    place = str(fault.path)
    if fault.row is not None:
        try:
            line = line_of(fault.path, fault.row)
        except OSError:
            line = None
        place += f": row {fault.row + 1}" if line is None else f": line {line}"
    known = "" if fault.known_as is None else f" ({' '.join(fault.known_as)})"
    return printable(f"{place}: {fault.reason}{known}")


class _Seeing:
    """All files so far."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self.bills: dict[Key, SeenBill] = {}
        self._currencies: dict[Key, tuple[str, Path]] = {}
        self._digests: dict[tuple[Key, str], Path] = {}

    def file(self, path: Path) -> SeenFile:
        """What is in a file; it counts only if nothing in it is wrong. Raises RowFault."""
        named = columns(path)
        digests: dict[Key, Digest] = {}
        for piece in pieces(path, self._wanted):
            self._check_currency(path, piece)
            digests.setdefault(piece.key, Digest()).add(piece.charges)
            self._count(path, piece)
        if not digests:
            raise RowFault(path, "the file has columns and no rows")
        parts = {key: digest.text() for key, digest in digests.items()}
        for key, digest in parts.items():
            first = self._digests.setdefault((key, digest), path)
            if first != path:
                raise RowFault(path, f"duplicate file: its rows of {month_text(key.period_us)} are those of {first}")
        rows = sum(digest.rows for digest in digests.values())
        return SeenFile(path, table_of(named), rows, strange(named), parts)

    def _count(self, path: Path, piece: Piece) -> None:
        bill = self.bills.setdefault(piece.key, SeenBill(piece.key))
        bill.charges += piece.charges.num_rows
        bill.sums[piece.currency] = _EXACT.add(bill.sums.get(piece.currency, Decimal(0)), total(piece.charges))
        for name in COSTS:
            size = bill.sizes[name] = _EXACT.add(bill.sizes[name], pc.sum(pc.abs(piece.charges[name])).as_py())
            if size >= _LIMIT:
                raise RowFault(
                    path,
                    f"{name}: the charges of the bill {bill.key.source} of {bill.month} come to {size.normalize(_EXACT):f} whatever their signs, "
                    f"and what can be added up ends at {_LIMIT:f}: correct the column, or make several bills of it",
                )
        begins = np.asarray(piece.charges["ChargePeriodStart"].cast(pa.int64()))
        is_usage = np.asarray(pc.equal(piece.charges["ChargeCategory"], "Usage"))
        bill.early += int(np.count_nonzero(is_usage & (begins < piece.key.period_us - _EAST_US)))

    def _check_currency(self, path: Path, piece: Piece) -> None:
        currency, first = self._currencies.setdefault(piece.key, (piece.currency, path))
        if currency != piece.currency:
            raise RowFault(
                path,
                f"BillingCurrency {piece.currency}: mixed currencies, the bill {piece.key.source} of "
                f"{month_text(piece.key.period_us)} is in {currency} ({first}); --split-currencies makes a bill of each",
                int(piece.rows[0]),
                ("ResourceId", name) if (name := piece.charges["ResourceId"][0].as_py()) else None,
            )
