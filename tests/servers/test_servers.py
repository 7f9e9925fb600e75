"""The servers do what the tests that use them take for granted; one contract for both."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.servers import guard
from tests.servers.postgres import PostgresServer
from tests.servers.process import ServerDidNotStart, ServerProcess
from tests.servers.seaweed import SeaweedServer

pytestmark = pytest.mark.slow

KINDS = [PostgresServer, SeaweedServer]
ROOT = Path(__file__).parents[2]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    with request.param() as found:
        yield found


def keep(server: ServerProcess, value: str) -> None:
    if isinstance(server, PostgresServer):
        with psycopg.connect(server.dsn()) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS kept (value text)")
            connection.execute("INSERT INTO kept VALUES (%s)", [value])
    else:
        assert isinstance(server, SeaweedServer)
        client = server.client()
        client.put_object(Bucket="kept", Key=value, Body=value.encode())
        client.close()


def kept(server: ServerProcess) -> list[str]:
    if isinstance(server, PostgresServer):
        with psycopg.connect(server.dsn()) as connection:
            return sorted(row[0] for row in connection.execute("SELECT value FROM kept"))
    assert isinstance(server, SeaweedServer)
    client = server.client()
    found = client.list_objects_v2(Bucket="kept").get("Contents", [])
    bodies = [client.get_object(Bucket="kept", Key=each["Key"])["Body"].read().decode() for each in found]
    client.close()
    return sorted(bodies)


def test_what_was_acknowledged_survives_everything(server: ServerProcess) -> None:
    keep(server, "a")
    server.kill()
    assert not server.is_running
    server.start()
    keep(server, "b")
    server.restart()
    assert kept(server) == ["a", "b"]
    if isinstance(server, PostgresServer):
        server.stop(immediate=True)
        assert kept(server.start()) == ["a", "b"]


def test_a_paused_server_hangs_and_goes_on(server: ServerProcess) -> None:
    keep(server, "a")
    server.pause()
    port = server.port if isinstance(server, PostgresServer) else int(server.endpoint.rpartition(":")[2])  # type: ignore[attr-defined]
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    server.resume()
    assert kept(server) == ["a"]


def test_nothing_is_left_behind(server: ServerProcess) -> None:
    family = guard.family(server.pid)
    server.pause()
    server.close()
    assert not server.directory.exists()
    assert not any(Path(path).exists() for path in server.litter)
    assert not any(guard.lives(pid) for pid in family)
    server.close()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_it_dies_with_the_tests_also_by_kill_9_and_while_paused(kind: type[ServerProcess]) -> None:
    script = (
        f"import sys; from {kind.__module__} import {kind.__name__} as Server\n"
        "server = Server().start(); server.pause()\n"
        "print(server.pid, server._guard.pid, server.directory, flush=True); sys.stdin.read()"
    )
    tests = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with tests:
        assert tests.stdout is not None
        pid, guard_pid, directory = tests.stdout.readline().split()
        family = guard.family(int(pid))
        watched = os.pidfd_open(int(guard_pid))
        assert len(family) >= 1
        tests.send_signal(signal.SIGKILL)
    # The guard ends when it has done its work; a process descriptor can be waited for without being its parent.
    assert select.select([watched], [], [], 60)[0]
    os.close(watched)
    assert not Path(directory).exists()
    assert not any(guard.lives(pid) for pid in family)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_one_that_does_not_start_shows_its_log(kind: type[ServerProcess], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kind, "command", lambda self: ["/bin/sh", "-c", "echo the disk is on fire >&2; exit 7"])
    server = kind()
    with pytest.raises(ServerDidNotStart, match=rf"(?s){kind.name} ended with exit code 7 .*the disk is on fire"):
        server.start()
    assert not server.directory.exists()


def test_objects_are_written_once() -> None:
    with SeaweedServer() as server:
        client = server.client()
        client.put_object(Bucket="once", Key="a", Body=b"1", IfNoneMatch="*")
        with pytest.raises(ClientError, match="PreconditionFailed"):
            client.put_object(Bucket="once", Key="a", Body=b"2", IfNoneMatch="*")
        assert client.get_object(Bucket="once", Key="a")["Body"].read() == b"1"
        server.kill()
        with pytest.raises(BotoCoreError):
            client.list_buckets()
        client.close()


def test_a_database_goes_away_whoever_uses_it() -> None:
    with PostgresServer() as postgres:
        dsn = postgres.create_database("one")
        user = psycopg.connect(dsn)
        postgres.drop_database("one")
        with pytest.raises(psycopg.OperationalError):
            user.execute("SELECT 1")
        user.close()
        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            psycopg.connect(dsn)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(dsn.replace(postgres.password, "guessed"))
