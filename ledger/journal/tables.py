"""The tables: DuckLake over Parquet files, filled only by the materialiser and asked by everyone else.

They are derived from the log and can be thrown away. What makes them safe to use is one rule: rows and the
*watermark* (the last position applied) change in one transaction, and the watermark moves by compare-and-set. A
second writer, a repeated apply or a crash in between therefore cannot add a row twice or leave one out.

Where they lie is told by a ``Lake``; nothing else differs between a directory and what replicas share.

This is the only home of DuckDB. Its extensions come from wheels and are loaded by path: nothing is downloaded.
"""

from __future__ import annotations

import threading
import time
import uuid
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ledger.journal.cancelling import Cancelled, interruptible
from ledger.journal.derive import TABLES
from ledger.journal.errors import StoreRefused, TablesUnavailable
from ledger.journal.gate import Gate
from ledger.journal.lake import EmbeddedLake, Lake, quoted

# Replicas that start at the same moment all try to make the tables; those who lose find them made.
_OPEN_TRIES, _OPEN_RETRY_S = 5, 0.5
# A commit is some thirty small statements on the catalog; threads that share such work wait for each other without rest, and
# where all processors are busy that costs more than the work.
_THREADS = 1
# What a question may hold in memory; the rest of it is on the disk meanwhile, which costs it little.
_MEMORY = "512MiB"
# What DuckLake says where another commit came first; a connection that is lost while it commits is the same type of error.
_CONFLICTS = ("conflict", "database is locked")
# Files from this size on are left as they are; of smaller ones so much becomes one file. While they are merged the tables
# stand still, for about a second where they have three million samples, as eight megabytes of what is written for them do.
_SMALL_BYTES = 2 << 20
# The second version of Parquet has encodings for differences and for doubles: what is merged takes far less space.
# Each as it is set, and as it is shown.
_OPTIONS = {
    "target_file_size": ("8MB", "8000000"),
    "parquet_version": ("2", "V2"),
    "parquet_compression": ("zstd", "zstd"),
    # Batches are sorted when they come; sorting them by each other is worth it only once.
    "sort_on_insert": ("false", "false"),
}
# How rows lie in a file that was merged of others. Whoever meters reads one series after the other, in the order of time; whoever bills
# one tenant reads of each file what is of that tenant.
_SORTED = {"samples": "series_id ASC, time ASC", "entries": "tenant ASC, meter ASC, hour ASC"}
# Rows of one part of an answer that is streamed.
_STREAMED_ROWS = 1 << 18
# Older files that nobody refers to are of no use any more.
_ORPHANS_S = 3_600


class OvertakenError(TablesUnavailable):
    """Another writer moved the watermark first; nothing was applied."""


class Snapshot:
    """The tables as they stood when it was taken, for as long as somebody holds it; one thread at a time.

    Most of what a small question costs is the beginning of a transaction, so many questions share one. It ends when the
    snapshot is let go of; do not keep one, since the tables are compacted only while there is none.
    """

    def __init__(self, connection: Callable[[], duckdb.DuckDBPyConnection], gate: Gate, lake: Lake) -> None:
        self._lake = lake
        gate.enter()
        try:
            self._cursor = connection().cursor()
        except BaseException:
            gate.leave()
            raise
        weakref.finalize(self, _let_go, self._cursor, gate)
        self._cursor.execute("USE book")
        self._cursor.execute("BEGIN")

    def query(
        self, sql: str, parameters: Sequence[object] = (), given: Mapping[str, pa.Table] | None = None
    ) -> pa.Table:
        """Answer of one statement as an Arrow table; ``given`` are tables it may name. Raises TablesUnavailable, Cancelled."""
        with _translated(self._lake):
            for name, table in (given or {}).items():
                self._cursor.register(name, table)
            try:
                with interruptible(self._cursor.interrupt):
                    return self._cursor.execute(sql, list(parameters)).to_arrow_table()
            except (duckdb.Error, Cancelled):
                # An error ends the transaction; whoever can live with it may ask something else.
                with suppress(duckdb.Error):
                    self._cursor.execute("ROLLBACK")
                self._cursor.execute("BEGIN")
                raise

    def stream(
        self, sql: str, parameters: Sequence[object] = (), given: Mapping[str, pa.Table] | None = None
    ) -> Generator[pa.RecordBatch]:
        """The same, a part at a time as it is read; meanwhile another thread may ask other questions. Raises what ``query`` raises."""
        with _translated(self._lake), closing(self._cursor.cursor()) as cursor:
            cursor.execute("USE book")
            for name, table in (given or {}).items():
                cursor.register(name, table)
            with interruptible(cursor.interrupt):
                parts = cursor.execute(sql, list(parameters)).to_arrow_reader(_STREAMED_ROWS)
            while True:
                with interruptible(cursor.interrupt):
                    part = next(parts, None)
                if part is None:
                    return
                yield part

    def extents(self, name: str) -> pa.Table:
        """How the rows of a table with times lie in files: start_us, end_us (inclusive) and rows of each. Raises TablesUnavailable.

        Rows that are in no file yet are not told of.
        """
        catalog = f"__ducklake_metadata_book.{self._lake.catalog}"
        # DuckLake 1.0, "Tables of the catalog": what is ended belongs to the past, and statistics are texts.
        return self.query(
            "SELECT epoch_us(min_value::TIMESTAMP) AS start_us, epoch_us(max_value::TIMESTAMP) AS end_us, record_count AS rows"  # noqa: S608
            f" FROM {catalog}.ducklake_data_file JOIN {catalog}.ducklake_file_column_stats USING (data_file_id, table_id)"
            f" JOIN {catalog}.ducklake_column USING (column_id, table_id) JOIN {catalog}.ducklake_table USING (table_id)"
            " WHERE table_name = ? AND column_name = 'time' AND ducklake_data_file.end_snapshot IS NULL"
            " ORDER BY start_us, end_us",
            [name],
        )


class Tables:
    """Opened tables. Raises StoreRefused where they cannot be opened; later reads raise TablesUnavailable.

    A connection to PostgreSQL or S3 that is lost is made anew by the next question. Who ``reads_only`` changes nothing, and may do
    so beside the process that fills them.
    """

    def __init__(self, where: Path | Lake, *, reads_only: bool = False) -> None:
        self.lake: Lake = EmbeddedLake(where) if isinstance(where, Path) else where
        self._reads_only = reads_only
        self._writing = threading.Lock()
        self._gate = Gate()
        self._secrets: list[str] = []
        self._renewing = threading.Lock()
        for tries_left in reversed(range(_OPEN_TRIES if self.lake.is_shared else 1)):
            try:
                self._connection = self._opened()
                return
            except (duckdb.Error, OvertakenError) as error:
                if not tries_left:
                    raise StoreRefused(
                        f"{self.lake}: the tables cannot be opened ({_said(error, self.lake)}); {self.lake.remedy}"
                    ) from None
            time.sleep(_OPEN_RETRY_S)

    def remove_orphans(self) -> None:
        """Delete files that nobody refers to; for a lake where nobody else writes, before anything is written.

        A process that was killed may have left them. Raises TablesUnavailable.
        """
        with _translated(self.lake):
            self._connection.execute(f"CALL ducklake_delete_orphaned_files('book', {_past(_ORPHANS_S)})")

    def renew(self) -> None:
        """Open the tables anew: DuckLake remembers something of every commit, for as long as they are open.

        Where the lake is not shared nobody may hold a snapshot. Raises TablesUnavailable; then they stay as they were.
        """
        with self._writing, _translated(self.lake):
            before, self._connection = self._connection, self._opened()
            # What snapshots of a shared lake still read has connections of its own to it.
            before.close()

    def _opened(self) -> duckdb.DuckDBPyConnection:
        with suppress(OSError):
            # Without it questions have to do with memory alone.
            self.lake.spill.mkdir(parents=True, exist_ok=True)
        config: dict[str, Any] = {
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            # They are loaded by path from packages that are installed like this one. To hash them takes longer than all else here.
            "allow_unsigned_extensions": True,
            "threads": _THREADS,
            "memory_limit": _MEMORY,
            # Its files have the same names everywhere: two connections would overwrite each other's.
            "temp_directory": str(self.lake.spill / uuid.uuid4().hex),
        }
        connection = duckdb.connect(config=config)
        try:
            for package, name in self.lake.extensions.items():
                file = resources.files(package) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
                connection.execute(f"LOAD {quoted(str(file))}")
            attach = self.lake.attach(reads_only=self._reads_only)
            for statement in [*self.lake.settings(), *(secrets := self.lake.secrets()), attach, "USE book"]:
                connection.execute(statement)
            if not self._reads_only:
                _create(connection, self.lake)
        except BaseException:
            connection.close()
            raise
        self._secrets = secrets
        return connection

    def _renew_secrets(self) -> None:
        """Tell DuckDB the secrets of the lake if they are others than before."""
        secrets = self.lake.secrets()
        with self._renewing:
            if secrets != self._secrets:
                # Not on the connection itself, which may be in the middle of a transaction.
                with self._connection.cursor() as cursor:
                    for statement in secrets:
                        cursor.execute(statement)
                self._secrets = secrets

    @property
    def watermark(self) -> int:
        """Position of the last record applied."""
        (row,) = self.query("SELECT position FROM watermark").to_pylist()
        return int(row["position"])

    def apply(self, rows: Mapping[str, pa.Table | Path], previous: int, position: int) -> None:
        """Add rows, or files with rows, by table, and move the watermark from ``previous`` to ``position``.

        Raises OvertakenError. Any other TablesUnavailable leaves open whether it was done: the watermark tells. So the files
        stay, whatever goes wrong.
        """
        with self._writing, _translated(self.lake), self._transaction() as connection:
            for name, added in rows.items():
                if isinstance(added, Path):
                    connection.execute("CALL ducklake_add_data_files('book', ?, ?)", [name, str(added)])
                elif added.num_rows:
                    connection.register("incoming", added)
                    connection.execute(f"INSERT INTO {name} SELECT * FROM incoming")  # noqa: S608
                    connection.unregister("incoming")
            moved = connection.execute(
                "UPDATE watermark SET position = ? WHERE position = ?", [position, previous]
            ).fetchone()
            if moved is None or moved[0] != 1:
                raise OvertakenError(f"the watermark is no longer at {previous}")

    def _transaction(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        self._renew_secrets()
        return _transaction(self._connection, self.lake)

    def query(
        self, sql: str, parameters: Sequence[object] = (), given: Mapping[str, pa.Table] | None = None
    ) -> pa.Table:
        """Answer of one statement, as ``Snapshot.query`` gives it, from a snapshot of its own."""
        return self.snapshot().query(sql, parameters, given)

    def stream(
        self, sql: str, parameters: Sequence[object] = (), given: Mapping[str, pa.Table] | None = None
    ) -> Generator[pa.RecordBatch]:
        """Answer of one statement, as ``Snapshot.stream`` gives it, from a snapshot of its own."""
        yield from self.snapshot().stream(sql, parameters, given)

    def extents(self, name: str) -> pa.Table:
        """How the rows of a table lie in files, as ``Snapshot.extents`` gives it."""
        return self.snapshot().extents(name)

    def snapshot(self) -> Snapshot:
        """The tables as they stand now. Raises TablesUnavailable."""
        with _translated(self.lake):
            self._renew_secrets()
            return Snapshot(lambda: self._connection, self._gate, self.lake)

    def alone(self, patience_s: float) -> AbstractContextManager[bool]:
        """Whether compaction cannot disturb a snapshot, until the block ends: see ``gate``."""
        if self.lake.is_shared:
            return nullcontext(True)
        return self._gate.alone(patience_s)

    def compact(self, grace_s: int | None = None, budget_s: float = float("inf")) -> bool:
        """Merge small files into few, for about ``budget_s``; then delete what was merged away over ``grace_s`` ago.

        Without ``grace_s`` the lake's own is taken. See ``gate`` for who may read meanwhile. DuckLake's own snapshots go
        with the files: the past is asked for by position, never by snapshot. Gives whether all was done.
        """
        past = _past(self.lake.grace_s if grace_s is None else grace_s)
        self._connection.execute("CALL ducklake_flush_inlined_data('book')")
        # Flushing leaves all its former positions behind, with a list of those that do not count: two more files every time,
        # which each later commit would have to read.
        self._connection.execute("CALL ducklake_rewrite_data_files('book', 'watermark', delete_threshold => 0)")
        is_done = self._merge(time.monotonic() + budget_s)
        self._connection.execute(f"CALL ducklake_expire_snapshots('book', {past})")
        self._connection.execute(f"CALL ducklake_cleanup_old_files('book', {past})")
        return is_done

    def _merge(self, ends_s: float) -> bool:
        for name in TABLES:
            # One file at a time, so that the time can be kept.
            merge = (
                f"CALL ducklake_merge_adjacent_files('book', '{name}', max_compacted_files => 1,"
                f" max_file_size => {_SMALL_BYTES})"
            )
            while self._connection.execute(merge).fetchall():
                if time.monotonic() > ends_s:
                    return False
        return True

    def close(self) -> None:
        """Close. Safe to call twice."""
        self._connection.close()


def _create(connection: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Make the tables that are missing: all of them in a new store, and those that another version had none of."""
    made = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'book'"
    if {*TABLES, "watermark"} - {name for (name,) in connection.execute(made).fetchall()}:
        with _transaction(connection, lake):
            for name, schema in TABLES.items():
                columns = ", ".join(f'"{field.name}" {_sql_type(field.type)}' for field in schema)
                connection.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
            connection.execute("CREATE TABLE IF NOT EXISTS watermark (position BIGINT)")
            connection.execute("INSERT INTO watermark SELECT 0 WHERE NOT EXISTS (FROM watermark)")
    # Also where they were made by another version, or by somebody who got no further.
    found = dict(connection.execute("SELECT option_name, value FROM ducklake_options('book')").fetchall())
    for name, (value, shown) in _OPTIONS.items():
        if found.get(name) != shown:
            connection.execute(f"CALL book.set_option('{name}', '{value}')")
    catalog = f"__ducklake_metadata_book.{lake.catalog}"
    asked = (
        f"SELECT table_name FROM {catalog}.ducklake_sort_info JOIN {catalog}.ducklake_table USING (table_id)"  # noqa: S608
        " WHERE ducklake_sort_info.end_snapshot IS NULL"
    )
    known = {name for (name,) in connection.execute(asked).fetchall()}
    for name in _SORTED.keys() - known:
        connection.execute(f"ALTER TABLE {name} SET SORTED BY ({_SORTED[name]})")


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection, lake: Lake) -> Iterator[duckdb.DuckDBPyConnection]:
    connection.execute("BEGIN")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException as error:
        with _ignoring_ended_transaction():
            connection.execute("ROLLBACK")
        if isinstance(error, duckdb.TransactionException) and any(each in str(error) for each in _CONFLICTS):
            raise OvertakenError(_said(error, lake)) from error
        raise


def _let_go(cursor: duckdb.DuckDBPyConnection, gate: Gate) -> None:
    # In this order: the transaction must be over before anybody is told that it is.
    with suppress(duckdb.Error):
        cursor.close()
    gate.leave()


@contextmanager
def _translated(lake: Lake) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise TablesUnavailable(
            f"the tables cannot be read ({_said(error, lake)}); if that stays so, {lake.remedy}"
        ) from error


def _said(error: Exception, lake: Lake) -> str:
    """The line of an error that says what is wrong; for a failed commit that is the last one."""
    lines = str(error).splitlines() or [type(error).__name__]
    return lake.hidden(lines[-1] if isinstance(error, duckdb.TransactionException) else lines[0])


@contextmanager
def _ignoring_ended_transaction() -> Iterator[None]:
    # A failed COMMIT has already ended the transaction, and ROLLBACK then says that there is none; a lost connection makes
    # it fail as well.
    with suppress(duckdb.Error):
        yield


def _past(seconds: int) -> str:
    # "now()" alone has a time zone, which DuckLake's functions refuse.
    return f"older_than => (now() AT TIME ZONE 'UTC' - INTERVAL {seconds} SECOND)"


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    return {"int64": "BIGINT", "double": "DOUBLE", "string": "VARCHAR", "timestamp[us]": "TIMESTAMP"}[str(kind)]
