"""One address before several replicas, as a load balancer gives it: every connection goes to one that accepts it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from random import Random

from tests.servers.process import free_ports


class Forwarder:
    """Forwards between :meth:`start` and :meth:`stop`."""

    def __init__(self, ports: Sequence[int], random: Random) -> None:
        self._ports, self._random = list(ports), random
        (self.port,) = free_ports(1)
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, name="forwarder", daemon=True)

    def start(self) -> None:
        """Begin to accept."""
        self._thread.start()

    def cut(self) -> None:
        """End every connection; whoever comes back may get another replica."""
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        """Accept nothing more, and end what there is."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()
        self._thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        for port in self._random.sample(self._ports, len(self._ports)):
            with suppress(OSError):
                server = socket.create_connection(("127.0.0.1", port))
                break
        else:
            client.close()
            return
        with client, server:
            with self._lock:
                self._open |= {client, server}
            back = threading.Thread(target=_pass_on, args=(server, client), daemon=True)
            back.start()
            _pass_on(client, server)
            back.join()
            with self._lock:
                self._open -= {client, server}


def _pass_on(giver: socket.socket, taker: socket.socket) -> None:
    with suppress(OSError):
        while data := giver.recv(1 << 16):
            taker.sendall(data)
    for each in (giver, taker):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
