"""Metering that is more than one machine's: the same measuring, in many pieces of time, on a cluster that speaks Spark Connect.

What a meter measures of a range of time is what it measures of the pieces of that range (see ``measure``). So the range is cut at edges
of windows into tasks of about as many rows, and each is measured by whoever of the cluster takes it, with the code that measures here. A task
is a few words: where the book is kept, as of which position, which meter, from when to when. No row of a sample travels but from the files
to who measures it, and what comes back are the amounts. They are the same to the last digit as without a cluster.

Workers need Meterbook of the same version, and the book within reach: the directory of an embedded one, or S3 and PostgreSQL with credentials
of their own; a task holds none. A range with little in it is measured here: to hand it out would take longer.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from itertools import pairwise
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa

from ledger.directory.meter import Meter
from ledger.journal.cancelling import checked
from ledger.journal.errors import JournalError, StoreRefused
from ledger.journal.place import Place, address, parse
from ledger.journal.reading import reading
from ledger.journal.view import View
from ledger.metering.grid import ceil_us
from ledger.metering.measure import Amount, Measured, measure, windows_of
from ledger.metering.subjects import Key
from ledger.metering.windows import Windows
from meterbook.lean import let_in

#: What workers answer. Quantities have any number of digits, so they are texts.
_AMOUNTS = pa.schema(
    [
        ("tenant", pa.utf8()),
        ("dimensions", pa.utf8()),
        ("window_us", pa.int64()),
        ("quantity", pa.utf8()),
        ("estimated", pa.utf8()),
        ("observed_us", pa.int64()),
        ("expected_us", pa.int64()),
    ]
)
_COLUMNS = "tenant string, dimensions string, window_us long, quantity string, estimated string, observed_us long, expected_us long"
#: Rows of one message of an answer: a server may refuse one of more than 4 MiB.
_ROWS_MAX = 8_192
#: Where Spark Connect listens unless it is said otherwise, and seconds until nobody does.
_PORT, _KNOCK_S = 15_002, 10.0


class ClusterFailed(JournalError):
    """The cluster did not measure; the same may succeed later."""


@dataclass(frozen=True)
class Task:
    """A piece of time that one worker measures; ``place`` is an address without a password, ``meter`` a JSON document."""

    software: str
    place: str
    position: int
    meter: str
    start_us: int
    end_us: int


class Cluster:
    """Measures on a cluster. ``remote`` is its address as Spark Connect writes it: ``sc://HOST:PORT``.

    Ranges with fewer than ``rows_min`` samples are measured here; others are cut into up to ``tasks`` pieces.
    """

    def __init__(self, place: Place, remote: str, tasks: int, rows_min: int) -> None:
        """Raises StoreRefused where the client of Spark Connect is not installed."""
        # What Spark's client is made of.
        let_in()
        try:
            from pyspark.sql import connect  # noqa: F401
        except ImportError as error:
            raise StoreRefused(f"{shown(remote)}: {error.name} is missing; install meterbook[ledger,spark]") from error
        self._place, self._remote, self._tasks, self._rows_min = place, remote, tasks, rows_min

    def measure(self, view: View, meter: Meter, start_us: int, end_us: int) -> Measured:
        """As ``measure.measure``. Raises ClusterFailed."""
        windows = windows_of(meter)
        extents = view.tables.extents("samples" if meter.source.metric is not None else "events")
        times = knots(extents, start_us, end_us)
        before = rows_before(extents, times)
        if ceil_us(windows, start_us + 1) >= end_us or before[-1] - before[0] < self._rows_min:
            return measure(view, meter, start_us, end_us)
        document, place = meter.model_dump_json(), address(self._place)
        tasks = [
            Task(version("meterbook"), place, view.position, document, low_us, high_us)
            for low_us, high_us in pieces(windows, times, before, self._tasks)
        ]
        return self._measured(tasks)

    def _measured(self, tasks: Sequence[Task]) -> Measured:
        from pyspark.errors import PySparkException
        from pyspark.sql.connect.session import SparkSession

        texts = [json.dumps(asdict(task)) for task in tasks]
        try:
            self._knock()
            session = SparkSession.builder.remote(self._remote).create()
            try:
                found = session.range(0, len(texts), 1, len(texts)).mapInArrow(partial(work, texts), _COLUMNS).toArrow()
            finally:
                session.stop()
        except (PySparkException, OSError, ValueError) as error:
            said = str(error).strip().replace(self._remote, shown(self._remote)).splitlines() or [type(error).__name__]
            raise ClusterFailed(f"the cluster at {shown(self._remote)} did not measure: {said[-1]}") from error
        return amounts_of(found)

    def _knock(self) -> None:
        """See whether anybody listens: the client itself would try for ten minutes. Raises OSError."""
        address = urlsplit(self._remote)
        socket.create_connection((address.hostname or "", address.port or _PORT), timeout=_KNOCK_S).close()


def shown(remote: str) -> str:
    """An address without its options, of which one may be a token."""
    return f"sc://{urlsplit(remote).netloc.partition(';')[0]}"


def knots(extents: pa.Table, start_us: int, end_us: int) -> np.ndarray:
    """Start and end of a range, and the times within at which files begin and end: in between rows are taken to lie evenly.

    Windows are not listed: one mistaken time may be millions of them away from all others.
    """
    times = np.concatenate([extents["start_us"].to_numpy(), extents["end_us"].to_numpy() + 1, [start_us, end_us]])
    return np.unique(np.clip(times, start_us, end_us))


def rows_before(extents: pa.Table, times: np.ndarray) -> np.ndarray:
    """How many rows of files lie before each of some ascending times; ``extents`` as of ``Reader.extents``.

    In what a file covers rows are taken to lie evenly. Nothing but the size of tasks depends on it.
    """
    found = np.zeros(len(times))
    for first_us, last_us, rows in zip(
        *(extents[name].to_pylist() for name in ("start_us", "end_us", "rows")), strict=True
    ):
        found += rows * np.clip((times - first_us) / (last_us + 1 - first_us), 0.0, 1.0)
    return found


def pieces(windows: Windows, times: np.ndarray, before: np.ndarray, count: int) -> Iterator[tuple[int, int]]:
    """Up to ``count`` ranges of whole windows, of about as many rows (``before`` each of the times), that tile a range from the first time to the last.

    Both are edges of windows.
    """
    start_us, end_us = int(times[0]), int(times[-1])
    wanted = np.linspace(before[0], before[-1], count + 1)[1:-1]
    cuts = {ceil_us(windows, int(time_us)) for time_us in np.interp(wanted, before, times).tolist()}
    yield from pairwise(sorted({start_us, *cuts, end_us}))


def work(texts: Sequence[str], batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """What a worker does: measures the tasks whose places in ``texts`` it is given. Raises JournalError."""
    for batch in batches:
        for place in batch.column(0).to_pylist():
            yield from _answer(Task(**json.loads(texts[place])))


def _answer(task: Task) -> Iterator[pa.RecordBatch]:
    if task.software != version("meterbook"):
        raise StoreRefused(
            f"the cluster has Meterbook {version('meterbook')} and the ledger {task.software}: install the same"
        )
    with reading(parse(task.place), task.position) as view:
        found = measure(view, Meter.model_validate_json(task.meter), task.start_us, task.end_us)
    yield from _table(found).to_batches(_ROWS_MAX)


def _table(found: Measured) -> pa.Table:
    columns = [
        [key.tenant for key, _ in found],
        [key.dimensions for key, _ in found],
        [window_us for _, window_us in found],
        [str(amount.quantity) for amount in found.values()],
        [str(amount.estimated) for amount in found.values()],
        [amount.observed_us for amount in found.values()],
        [amount.expected_us for amount in found.values()],
    ]
    return pa.table(columns, schema=_AMOUNTS)


def amounts_of(table: pa.Table) -> Measured:
    """Back from what workers answer, in an order of its own."""
    found = {
        (Key(row["tenant"], row["dimensions"]), row["window_us"]): Amount(
            int(row["quantity"]), int(row["estimated"]), row["observed_us"], row["expected_us"]
        )
        for row in checked(table.to_pylist())
    }
    return dict(sorted(found.items()))
