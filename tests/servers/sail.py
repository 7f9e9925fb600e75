"""A real Spark Connect server for the tests: Sail, a driver and two workers in one process, without Java.

Its workers run what they are given in the Python of the tests, where Meterbook is installed.
"""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from types import MappingProxyType

from pyspark.sql.connect.session import SparkSession

from tests.servers.process import ServerProcess, free_ports


class SailServer(ServerProcess):
    """One cluster."""

    name = "Sail"
    environment = MappingProxyType(
        {"SAIL_MODE": "local-cluster", "SAIL_CLUSTER__WORKER_INITIAL_COUNT": "2", "RUST_LOG": "warn"}
    )

    def __init__(self) -> None:
        super().__init__()
        (self._port,) = free_ports(1)

    @property
    def remote(self) -> str:
        """Its address as Spark Connect writes it."""
        return f"sc://127.0.0.1:{self._port}"

    def command(self) -> list[str]:
        """See :class:`ServerProcess`."""
        return [sys.executable, "-m", "pysail", "spark", "server", "--ip", "127.0.0.1", "--port", str(self._port)]

    def answers(self) -> bool:
        """See :class:`ServerProcess`."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
            # The port is open before there are workers.
            session = SparkSession.builder.remote(self.remote).create()
            count = session.range(2, numPartitions=2).count()
            session.stop()
            return count == 2
        return False
