"""A book of bills and usage in memory, made by rows: what costing reads, in tables like those of the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa

from ledger.costing.bills import Bill, bills
from ledger.directory.catalog import Catalog
from ledger.directory.manifest import parse_manifests
from ledger.directory.versions import Definition
from ledger.journal.derive import TABLES
from ledger.journal.view import View
from ledger.schema.decimals import total
from meterbook.wire.instants import DAY_US, HOUR_US
from tests.ledger.batches import MONTH, bill, charge, table

END = MONTH + 31 * DAY_US


def _type(kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    return {"int64": "BIGINT", "double": "DOUBLE", "string": "VARCHAR", "timestamp[us]": "TIMESTAMP"}[str(kind)]


class Book:
    """Tables that rows are put into; everything stands at position 1 unless said otherwise."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(config={"threads": 1})
        for name, schema in TABLES.items():
            columns = ", ".join(f'"{field.name}" {_type(field.type)}' for field in schema)
            self._connection.execute(f"CREATE TABLE {name} ({columns})")
        self.empty()

    def query(
        self, sql: str, parameters: Sequence[object] = (), given: Mapping[str, pa.Table] | None = None
    ) -> pa.Table:
        """As a view asks."""
        cursor = self._connection.cursor()
        try:
            for name, rows in (given or {}).items():
                cursor.register(name, rows)
            return cursor.execute(sql, list(parameters)).to_arrow_table()
        finally:
            cursor.close()

    def empty(self) -> None:
        """Take everything out again."""
        for name in TABLES:
            self._connection.execute(f"DELETE FROM {name}")
        for position in (1, 2):
            self._connection.execute(
                "INSERT INTO records VALUES ('batch', 'a', ?, '', make_timestamp(?::BIGINT), ?)",
                [position, END, position],
            )

    def add(self, name: str, rows: pa.Table) -> None:
        """Rows of a table."""
        self._connection.register("incoming", rows)
        self._connection.execute(f"INSERT INTO {name} SELECT * FROM incoming")
        self._connection.unregister("incoming")

    def bill(self, rows: Sequence[tuple[Any, ...]], version: str = "v1", position: int = 1, **changes: Any) -> None:
        """Charges (``batches.charge``) and the row that closes their version."""
        held = table("charges", [(*row[:2], version, *row[3:]) for row in rows])
        billed = total(row[4] for row in rows)
        closing = table("bills", [bill(len(rows), str(billed), version, **changes)])
        for name, each in (("charges", held), ("bills", closing)):
            self.add(name, each.append_column("position", pa.array([position] * len(each), pa.int64())))

    def use(
        self, meter: str, tenant: str, hour: int, quantity: object, dimensions: str = "{}", position: int = 1
    ) -> None:
        """An entry of the month's hour of this number."""
        row = {
            "meter": meter,
            "version": 1,
            "tenant": tenant,
            "dimensions": dimensions,
            "hour": MONTH + hour * HOUR_US,
            "quantity": Decimal(str(quantity)),
            "estimated": Decimal(0),
            "observed_us": 0,
            "expected_us": 0,
            "position": position,
        }
        self.add(
            "entries",
            pa.table([pa.array([row[field.name]], field.type) for field in TABLES["entries"]], TABLES["entries"]),
        )

    def tell(self, rows: Sequence[tuple[Any, ...]], position: int = 1) -> None:
        """Events (the columns of their section)."""
        held = table("events", rows)
        self.add("events", held.append_column("position", pa.array([position] * len(held), pa.int64())))

    def settle(self, *meters: str) -> None:
        """Say that the entries of these meters are all there are in the month."""
        for meter in meters:
            row = (meter, 1, 0, END, 1, 1)
            columns = [pa.array([value], field.type) for value, field in zip(row, TABLES["runs"], strict=True)]
            self.add("runs", pa.table(columns, TABLES["runs"]))

    def view(self, position: int = 1) -> View:
        """The book as it stands."""
        return View(self, position, END)  # type: ignore[arg-type]

    def standing(self, position: int = 1) -> list[Bill]:
        """The bills that stand."""
        return [each for each in bills(self.view(position)) if each.state == "stands"]


def catalog(*documents: str) -> Catalog:
    """The catalog of some definitions in YAML."""
    manifest = parse_manifests([("definitions.yaml", "\n---\n".join(documents))])
    assert not manifest.faults, [str(fault) for fault in manifest.faults]
    return Catalog.of([]).extended(
        Definition(each.kind, each.name, 1, each.effective_from_us, each.spec, "ada", 1) for each in manifest.documents
    )


def meters(*names: str, group_by: str = "node") -> list[str]:
    """Meters of events that are told apart by one dimension."""
    return [
        f"{{kind: meter, name: {name}, spec: {{source: {{event: {name}}}, aggregation: sum, unit: unit, group_by: [{group_by}]}}}}"
        for name in names
    ]


def tenants(*names: str) -> list[str]:
    """Tenants without anything else."""
    return [f"{{kind: tenant, name: {name}, spec: {{}}}}" for name in names]


def rule(name: str, spec: str) -> str:
    """A rule by its specification."""
    return f"{{kind: allocation, name: {name}, spec: {{{spec}}}}}"


def hourly(line: int, cost: str, hour: int = 0, hours: int = 1, **changes: Any) -> tuple[Any, ...]:
    """A charge of some hours of the month."""
    start = MONTH + hour * HOUR_US
    period = {"ChargePeriodStart": start, "ChargePeriodEnd": start + hours * HOUR_US}
    return charge(line, cost, **(period | changes))


def lines_of(rows: Iterable[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Charges by the names of their columns."""
    names = [name for name in TABLES["charges"].names if name != "position"]
    return [dict(zip(names, row, strict=True)) for row in rows]
