"""The tables: DuckLake over Parquet files, filled only by the materialiser and asked by everyone else.

They are derived from the log and can be thrown away. What makes them safe to use is one rule: rows and the
*watermark* (the last position applied) change in one transaction, and the watermark moves by compare-and-set. A
second writer, a repeated apply or a crash in between therefore cannot add a row twice or leave one out.

This is the only home of DuckDB. Its extensions come from wheels and are loaded by path: nothing is downloaded.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib import resources
from pathlib import Path

import duckdb
import pyarrow as pa

from ledger.journal.derive import TABLES, Rows
from ledger.journal.errors import StoreRefused, TablesUnavailable
from ledger.journal.gate import Gate

_EXTENSIONS = {"duckdb_extension_ducklake": "ducklake", "duckdb_extension_sqlite_scanner": "sqlite_scanner"}
# The catalog must be in WAL mode: without it one reader blocks the writer until "database is locked".
_ATTACH = (
    "ATTACH 'ducklake:sqlite:{catalog}' AS book (DATA_PATH '{data}', META_JOURNAL_MODE 'WAL',"
    " DATA_INLINING_ROW_LIMIT 0, OVERRIDE_DATA_PATH true)"
)


class OvertakenError(TablesUnavailable):
    """Another writer moved the watermark first; nothing was applied."""


class Snapshot:
    """The tables as they stood when it was taken, for as long as somebody holds it; one thread at a time.

    Most of what a small question costs is the beginning of a transaction, so many questions share one. It ends when the
    snapshot is let go of; do not keep one, since the tables are compacted only while there is none.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, gate: Gate) -> None:
        gate.enter()
        try:
            self._cursor = connection.cursor()
        except BaseException:
            gate.leave()
            raise
        weakref.finalize(self, _let_go, self._cursor, gate)
        self._cursor.execute("USE book")
        self._cursor.execute("BEGIN")

    def query(
        self, sql: str, parameters: Sequence[object] = (), given: Mapping[str, pa.Table] | None = None
    ) -> pa.Table:
        """Answer of one statement as an Arrow table; ``given`` are tables it may name. Raises TablesUnavailable."""
        with _translated():
            for name, table in (given or {}).items():
                self._cursor.register(name, table)
            try:
                return self._cursor.execute(sql, list(parameters)).to_arrow_table()
            except duckdb.Error:
                # An error ends the transaction; whoever can live with it may ask something else.
                with suppress(duckdb.Error):
                    self._cursor.execute("ROLLBACK")
                self._cursor.execute("BEGIN")
                raise


class Tables:
    """Opened tables. Raises StoreRefused where their files cannot be read; later reads raise TablesUnavailable."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._connection = duckdb.connect(
            config={"autoinstall_known_extensions": False, "autoload_known_extensions": False, "threads": 2}
        )
        self._writing = threading.Lock()
        self._gate = Gate()
        try:
            for package, name in _EXTENSIONS.items():
                file = resources.files(package) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
                self._connection.execute(f"LOAD '{_quoted(str(file))}'")
            catalog, data = directory / "catalog.sqlite", directory / "data"
            self._connection.execute(_ATTACH.format(catalog=_quoted(str(catalog)), data=_quoted(str(data))))
            self._connection.execute("USE book")
            self._create()
        except BaseException as error:
            self._connection.close()
            if not isinstance(error, duckdb.Error):
                raise
            raise StoreRefused(
                f"{directory}: the tables cannot be opened ({str(error).splitlines()[0]}); they are derived from the "
                "log: move the directory away and start again to have them made anew"
            ) from error

    def _create(self) -> None:
        """Make the tables of a new store; those of an old one are left alone."""
        if self._connection.execute("FROM duckdb_tables() WHERE table_name = 'watermark'").fetchone() is not None:
            return
        with self._transaction() as connection:
            for name, schema in TABLES.items():
                columns = ", ".join(f'"{field.name}" {_sql_type(field.type)}' for field in schema)
                connection.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
            connection.execute("CREATE TABLE IF NOT EXISTS watermark (position BIGINT)")
            connection.execute("INSERT INTO watermark SELECT 0 WHERE NOT EXISTS (FROM watermark)")
        # It changes with every commit: kept in the catalog, that leaves no file behind each time.
        self._connection.execute("CALL book.set_option('data_inlining_row_limit', 10, table_name => 'watermark')")

    @property
    def watermark(self) -> int:
        """Position of the last record applied."""
        (row,) = self.query("SELECT position FROM watermark").to_pylist()
        return int(row["position"])

    def apply(self, rows: Rows, previous: int, position: int) -> None:
        """Add rows and move the watermark from ``previous`` to ``position``. Raises OvertakenError."""
        with self._writing, _translated(), self._transaction() as connection:
            for name, table in rows.items():
                if table.num_rows:
                    connection.register("incoming", table)
                    connection.execute(f"INSERT INTO {name} SELECT * FROM incoming")  # noqa: S608
                    connection.unregister("incoming")
            moved = connection.execute(
                "UPDATE watermark SET position = ? WHERE position = ?", [position, previous]
            ).fetchone()
            if moved is None or moved[0] != 1:
                raise OvertakenError(f"the watermark is no longer at {previous}")

    def query(
        self, sql: str, parameters: Sequence[object] = (), given: Mapping[str, pa.Table] | None = None
    ) -> pa.Table:
        """Answer of one statement, as ``Snapshot.query`` gives it, from a snapshot of its own."""
        return self.snapshot().query(sql, parameters, given)

    def snapshot(self) -> Snapshot:
        """The tables as they stand now. Raises TablesUnavailable."""
        with _translated():
            return Snapshot(self._connection, self._gate)

    def alone(self, patience_s: float) -> AbstractContextManager[bool]:
        """Whether no snapshot is alive; if so none is taken until the block ends."""
        return self._gate.alone(patience_s)

    def compact(self, grace_s: int) -> None:
        """Merge small files into few; delete those that were merged away more than ``grace_s`` seconds ago.

        No snapshot may be alive in any process: see ``gate``. DuckLake's own snapshots go with the files: the past is
        asked for by position, never by snapshot.
        """
        # "now()" alone has a time zone, which the functions refuse.
        past = f"older_than => (now() AT TIME ZONE 'UTC' - INTERVAL {int(grace_s)} SECOND)"
        self._connection.execute("CALL ducklake_flush_inlined_data('book')")
        self._connection.execute("CALL ducklake_merge_adjacent_files('book')")
        self._connection.execute(f"CALL ducklake_expire_snapshots('book', {past})")
        self._connection.execute(f"CALL ducklake_cleanup_old_files('book', {past})")

    def close(self) -> None:
        """Close. Safe to call twice."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        self._connection.execute("BEGIN")
        try:
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException as error:
            with _ignoring_ended_transaction():
                self._connection.execute("ROLLBACK")
            if isinstance(error, duckdb.TransactionException):
                raise OvertakenError(str(error)) from error
            raise


def _let_go(cursor: duckdb.DuckDBPyConnection, gate: Gate) -> None:
    # In this order: the transaction must be over before anybody is told that it is.
    with suppress(duckdb.Error):
        cursor.close()
    gate.leave()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise TablesUnavailable(
            f"the tables cannot be read ({str(error).splitlines()[0]}); if that stays so, move them away while the "
            "ledger is down: they are made anew from the log"
        ) from error


@contextmanager
def _ignoring_ended_transaction() -> Iterator[None]:
    # A failed COMMIT has already ended the transaction, and ROLLBACK then says that there is none.
    with suppress(duckdb.TransactionException):
        yield


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    return {"int64": "BIGINT", "double": "DOUBLE", "string": "VARCHAR", "timestamp[us]": "TIMESTAMP"}[str(kind)]
