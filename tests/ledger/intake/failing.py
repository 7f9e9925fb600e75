"""A disk under a journal that can be made to fail and to wait."""

from __future__ import annotations

import errno
import os
import threading

import pytest

WAIT_S = 60.0


class Disk:
    """Stands between the log and ``os.write`` and ``os.fdatasync``; works until it is told otherwise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self.may_sync = threading.Event()
        self.may_sync.set()
        self.syncing = threading.Event()
        self._write, self._sync = os.write, os.fdatasync
        monkeypatch.setattr(os, "write", self._written)
        monkeypatch.setattr(os, "fdatasync", self._synced)

    def hold(self) -> None:
        """Let nothing become durable until ``may_sync`` is set."""
        self.may_sync.clear()
        self.syncing.clear()

    def _written(self, descriptor: int, data: bytes | memoryview) -> int:
        if self.full and threading.current_thread().name == "log":
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._write(descriptor, data)

    def _synced(self, descriptor: int) -> None:
        self.syncing.set()
        assert self.may_sync.wait(WAIT_S)
        self._sync(descriptor)
