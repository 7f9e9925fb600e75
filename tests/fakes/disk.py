"""A disk in memory that fails and loses power: ``ledger.journal.disk`` with the page cache and the platter told apart.

What a process sees is the *cache*. What survives a power loss is the *platter*, to which sectors go one by one: at a
sync all that are dirty, at any other moment some of them, in any order. The same holds of a file's size, and of the
names in the directory, which have a sync of their own. After a sync that failed the cache is clean though the platter
is not what it shows, as with Linux: a later sync writes nothing of it.

Who decides is an :class:`Oracle`, so that a seeded one can be replayed.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Protocol

DIRECTORY = Path("/disk")


class PowerLoss(BaseException):
    """The machine is off, or the process killed: nobody catches it, and whoever held a file holds nothing any more."""


class Oracle(Protocol):
    """Decides what becomes of each call."""

    random: Random

    def fate(self, call: str, what: str) -> str:
        """ "well"; "fail" or "late" (done, and reported as failed); "crash" before, "torn" amid, "done" after it."""
        ...


class Inode:
    """A file without a name."""

    def __init__(self) -> None:
        self.cache = bytearray()
        self.platter = bytearray()
        self.dirty: set[int] = set()


class FakeDisk:
    """Stands for ``Disk``; outlives the processes that use it. ``open_files`` counts what they hold."""

    def __init__(self, oracle: Oracle, sector_bytes: int = 512) -> None:
        self.directory = DIRECTORY
        self.oracle = oracle
        self.sector_bytes = sector_bytes
        self.files: dict[str, Inode] = {}
        self.life = 0
        self.is_off = False
        self.open_files = 0
        self._platter: dict[str, Inode] = {}
        self._pending: list[tuple[str, Inode | None]] = []

    def names(self) -> list[str]:
        self.check_on()
        return sorted(self.files)

    def create(self, name: str) -> FakeFile:
        with _Call(self, "create", name) as go:
            if go:
                if name in self.files:
                    self.resize(self.files[name], 0)
                else:
                    self._rename(name, Inode())
        return FakeFile(self, name)

    def open(self, name: str, *, to_write: bool = False) -> FakeFile:
        self.check_on()
        if name not in self.files:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", name)
        return FakeFile(self, name)

    def remove(self, name: str) -> None:
        with _Call(self, "remove", name) as go:
            if go and name in self.files:
                self._rename(name, None)

    def sync(self) -> None:
        with _Call(self, "sync directory", "") as go:
            if go:
                for name, inode in self._pending:
                    self._take(name, inode)
                self._pending = []

    def kill(self) -> None:
        """The process ends; the cache stays, though what is clean in it may be read anew from the platter."""
        self._begin_life()
        if self.oracle.random.random() < 0.3:
            for inode in self.files.values():
                self._forget(inode)

    def lose_power(self) -> None:
        """The cache is gone; some of what was on its way to the platter had arrived."""
        self._begin_life()
        random = self.oracle.random
        for inode in {id(each): each for each in [*self.files.values(), *self._platter.values()]}.values():
            self.write_back(inode)
        for name, after in self._pending:
            if random.random() < 0.5:
                self._take(name, after)
        self._pending = []
        self.files = dict(self._platter)
        for inode in self.files.values():
            inode.cache = bytearray(inode.platter)
            inode.dirty = set()

    def check_on(self) -> None:
        if self.is_off:
            raise PowerLoss

    def _begin_life(self) -> None:
        self.life += 1
        self.open_files = 0
        self.is_off = False

    # What files do.

    def resize(self, inode: Inode, size: int) -> None:
        for sector in self._sectors(size, len(inode.cache)):
            if sector * self.sector_bytes >= size:
                inode.dirty.discard(sector)
        del inode.cache[size:]
        inode.dirty.add(-1)

    def put(self, inode: Inode, offset: int, data: bytes) -> None:
        inode.cache[offset : offset + len(data)] = data
        inode.dirty |= set(self._sectors(offset, offset + len(data)))
        if len(inode.cache) != len(inode.platter):
            inode.dirty.add(-1)

    def write_back(self, inode: Inode) -> None:
        """Some of what is dirty reaches the platter: none, all, a beginning, or any of it."""
        random, dirty = self.oracle.random, sorted(inode.dirty)
        how = random.randrange(4)
        if how == 1:
            chosen = dirty
        elif how == 2:
            chosen = dirty[: random.randint(0, len(dirty))]
        else:
            chosen = [each for each in dirty if how and random.random() < 0.5]
        self.flush(inode, chosen)

    def flush(self, inode: Inode, dirty: Sequence[int]) -> None:
        for sector in sorted(dirty):
            inode.dirty.discard(sector)
            if sector < 0:
                size = len(inode.cache)
                del inode.platter[size:]
                inode.platter += bytes(size - len(inode.platter))
            else:
                begin = sector * self.sector_bytes
                data = inode.cache[begin : begin + self.sector_bytes]
                fits = max(0, min(len(data), len(inode.platter) - begin))
                inode.platter[begin : begin + fits] = data[:fits]
                if fits < len(data) and -1 in inode.dirty:
                    # The size is not there yet: without it the bytes are not either.
                    inode.dirty.add(sector)

    def _forget(self, inode: Inode) -> None:
        """Drop clean sectors from the cache."""
        for sector in self._sectors(0, len(inode.cache)):
            if sector not in inode.dirty:
                begin, end = sector * self.sector_bytes, min((sector + 1) * self.sector_bytes, len(inode.cache))
                inode.cache[begin:end] = inode.platter[begin:end].ljust(end - begin, b"\0")

    def _sectors(self, begin: int, end: int) -> range:
        return range(begin // self.sector_bytes, -(-end // self.sector_bytes))

    # What the directory does.

    def _rename(self, name: str, inode: Inode | None) -> None:
        self._pending.append((name, inode))
        if inode is None:
            del self.files[name]
        else:
            self.files[name] = inode

    def _take(self, name: str, inode: Inode | None) -> None:
        if inode is None:
            self._platter.pop(name, None)
        else:
            self._platter[name] = inode


class FakeFile:
    """Stands for ``DiskFile``."""

    def __init__(self, disk: FakeDisk, name: str) -> None:
        self.path = disk.directory / name
        self._disk, self._name, self._inode = disk, name, disk.files[name]
        self._life, self._open = disk.life, True
        disk.open_files += 1

    @property
    def size(self) -> int:
        return len(self._held().cache)

    @property
    def has_name(self) -> bool:
        return any(self._held() is each for each in self._disk.files.values())

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self._held().cache[offset : offset + length])

    def append(self, data: bytes) -> None:
        self._write("append", self.size, data)

    def rewrite(self, offset: int, data: bytes) -> None:
        assert offset + len(data) <= self.size, "only what is there already is written again"
        self._write("rewrite", offset, data)

    def truncate(self, size: int) -> None:
        inode = self._held()
        with _Call(self._disk, "truncate", f"{self._name} to {size}") as go:
            if go:
                self._disk.resize(inode, size)

    def sync(self) -> None:
        inode = self._held()
        call = _Call(self._disk, "sync", self._name)
        with call as go:
            if go:
                self._disk.flush(inode, sorted(inode.dirty))
            else:
                self._disk.write_back(inode)
            if call.fate == "fail":
                # What was not written is forgotten, but for the size, which the file system keeps.
                inode.dirty &= {-1}

    def close(self) -> None:
        assert self._open, f"{self._name} is closed twice"
        self._open = False
        if self._life == self._disk.life:
            self._disk.open_files -= 1

    def _write(self, call: str, offset: int, data: bytes) -> None:
        inode, random = self._held(), self._disk.oracle.random
        with _Call(self._disk, call, f"{self._name} {offset} +{len(data)}") as go:
            self._disk.put(inode, offset, data if go else data[: random.randrange(len(data) + 1)])
        if random.random() < 0.2:
            self._disk.write_back(inode)

    def _held(self) -> Inode:
        self._disk.check_on()
        if self._life != self._disk.life:
            raise PowerLoss
        assert self._open, f"{self._name} is used after it was closed"
        return self._inode


class _Call:
    """A call on its way: gives whether it is to be done, and ends as the oracle says."""

    def __init__(self, disk: FakeDisk, call: str, what: str) -> None:
        disk.check_on()
        self._disk, self._call = disk, call
        self.fate = disk.oracle.fate(call, what)

    def __enter__(self) -> bool:
        if self.fate == "crash":
            self._lose()
        return self.fate in ("well", "late", "done")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            return
        if self.fate in ("torn", "done"):
            self._lose()
        if self.fate in ("fail", "late"):
            if self._call == "append":
                raise OSError(errno.ENOSPC, "No space left on device")
            raise OSError(errno.EIO, "Input/output error")

    def _lose(self) -> None:
        self._disk.is_off = True
        raise PowerLoss
