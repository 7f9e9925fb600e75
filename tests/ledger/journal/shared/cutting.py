"""A proxy before PostgreSQL that cuts a connection when COMMIT passes by: before it arrives, or before it is answered."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Literal, Self

from tests.servers.process import free_ports

Moment = Literal["before", "after", "never"]


class CuttingProxy:
    """Forwards to a port of loopback until it is told to cut; ``cuts`` counts how often it did."""

    def __init__(self, port: int) -> None:
        self._target = port
        (self.port,) = free_ports(1)
        self.moment: Moment = "never"
        self.cuts = 0
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self._sockets = [self._listening]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, server]
                for target, both in ((self._forward, (client, server)), (self._back, (server, client))):
                    self._threads.append(threading.Thread(target=target, args=both))
                    self._threads[-1].start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(1 << 16):
                if b"COMMIT\0" in data and self.moment != "never":
                    self.cuts += 1
                    if self.moment == "after":
                        # Nothing of the answer may get back.
                        client.shutdown(socket.SHUT_RDWR)
                        server.sendall(data)
                    self.moment = "never"
                    break
                server.sendall(data)
        self._end(client, server)

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                client.sendall(data)
        self._end(client, server)

    @staticmethod
    def _end(*both: socket.socket) -> None:
        for each in both:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end(*self._sockets)
        for thread in self._threads:
            thread.join()
        for each in self._sockets:
            each.close()
