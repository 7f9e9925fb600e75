"""A child process that answers requests over a socket of its own, for work that should not share this process's threads.

It is started as ``python -m MODULE DESCRIPTOR ARGUMENTS`` and is not waited for: whoever needs it asks whether it is ready. It
ends when the socket is closed, which it also is when the parent dies, however that happens.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from queue import SimpleQueue

from meterbook.logs import tell_as_parent

#: What a child says first.
_READY = b"ready"
#: Seconds for which nothing of a message may move before the other side is given up, and until one that ended is reaped.
_STANDSTILL_S, _REAPED_S = 60, 1.0


class ChildFailed(Exception):
    """The process ended, or does not answer."""


class Child:
    """One process, begun and not waited for; for one caller at a time. Raises OSError where it cannot be begun."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._connection, theirs = Pipe()
        with theirs:
            command = [sys.executable, "-m", module, str(theirs.fileno()), *arguments]
            try:
                # In a group of its own: an interrupt from the keyboard is for the ledger, which ends it when it is done.
                self._process = subprocess.Popen(  # noqa: S603
                    command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, process_group=0
                )
                _limit_waiting(self._connection)
            except BaseException:
                self._connection.close()
                raise
        self._is_ready = False

    @property
    def is_ready(self) -> bool:
        """Whether it can be asked. Raises ChildFailed."""
        if not self._is_ready and self._received(0) == _READY:
            self._is_ready = True
        return self._is_ready

    def tell(self, message: bytes) -> None:
        """Send a request. Raises ChildFailed."""
        try:
            self._connection.send_bytes(message)
        except OSError as error:
            raise ChildFailed(f"it does not listen ({error})") from error

    def answer(self, patience_s: float) -> bytes:
        """The next message of its answers. Raises ChildFailed, also where none comes in time."""
        found = self._received(patience_s)
        if found is None:
            raise ChildFailed(f"no answer within {patience_s:g} s")
        return found

    def kill(self) -> None:
        """End it, from any thread: whoever waits for it finds out at once."""
        self._process.kill()

    def close(self) -> None:
        """End it. Safe to call twice."""
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def _received(self, patience_s: float) -> bytes | None:
        try:
            return self._connection.recv_bytes() if self._connection.poll(patience_s) else None
        except (EOFError, OSError) as error:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_REAPED_S)
            raise ChildFailed(f"it has ended, with exit code {self._process.returncode}") from error


def _limit_waiting(connection: Connection) -> None:
    """Have sending and receiving fail where the other side stands still in the middle of a message (socket(7))."""
    with socket.socket(fileno=os.dup(connection.fileno())) as shared:
        for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
            shared.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", _STANDSTILL_S, 0))


def serve(descriptor: int, answers: Callable[[bytes], Iterable[bytes]]) -> None:
    """The child's side: answer each request with some messages, until the parent has no more.

    Requests are read while answers are written: where both are long each side would otherwise wait for the other to read.
    """
    tell_as_parent()
    connection = Connection(descriptor)
    requests: SimpleQueue[bytes | None] = SimpleQueue()
    threading.Thread(target=_read, args=(connection, requests), daemon=True).start()
    # However the ledger ends, this process has nothing more to do.
    with suppress(BrokenPipeError, ConnectionResetError):
        connection.send_bytes(_READY)
        while (request := requests.get()) is not None:
            for message in answers(request):
                connection.send_bytes(message)


def _read(connection: Connection, requests: SimpleQueue[bytes | None]) -> None:
    try:
        with suppress(EOFError, ConnectionResetError):
            while True:
                requests.put(connection.recv_bytes())
    finally:
        requests.put(None)
