"""``meterbook cost export``: allocated charges as a file of FOCUS, Parquet or gzip CSV by its name.

Rows are written as they come, into a file beside the one that is asked for. That one takes its name only when all of it has come and is on the disk, so an
export that is killed, or that the ledger ends, leaves nothing under that name that was not there before. Two that want the same name would write into one
file, so the second is refused.
"""

from __future__ import annotations

import fcntl
import io
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ledger.cli.allocated import bills_options
from ledger.cli.client import asks_ledger, connected
from ledger.cli.console import as_of_option, print_remarks
from meterbook.ledger.v1 import costing_pb2

if TYPE_CHECKING:
    import pyarrow as pa

_PARQUET, _CSV = ".parquet", ".csv.gz"
#: Rows of one row group: enough to be packed well, and few enough to be held.
_GROUP_ROWS = 131_072


@click.command("export")
@bills_options
@click.option(
    "--out",
    "path",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write: .parquet or .csv.gz, by its name.",
)
@as_of_option
@asks_ledger
def export(billing: costing_pb2.Billing, path: Path, as_of: int | None) -> None:
    """Write what each tenant bears of each charge, as FOCUS.

    The exit code is 1 where a problem is reported; the file is written all the same, without the bills that it is about.
    """
    if not path.name.endswith((_PARQUET, _CSV)):
        raise click.UsageError(f"--out: {path} ends with none of {_PARQUET}, {_CSV}")
    with connected("exporting") as stubs:
        request = costing_pb2.ExportAllocationRequest(as_of=as_of or 0, billing=billing)
        last = write(stubs.costing.ExportAllocation(request), path)
    print_remarks(last)
    click.echo(f"{last.rows} rows of {last.charges} charges in {path}, as of position {last.as_of}")
    if last.problems:
        raise SystemExit(1)


class _Pieces(io.RawIOBase):
    """The stream that pieces are of, to be read. ``last`` is the message behind it."""

    def __init__(self, messages: Iterable[costing_pb2.ExportAllocationResponse]) -> None:
        self._messages = iter(messages)
        self._held = memoryview(b"")
        self._last: costing_pb2.ExportAllocationResponse | None = None

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def readinto(self, into: object) -> int:
        """Bytes of the piece that is being read."""
        while not self._held and self._last is None:
            message = next(self._messages, None)
            if message is None:
                raise click.ClickException("the ledger ended the export before its last row: export it again")
            if message.arrow:
                self._held = memoryview(message.arrow)
            else:
                self._last = message
        taken = memoryview(into)[: len(self._held)]  # type: ignore[arg-type]
        taken[:] = self._held[: len(taken)]
        self._held = self._held[len(taken) :]
        return len(taken)

    def last(self) -> costing_pb2.ExportAllocationResponse:
        """What is said of the rows, once they are read."""
        while self._last is None:
            self.read(1 << 20)
        return self._last


def write(messages: Iterable[costing_pb2.ExportAllocationResponse], path: Path) -> costing_pb2.ExportAllocationResponse:
    """Write the rows to a file, whole or not at all, and give the last message. Raises ClickException where that cannot be done."""
    # It takes half a second to load, and other commands do not need it.
    import pyarrow as pa

    pieces, fresh = _Pieces(messages), path.with_name(f".{path.name}.fresh")
    try:
        with _alone(fresh, path), pa.ipc.open_stream(io.BufferedReader(pieces)) as reader:
            write = _parquet if path.name.endswith(_PARQUET) else _csv
            with write(fresh, reader.schema) as take:
                for batch in reader:
                    take(batch)
            last = pieces.last()
            with fresh.open("rb") as written:
                os.fsync(written.fileno())
            fresh.replace(path)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise click.ClickException(f"{path} cannot be written: {reason}") from error
    return last


@contextmanager
def _alone(fresh: Path, path: Path) -> Iterator[None]:
    """Keep others from the file while it is written; what is left of it in the end is taken away."""
    with fresh.open("ab") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise click.ClickException(
                f"{path} is being written by another export: wait for its end, or name another file"
            ) from None
        try:
            yield
        finally:
            fresh.unlink(missing_ok=True)


@contextmanager
def _parquet(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """Takes rows into a Parquet file, many to a row group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    held: list[pa.RecordBatch] = []
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:

        def flush() -> None:
            if held:
                writer.write_table(pa.Table.from_batches(held), row_group_size=_GROUP_ROWS)
            held.clear()

        def take(batch: pa.RecordBatch) -> None:
            held.append(batch)
            if sum(map(len, held)) >= _GROUP_ROWS:
                flush()

        yield take
        flush()


@contextmanager
def _csv(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """Takes rows into a compressed CSV file, with times as FOCUS writes them ("Date/Time Format")."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv

    times = [place for place, field in enumerate(schema) if pa.types.is_timestamp(field.type)]
    for place in times:
        schema = schema.set(place, pa.field(schema.field(place).name, pa.utf8()))
    with pa.CompressedOutputStream(str(path), "gzip") as file, pa.csv.CSVWriter(file, schema) as writer:

        def take(batch: pa.RecordBatch) -> None:
            columns = list(batch.columns)
            for place in times:
                seconds = columns[place].cast(pa.timestamp("s", tz="UTC"), safe=False)
                columns[place] = pc.strftime(seconds, format="%Y-%m-%dT%H:%M:%SZ")
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))

        yield take
