"""What the tests of log files share: a log, those who follow it, and the programs that compress what it was rotated into."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from collector.readings import Readings
from tests.collector.conftest import Reader
from tests.fakes.log_writer import Log

Follow = Callable[..., Reader]
Compress = Callable[[Path], Path]


def gzipped(path: Path) -> Path:
    """As ``gzip`` does it: another file with the time of the first one, which goes."""
    return _replaced(path, ".gz", gzip.compress(path.read_bytes()))


def zstd(path: Path) -> Path:
    """As ``zstd --rm`` does it."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(path.read_bytes())
    return _replaced(path, ".zst", sink.getvalue().to_pybytes())


def _replaced(path: Path, end: str, packed: bytes) -> Path:
    status = path.stat()
    made = path.with_name(path.name + end)
    made.write_bytes(packed)
    os.utime(made, ns=(status.st_atime_ns, status.st_mtime_ns))
    path.unlink()
    return made


@pytest.fixture(params=[gzipped, zstd])
def compress(request: pytest.FixtureRequest) -> Compress:
    made: Compress = request.param
    return made


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "usage.log")


@pytest.fixture
def follow(log: Log, reader: Callable[..., Reader]) -> Follow:
    def make(**given: Any) -> Reader:
        return reader("logfile", path=str(log.path), **given)

    return make


@pytest.fixture
def again(follow: Follow) -> Callable[..., Reader]:
    """A new agent with the checkpoint of an old one, and none of its open files."""

    def make(old: Reader, **given: Any) -> Reader:
        old.collector.close()
        new = follow(**given)
        new.checkpoint = old.checkpoint
        return new

    return make


@pytest.fixture
def ids() -> Callable[[Readings], list[str]]:
    """The events of a collection without dead letters, by their ids."""

    def found(readings: Readings) -> list[str]:
        assert readings.dead_letters == ()
        return list(readings.events["id"].to_pylist())

    return found
