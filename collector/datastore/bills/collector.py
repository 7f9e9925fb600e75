"""One collection of an export: what comes next of the version that is being read, and the row that closes it once all of it was given out.

One version is read at a time, the oldest billing period first. Which refresh of a period was read, or refused, is in the checkpoint, and
costs nothing more until its manifest is another. So is how far the version under way was read: whoever comes back to a checkpoint gives the
same lines again. A version is closed only if its manifest is still the same when all files were read, each by the entity tag that it had at
the beginning; otherwise it never stands, and the one before does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pyarrow as pa

from collector.datastore.bills import bill as bills
from collector.datastore.bills.bill import Bill
from collector.datastore.bills.charges import total
from collector.datastore.bills.config import BillsConfig
from collector.datastore.bills.deliveries import Deliveries
from collector.datastore.bills.files import Files
from collector.datastore.bills.manifests import start_us
from collector.datastore.bills.reading import Portion, RefusedFile, portions
from collector.datastore.bills.refused import Refused, Waiting
from collector.datastore.s3.bucket import Bucket, NotThere
from collector.datastore.s3.found import Found
from collector.errors import SourceError
from collector.readings import Checkpoint, Coverage, DeadLetter, Readings, Status, Window, bill_table
from meterbook.wire.sections import AMOUNT, BILLS, CHARGES

#: From the least to the worst.
_STATUSES: tuple[Status, ...] = ("complete", "partial", "throttled", "failed")
_FAULTS_SHOWN = 3
#: What a sum of costs can have without a point: 20 digits.
_BILLED_LIMIT = Decimal(10) ** (AMOUNT.precision - AMOUNT.scale)


@dataclass
class _Tally:
    """What one collection has found."""

    charges: list[pa.Table] = field(default_factory=lambda: [CHARGES.empty_table()])
    bills: list[pa.Table] = field(default_factory=lambda: [BILLS.empty_table()])
    letters: list[DeadLetter] = field(default_factory=list)
    rows: int = 0
    bytes: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is given out."""
        return not self.rows and len(self.bills) == 1 and not self.letters

    def add(self, charges: pa.Table) -> None:
        self.charges.append(charges)
        self.rows += charges.num_rows
        self.bytes += charges.nbytes


class BillsCollector:
    """Reads one export."""

    def __init__(self, config: BillsConfig, bucket: Bucket | None = None) -> None:
        """``bucket`` is who asks S3; one made from the configuration if not given."""
        self._config = config
        self._bucket = bucket or Bucket(config.folder)
        self._deliveries = Deliveries(config, self._bucket)
        self._files = Files(config, self._bucket)
        #: By billing period which manifest was read, and which was refused and why.
        self._read: dict[str, dict[str, Any]] = {}
        self._refused: dict[str, dict[str, Any]] = {}
        self._bill: Bill | None = None
        self._portions: Iterator[Portion] | None = None
        #: Manifests that are to be looked at, the next one last; None where they are to be listed first.
        self._next: list[tuple[str, Found]] | None = None
        #: What cannot be read before the next list, by billing period.
        self._waits: dict[str, str] = {}
        #: The manifest whose version was given up last.
        self._left: Found | None = None
        #: Behind what the collector stands; None where that is not known.
        self._stands: Checkpoint | None = {}

    @property
    def source(self) -> str:
        """``bills/<bucket>/<prefix>``, or the configured name."""
        return self._config.source

    @property
    def catches_up(self) -> bool:
        """A bill is read whenever it is found."""
        return True

    def collect(self, window: Window, checkpoint: Checkpoint) -> Readings:
        """The charges that come next behind ``checkpoint``."""
        if checkpoint != self._stands:
            self._go_back(checkpoint)
        self._stands = None
        tally = _Tally()
        fault: SourceError | None = None
        try:
            self._go_on(tally)
        except SourceError as error:
            self._portions, self._next, fault = None, None, error
        status, reason = self._told(fault, is_empty=tally.is_empty)
        if fault is not None and tally.is_empty:
            self._restore(checkpoint)
            self._stands = checkpoint
        else:
            self._stands = self._as_json()
        return Readings(
            coverage=(Coverage(self.source, window.start_us, window.end_us, status, reason),),
            charges=pa.concat_tables(tally.charges),
            bills=pa.concat_tables(tally.bills),
            dead_letters=tuple(tally.letters),
            checkpoint=self._stands,
            more=fault is None and (self._bill is not None or self._next is None or bool(self._next)),
        )

    def end(self, time_us: int, checkpoint: Checkpoint) -> None:
        """What was billed stays billed."""

    def close(self) -> None:
        """Let go of connections."""
        self._portions = None
        self._bucket.close()

    def _go_back(self, checkpoint: Checkpoint) -> None:
        """To where a checkpoint was: after a start, and where something could not be stored."""
        self._portions, self._next, self._waits = None, None, {}
        self._restore(checkpoint)

    def _restore(self, checkpoint: Checkpoint) -> None:
        self._read = dict(checkpoint.get("read", {}))
        self._refused = dict(checkpoint.get("refused", {}))
        document = checkpoint.get("open")
        self._bill = None if document is None else bills.from_json(document)

    def _as_json(self) -> dict[str, Any]:
        return {
            "read": dict(self._read),
            "refused": dict(self._refused),
            "open": None if self._bill is None else self._bill.as_json(),
        }

    def _go_on(self, tally: _Tally) -> None:
        """Read until there is enough, or nothing left. Raises SourceError."""
        if self._bill is None and not self._next:
            self._list()
        while tally.rows < self._config.rows_max and tally.bytes < self._config.read_bytes_max:
            if self._bill is not None:
                self._read_on(self._bill, tally)
            elif self._next:
                self._begin(*self._next[-1], tally)
                self._next.pop()
            else:
                return

    def _list(self) -> None:
        """Find the manifests that were neither read nor refused. Raises SourceError."""
        found = self._deliveries.manifests()
        self._waits = {}
        if not found:
            place = f"{self._config.folder.place}metadata/"
            self._waits[""] = f"{place}: no manifest of a billing period is there yet"
        for month in self._refused.keys() - found.keys():
            del self._refused[month]
        fresh = [
            (month, manifest)
            for month, manifest in found.items()
            if _mark(manifest) not in (self._read.get(month), _marked(self._refused.get(month)))
        ]
        self._next = fresh[::-1]

    def _begin(self, month: str, manifest: Found, tally: _Tally) -> None:
        """Begin with the version that a manifest tells, unless that cannot be. Raises SourceError."""
        try:
            self._bill = self._deliveries.bill(month, manifest)
            self._refused.pop(month, None)
        except Waiting as waiting:
            self._waits[month] = str(waiting)
        except Refused as refused:
            self._refuse(month, manifest, self._bucket.place(manifest), refused, tally)

    def _read_on(self, bill: Bill, tally: _Tally) -> None:
        """The next portion of a version, or its end. Raises SourceError."""
        if self._portions is None:
            self._portions = portions(bill, self._files, self.source)
        try:
            portion = next(self._portions, None)
        except NotThere as error:
            self._give_up(bill, str(error))
        except RefusedFile as error:
            place = self._bucket.place(bill.files[error.file])
            self._refuse(bill.month, bill.manifest, place, error.refused, tally)
        else:
            if portion is None:
                self._close(bill, tally)
                return
            bill.pass_by(portion.file, portion.row, portion.charges.num_rows, total(portion.charges))
            tally.add(portion.charges)

    def _close(self, bill: Bill, tally: _Tally) -> None:
        """Close a version of which all is given out, if it still is the latest. Raises SourceError."""
        if not self._deliveries.is_current(bill.manifest):
            self._give_up(bill, f"{self._bucket.place(bill.manifest)}: the export was refreshed while it was read")
            return
        if abs(bill.billed) >= _BILLED_LIMIT:
            refused = Refused(f"its costs add up to {bill.billed}, which has too many digits")
            self._refuse(bill.month, bill.manifest, self._bucket.place(bill.manifest), refused, tally)
            return
        closing = bill_table(
            self.source,
            start_us(bill.month),
            bill.version,
            nature="billed",
            issued_us=bill.manifest.modified_us,
            charges=bill.line,
            billed=bill.billed,
        )
        tally.bills.append(closing)
        self._read[bill.month] = _mark(bill.manifest)
        self._bill, self._portions = None, None

    def _give_up(self, bill: Bill, reason: str) -> None:
        """Never close a version: its export is being refreshed. What there is instead is looked for at once, but not twice."""
        self._waits[bill.month] = reason
        self._bill, self._portions = None, None
        if self._left != bill.manifest:
            self._left, self._next = bill.manifest, None

    def _refuse(self, month: str, manifest: Found, place: str, refused: Refused, tally: _Tally) -> None:
        """Do not look at a version again before its manifest is another."""
        at = place if refused.row is None else f"{place}:{refused.row + 1}"
        tally.letters.append(DeadLetter(self.source, at, str(refused), refused.document))
        self._refused[month] = {**_mark(manifest), "reason": f"{at}: {refused}"}
        self._bill, self._portions = None, None

    def _told(self, fault: SourceError | None, *, is_empty: bool) -> tuple[Status, str]:
        """The worst of what is wrong, and all of it in a sentence."""
        faults: list[tuple[Status, str]] = []
        if fault is not None:
            faults.append((fault.status if is_empty else "partial", str(fault)))
        faults += [("failed", f"{month} is refused: {each['reason']}") for month, each in sorted(self._refused.items())]
        faults += [("partial", reason) for _, reason in sorted(self._waits.items())]
        if not faults:
            return "complete", ""
        worst = max((status for status, _ in faults), key=_STATUSES.index)
        few = "; ".join(reason for _, reason in faults[:_FAULTS_SHOWN])
        left = len(faults) - _FAULTS_SHOWN
        return worst, few if left <= 0 else f"{few}; and {left} more"


def _mark(manifest: Found) -> dict[str, Any]:
    """By what a manifest is known again. Where no execution is told, those of two refreshes may be the same but for the time."""
    return {"key": manifest.key, "etag": manifest.etag, "modified": manifest.modified_us}


def _marked(refused: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if refused is None else {name: each for name, each in refused.items() if name != "reason"}
