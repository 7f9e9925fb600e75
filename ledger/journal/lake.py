"""Where the tables lie: in a directory of one machine, or in S3 and PostgreSQL for all replicas.

A lake knows what DuckDB has to load, which secrets it needs and how it attaches the tables; everything else about them is
the same for both kinds. Secrets go to DuckDB as secrets of its own: what stands in the ATTACH statement comes back in
error messages, password and all.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from ledger.journal.place import Bucket

#: The catalog of tables that lie in a directory.
CATALOG = "catalog.sqlite"
#: Rows of one commit and table that stay in the catalog until the next compaction. A file for each would be too many: what a
#: commit costs grows with the files that there are.
INLINED_ROWS_MAX = 100
#: Seconds after which S3 is not waited for any more, and how often a request is made again.
_HTTP_S, _HTTP_RETRIES = 20, 2
# DuckDB holds a ten-thousandth of the largest file there may be, of each file that it writes.
_FILE_MAX = "50GB"
#: What PostgreSQL is asked with unless the address says otherwise: a server that is gone must not be waited for for ever,
#: and a replica that stalls in the middle of a commit must not hold up the others.
_SERVER_DEFAULTS = {
    "application_name": "meterbook",
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "options": "-c lock_timeout=10s -c idle_in_transaction_session_timeout=15min",
}


class Lake(Protocol):
    """Where tables lie. What is shown of it holds no secret."""

    @property
    def extensions(self) -> Mapping[str, str]:
        """The extensions of DuckDB that it needs, by the packages that hold them."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether a reader keeps its snapshot of the catalog whatever others do to it; one that is not shared does not."""
        ...

    @property
    def folder(self) -> Path | None:
        """The directory of the Parquet files, where this process may write them itself."""
        ...

    @property
    def spill(self) -> Path:
        """Where questions put what does not fit into memory, for as long as they take."""
        ...

    @property
    def grace_s(self) -> int:
        """Seconds for which files that were merged away are kept for those who may still read them."""
        ...

    @property
    def catalog(self) -> str:
        """The schema in which DuckLake's own tables stand."""
        ...

    @property
    def remedy(self) -> str:
        """What to do when the tables cannot be opened."""
        ...

    def settings(self) -> list[str]:
        """Statements to be executed once, before anything else."""
        ...

    def secrets(self) -> list[str]:
        """Statements that tell DuckDB the secrets as they are now; they may change with time."""
        ...

    def attach(self, *, reads_only: bool = False) -> str:
        """The statement that attaches the tables as ``book``."""
        ...

    def hidden(self, text: str) -> str:
        """The text without any of the secrets."""
        ...

    def to_json(self) -> str:
        """What :func:`from_json` makes the same lake of, **with the secrets as they are now**: for a pipe, not for a log."""
        ...


@dataclass(frozen=True)
class Keys:
    """What opens a bucket; ``session_token`` comes with keys that expire."""

    key_id: str
    secret: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class EmbeddedLake:
    """A directory of one machine: SQLite catalog and Parquet files."""

    directory: Path

    extensions = MappingProxyType(
        {"duckdb_extension_ducklake": "ducklake", "duckdb_extension_sqlite_scanner": "sqlite_scanner"}
    )
    is_shared = False
    # Nobody reads while it is compacted; the files of a crashed compaction are worth a moment.
    grace_s = 120
    catalog = "main"
    remedy = "move the directory away while the ledger is down: the tables are made anew from the log"

    @property
    def folder(self) -> Path:
        """Where the Parquet files are."""
        return self.directory / "data"

    @property
    def spill(self) -> Path:
        """Beside them; what a killed process left there goes when the store is opened."""
        return self.directory / "spill"

    def settings(self) -> list[str]:
        """None."""
        return []

    def secrets(self) -> list[str]:
        """None."""
        return []

    def attach(self, *, reads_only: bool = False) -> str:
        """In WAL mode: without it one reader blocks the writer until "database is locked"."""
        mode = "READ_ONLY" if reads_only else f"META_JOURNAL_MODE 'WAL', DATA_INLINING_ROW_LIMIT {INLINED_ROWS_MAX}"
        return (
            f"ATTACH {quoted(f'ducklake:sqlite:{self.directory}/{CATALOG}')} AS book"
            f" (DATA_PATH {quoted(f'{self.folder}')}, {mode}, OVERRIDE_DATA_PATH true)"
        )

    def hidden(self, text: str) -> str:
        """The text: there are no secrets."""
        return text

    def to_json(self) -> str:
        """See :func:`from_json`."""
        return json.dumps({"directory": str(self.directory)})

    def __str__(self) -> str:
        return str(self.directory)


@dataclass(frozen=True)
class SharedLake:
    """PostgreSQL catalog and Parquet files in S3.

    ``server`` are libpq's parameters (host, port, dbname, user, password ...), ``schema`` is the one of the catalog in that
    database, made when it is not there. ``keys`` is asked again before every transaction, since keys may expire.
    """

    bucket: Bucket
    server: Mapping[str, str] = field(repr=False)
    schema: str
    keys: Callable[[], Keys] = field(repr=False, compare=False)

    extensions = MappingProxyType(
        {
            "duckdb_extension_ducklake": "ducklake",
            "duckdb_extension_httpfs": "httpfs",
            "duckdb_extension_postgres_scanner": "postgres_scanner",
        }
    )
    is_shared = True
    folder = None
    spill = Path(tempfile.gettempdir()) / "meterbook-spill"
    # As long as PostgreSQL lets a reader be idle in its transaction: nobody can still look for a file by then.
    grace_s = 900
    remedy = "see that PostgreSQL and S3 answer and let this user in, and start again"

    @property
    def catalog(self) -> str:
        """The schema that it was given."""
        return quoted_name(self.schema)

    def settings(self) -> list[str]:
        """How long S3 is waited for, and how much of a file is held while it is sent there."""
        return [
            f"SET http_timeout = {_HTTP_S}",
            f"SET http_retries = {_HTTP_RETRIES}",
            f"SET s3_uploader_max_filesize = '{_FILE_MAX}'",
        ]

    def secrets(self) -> list[str]:
        """The keys of the bucket, and PostgreSQL's password if there is one."""
        keys = self.keys()
        of_s3 = {
            "KEY_ID": keys.key_id,
            "SECRET": keys.secret,
            "SESSION_TOKEN": keys.session_token,
            "REGION": self.bucket.region,
            "SCOPE": self._data_path(),
        }
        if self.bucket.endpoint is not None:
            scheme, _, host = self.bucket.endpoint.partition("://")
            of_s3 |= {"ENDPOINT": host.rstrip("/"), "USE_SSL": str(scheme == "https").lower(), "URL_STYLE": "path"}
        return [
            _secret("meterbook_s3", "s3", of_s3),
            _secret("meterbook_postgres", "postgres", {"PASSWORD": self.server.get("password")}),
        ]

    def attach(self, *, reads_only: bool = False) -> str:
        """The password is not in it."""
        given = {**_SERVER_DEFAULTS, **{name: value for name, value in self.server.items() if name != "password"}}
        conninfo = " ".join(f"{name}={_libpq(value)}" for name, value in given.items())
        mode = "READ_ONLY" if reads_only else f"DATA_INLINING_ROW_LIMIT {INLINED_ROWS_MAX}"
        return (
            f"ATTACH {quoted(f'ducklake:postgres:{conninfo}')} AS book (DATA_PATH {quoted(self._data_path())},"
            f" META_SECRET 'meterbook_postgres', METADATA_SCHEMA {quoted(self.schema)}, {mode}, OVERRIDE_DATA_PATH true)"
        )

    def hidden(self, text: str) -> str:
        """The text without password, secret key and token."""
        keys = self.keys()
        for secret in (self.server.get("password"), keys.secret, keys.session_token):
            if secret:
                text = text.replace(secret, "***")
        return text

    def to_json(self) -> str:
        """See :func:`from_json`."""
        described = {"bucket": asdict(self.bucket), "server": dict(self.server), "schema": self.schema}
        return json.dumps(described | {"keys": asdict(self.keys())})

    def _data_path(self) -> str:
        return f"s3://{self.bucket.name}/{self.bucket.key('tables')}/"

    def __str__(self) -> str:
        host, database = self.server.get("host", ""), self.server.get("dbname", "")
        return f"s3://{self.bucket.name}/{self.bucket.key('tables')} + postgresql://{host}/{database}"


def from_json(text: str) -> Lake:
    """The lake that ``to_json`` described, with the keys of that moment."""
    said: dict[str, Any] = json.loads(text)
    if "directory" in said:
        return EmbeddedLake(Path(said["directory"]))
    keys = Keys(**said["keys"])
    return SharedLake(Bucket(**said["bucket"]), said["server"], said["schema"], lambda: keys)


def quoted(text: str) -> str:
    """As a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def quoted_name(name: str) -> str:
    """As a name of SQL."""
    return '"' + name.replace('"', '""') + '"'


def _libpq(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _secret(name: str, kind: str, values: Mapping[str, str | None]) -> str:
    given = "".join(f", {key} {quoted(value)}" for key, value in values.items() if value is not None)
    return f"CREATE OR REPLACE SECRET {name} (TYPE {kind}{given})"
