"""Rows on their way to the tables: samples and events, where there are many, go to a Parquet file, a part at a time.

The tables then only have to be told of the file. DuckDB's own writer looks for repeated values in every column and costs
several times as much. Samples are sorted numbers: the same few stand next to each other, which LZ4 alone makes small, and
doubles compress by their bytes. Of events some columns have few values, and are known; the others have as many as rows. Encoding
differences, or levels for nulls that there cannot be, would double the work and gain nothing. A part is written while the processor still
has it at hand.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ledger.journal.disk import sync_directory, sync_file
from ledger.journal.errors import TablesUnavailable
from meterbook.wire.sections import COSTS

_ROW_GROUP_ROWS_MAX = 1 << 20


@dataclass(frozen=True)
class Form:
    """How a table is written: from ``rows_min`` on a row group, and so a file, is worth it. Columns that ``repeat`` have few values."""

    rows_min: int
    encodings: Mapping[str, str]
    repeat: tuple[str, ...] = ()


#: Those that go to files. Every column of a table is named.
FORMS = {
    "samples": Form(
        100_000, {"series_id": "PLAIN", "time": "PLAIN", "value": "BYTE_STREAM_SPLIT", "position": "PLAIN"}
    ),
    "events": Form(
        10_000,
        {"id": "PLAIN", "time": "PLAIN", "value": "PLAIN", "properties": "PLAIN", "position": "PLAIN"},
        ("origin", "source", "type", "subject", "tenant"),
    ),
    "charges": Form(
        10_000,
        dict.fromkeys(
            (
                *("line", *COSTS, "ResourceId"),
                *("ChargePeriodStart", "ChargePeriodEnd", "Tags", "others", "position"),
            ),
            "PLAIN",
        ),
        (
            *("source", "period", "version", "BillingCurrency", "ChargeCategory"),
            *("BillingAccountId", "SubAccountId", "ServiceName"),
        ),
    ),
}


class GatheredRows:
    """Rows by table. Methods raise TablesUnavailable; then nothing is left of them.

    ``folder`` is where the tables have their files; without it all rows stay in memory. A file that is finished and never
    used is removed when the tables are opened some time later.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._held: dict[str, list[pa.Table]] = {}
        self._rows: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._files: dict[str, _File] = {}

    @property
    def held_bytes(self) -> int:
        """What is held in memory."""
        return self._bytes.total()

    def add(self, rows: Mapping[str, pa.Table]) -> None:
        """Add some rows by table."""
        for name, table in rows.items():
            self._held.setdefault(name, []).append(table)
            self._rows[name] += table.num_rows
            # Asking Arrow for the size of a table in many pieces takes as long as writing it.
            self._bytes[name] += table.num_rows * table.num_columns * 8 if name == "samples" else table.nbytes
            if self._folder and name in FORMS and self._rows[name] >= FORMS[name].rows_min:
                self._write(name)

    def finished(self) -> dict[str, pa.Table | Path]:
        """All that was added, handed over: a table, or the file with its rows."""
        rows: dict[str, pa.Table | Path] = {}
        for name, held in self._held.items():
            if name in self._files:
                self._write(name)
                with self._whole_or_none():
                    rows[name] = self._files[name].closed()
            else:
                rows[name] = pa.concat_tables(held)
        self._files, self._held = {}, {}
        return rows

    def abandon(self) -> None:
        """Let go of everything that was not handed over. Safe to call twice."""
        for file in self._files.values():
            file.remove()
        self._files, self._held = {}, {}

    def _write(self, name: str) -> None:
        held = self._held[name]
        if not held or self._folder is None:
            return
        with self._whole_or_none():
            table = pa.concat_tables(held)
            if name not in self._files:
                self._files[name] = _File(self._folder / "main" / name, table.schema, FORMS[name])
            self._files[name].write(table)
        self._held[name], self._rows[name], self._bytes[name] = [], 0, 0

    @contextmanager
    def _whole_or_none(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.abandon()
            if isinstance(error, OSError):
                raise TablesUnavailable(f"{self._folder}: cannot be written ({error}); free space") from error
            raise


class _File:
    """A new file of columns without nulls. Methods raise OSError."""

    def __init__(self, directory: Path, schema: pa.Schema, form: Form) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / f"{uuid.uuid4()}.parquet"
        self._schema = pa.schema([field.with_nullable(False) for field in schema])
        try:
            self._writer = pq.ParquetWriter(
                self._path,
                self._schema,
                compression="lz4",
                use_dictionary=list(form.repeat),
                column_encoding=dict(form.encodings),
            )
        except BaseException:
            self._path.unlink(missing_ok=True)
            raise

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table.cast(self._schema), row_group_size=_ROW_GROUP_ROWS_MAX)

    def closed(self) -> Path:
        """The file, on the disk: the catalog that will refer to it is, too."""
        self._writer.close()
        sync_file(self._path)
        sync_directory(self._path.parent)
        return self._path

    def remove(self) -> None:
        # What it still has to write is of no use, nor is what is wrong with it.
        with suppress(OSError):
            self._writer.close()
        with suppress(OSError):
            self._path.unlink()
