"""Where a bench keeps what it makes: a folder of its own, which goes with it, whatever comes of the bench."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def folder() -> Iterator[Path]:
    """A new folder, until the end of the block."""
    directory = Path(tempfile.mkdtemp(prefix="meterbook-bench-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)
