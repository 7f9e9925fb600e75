"""What the tests of the ledger share: a journal in a directory of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.journal.journal import Journal
from tests.ledger.batches import opened
from tests.servers.fixtures import bucket, database, postgres_server, s3_server, sail_server  # noqa: F401


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """An empty journal, closed at the end."""
    with opened(tmp_path / "store") as found:
        yield found
