"""AWS Data Exports, as they write into a bucket: tables of costs as Parquet or CSV, and manifests, in both ways of delivery.

It follows "Understanding export delivery" of the Data Exports user guide: where files and manifests stand and how they are called; that
a manifest is delivered once all files are; that "overwrite" writes over the files of the refresh before and puts empty data into those that are
left of a longer one; that "create new" has a folder for each execution, and a second manifest that always is the latest. Types of columns
are those of "FOCUS 1.2 with AWS columns" and of the table dictionary of CUR 2.0: costs are double, times timestamps in milliseconds, tags maps.
Parquet is compressed with snappy, as its file names say. In CSV a map is JSON.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from tests.fakes.s3_server import FakeS3Server

#: Rows as FOCUS or CUR have them, in texts; an empty one is null.
Rows = Sequence[Mapping[str, str]]

_NUMBER = re.compile(
    r"(.*(Cost|Quantity|UnitPrice)|.*_(cost|rate|amount|fee|date|commitment|period|usage|ratio|factor))\Z"
)
_TIME = re.compile(r"((Billing|Charge)Period(Start|End)|.*_(start|end)_date)\Z")
_MAPS = {"Tags", "SkuPriceDetails", "x_CostCategories", "resource_tags", "cost_category", "product"}
_MAP = pa.map_(pa.utf8(), pa.utf8())


def type_of(column: str) -> pa.DataType:
    """The type that a column has in Parquet."""
    if column in _MAPS:
        return _MAP
    if _TIME.match(column):
        return pa.timestamp("ms")
    return pa.float64() if _NUMBER.match(column) else pa.utf8()


def table_of(rows: Rows, columns: Sequence[str]) -> pa.Table:
    """Rows as a table with the types of AWS."""
    arrays = []
    for name in columns:
        kind = type_of(name)
        arrays.append(pa.array([_value(row[name], kind) if row[name] else None for row in rows], kind))
    return pa.table(arrays, names=list(columns))


def parquet(table: pa.Table, row_group_rows: int = 100) -> bytes:
    """A file of Parquet."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="snappy", row_group_size=row_group_rows)
    return sink.getvalue()


def csv_gz(table: pa.Table) -> bytes:
    """A file of CSV, compressed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.column_names)
    for row in table.to_pylist():
        writer.writerow([_text(value) for value in row.values()])
    return gzip.compress(text.getvalue().encode(), mtime=0)


def _value(text: str, kind: pa.DataType) -> Any:
    if kind == _MAP:
        members = json.loads(text, parse_float=str, parse_int=str)
        return [(name, member if isinstance(member, str) else json.dumps(member)) for name, member in members.items()]
    if pa.types.is_timestamp(kind):
        return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
    return float(text) if kind == pa.float64() else text


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case float():
            return format(Decimal(repr(value)).normalize(), "f")
        case datetime():
            return f"{value.isoformat()}Z"
        case list():
            return json.dumps(dict(value))
        case _:
            return str(value)


@dataclass
class Export:
    """One export. ``put`` writes an object, whole and at once."""

    put: Callable[[str, bytes], None]
    bucket: str
    prefix: str = "costs"
    name: str = "focus"
    form: Literal["parquet", "csv"] = "parquet"
    overwrites: bool = True
    chunk_rows: int = 120
    #: Keys of the files of the last refresh, by billing period.
    files: dict[str, list[str]] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """What a source of the kind ``bills`` has as its prefix."""
        return f"{self.prefix}/{self.name}"

    def manifest_key(self, month: str) -> str:
        """Where the manifest of the latest refresh is."""
        return f"{self.folder}/metadata/BILLING_PERIOD={month}/{self.name}-Manifest.json"

    def deliver(self, month: str, table: pa.Table, executed: datetime = datetime(2026, 2, 3, tzinfo=UTC)) -> str:
        """A refresh of a billing period; gives its execution id."""
        steps = self.steps(month, table, executed)
        execution = next(steps)
        for _ in steps:
            pass
        return execution

    def steps(
        self, month: str, table: pa.Table, executed: datetime = datetime(2026, 2, 3, tzinfo=UTC)
    ) -> Iterator[str]:
        """The same, object by object; each step says the execution id, and then what was written."""
        execution = str(uuid.uuid4())
        yield execution
        run = "" if self.overwrites else f"{executed:%Y-%m-%dT%H:%M:%S.000Z}-{execution}/"
        ending, write = ("snappy.parquet", parquet) if self.form == "parquet" else ("csv.gz", csv_gz)
        chunks = [table.slice(at, self.chunk_rows) for at in range(0, table.num_rows, self.chunk_rows)] or [table]
        keys = []
        for number, chunk in enumerate(chunks, 1):
            keys.append(f"{self.folder}/data/BILLING_PERIOD={month}/{run}{self.name}-{number:05}.{ending}")
            self.put(keys[-1], write(chunk))
            yield keys[-1]
        if self.overwrites:
            for key in self.files.get(month, [])[len(keys) :]:
                self.put(key, write(table.slice(0, 0)))
                yield key
        self.files[month] = keys
        manifest = self._manifest(execution, keys, table)
        if not self.overwrites:
            key = f"{self.folder}/metadata/BILLING_PERIOD={month}/{run}{self.name}-Manifest.json"
            self.put(key, manifest)
            yield key
        self.put(self.manifest_key(month), manifest)
        yield self.manifest_key(month)

    def _manifest(self, execution: str, keys: list[str], table: pa.Table) -> bytes:
        columns = [{"name": each.name, "type": str(each.type)} for each in table.schema]
        told = {
            "exportArn": f"arn:aws:bcm-data-exports:us-east-1:123456789012:export/{self.name}-1",
            "executionId": execution,
            "columns": columns,
            "dataFiles": [f"s3://{self.bucket}/{key}" for key in keys],
        }
        return json.dumps(told).encode()


@dataclass
class TimedS3Server(FakeS3Server):
    """A bucket whose clock goes on by a minute with each object that is written to it."""

    times: dict[str, datetime] = field(default_factory=dict)

    def put(self, key: str, body: bytes) -> None:
        """Write an object."""
        self.objects[key] = body
        self.times[key] = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(minutes=self.writes)
        self.writes += 1

    writes: int = 0

    def _say(
        self,
        handler: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        if body.startswith(b"<ListBucketResult>"):
            body = re.sub(rb"(<Key>(.*?)</Key><LastModified>).*?<", self._told, body)
        super()._say(handler, status, body, headers, length)

    def _told(self, found: re.Match[bytes]) -> bytes:
        time = self.times[found[2].decode()]
        return found[1] + f"{time:%Y-%m-%dT%H:%M:%S.000Z}<".encode()
